"""Many real-business-cycle economies in lock-step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pycrld_econ.validation.backend import Lanes, check_device, fill, split_seed, to_device, to_host
from pycrld_econ.validation.simulators.rbc import rules
from pycrld_econ.validation.simulators.rbc.config import EconomyConfig
from pycrld_econ.validation.simulators.rbc.utility import coefficients

DTYPES = ("float32", "float64")
COMPAT_DUST = 0.01


@dataclass(frozen=True)
class Step:
    """What a step gave, as arrays that the next step overwrites.

    Attributes
    ----------
    consumer_reward : (E, NC) array
        Utility minus disutility of labour.
    firm_reward : (E, NF) array
        Profit after taxes and investment.
    consumption : (E, NF, NC) array
        Units that consumers got.
    exported : (E, NF) array
        Units.
    """

    consumer_reward: np.ndarray
    firm_reward: np.ndarray
    consumption: np.ndarray
    exported: np.ndarray


class Economy:
    """E economies with NC consumers, NF firms and a government each.

    Within a step consumers buy and work at the posted prices, wages and taxes; firms and the government post those of
    the next step. Goods made in a step are for sale in the next. The step is deterministic, unless technology is
    stochastic.

    Parameters
    ----------
    config : EconomyConfig
        What the economy is.
    n_envs : int
        E, at least 1.
    seed : int
        Of technology shocks, in [0, 2**64).
    dtype : str
        float32 or float64.
    device : "cpu" or "cuda"
        Where.
    threads : int, optional
        As for `backend.Lanes`.

    M. Curry, A. Trott, S. Phade, Y. Bai, S. Zheng, arXiv 2201.01163.
    """

    def __init__(
        self,
        config: EconomyConfig,
        n_envs: int,
        seed: int = 0,
        dtype: str = "float32",
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if n_envs < 1:
            raise ValueError(f"n_envs must be at least 1, got {n_envs}")
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        self.config, self.n_envs, self.dtype, self.device = config, n_envs, dtype, check_device(device)
        self.key = np.array(split_seed(seed), dtype=np.int64)
        self.constants = constants(config, dtype)
        self._rule = Lanes(rules, "step", device, threads)
        self._there = rules.Constants(*(to_device(array, device) for array in self.constants))
        self._key = to_device(self.key, device)
        n, firms, consumers = n_envs, config.num_firms, config.num_consumers
        self._clock = np.zeros(n, dtype=np.int64)
        self.state = self._initial(1.0)
        shapes = [(n, consumers), (n, firms), (n, firms, consumers), (n, firms), (n, firms), (n,)]
        shapes += [(n, consumers), (n, consumers), (n, firms)]
        self._chosen = self.choices()
        self._outcome = rules.Outcome(*(to_device(np.zeros(shape, dtype=dtype), device) for shape in shapes))

    def _initial(self, theta_coefficient: float) -> rules.State:
        """The state at the beginning of an episode."""
        c, world, n = self.config, self.config.world, self.n_envs

        def rows(values: float | np.ndarray, size: int) -> np.ndarray:
            return np.broadcast_to(np.asarray(values, dtype=self.dtype), (n, size)).copy()

        firms, consumers = c.num_firms, c.num_consumers
        arrays = rules.State(
            price=rows(world.initial_prices, firms),
            wage=rows(world.initial_wages, firms),
            stock=rows(world.initial_stocks, firms),
            rationed=rows(0.0, firms),
            tax=rows(0.0, 2),
            time=np.zeros(n, dtype=self.dtype),
            budget=rows(world.initial_consumer_endowment, consumers),
            theta=rows(c.thetas() * theta_coefficient, consumers),
            firm_budget=rows(c.firm_endowment(), firms),
            capital=rows(c.capitals(), firms),
            shock=np.zeros(n, dtype=self.dtype),
            clock=self._clock,
        )
        return rules.State(*(to_device(array, self.device) for array in arrays))

    def reset(self, theta_coefficient: float = 1.0) -> None:
        """Begin an episode in all environments.

        Parameters
        ----------
        theta_coefficient : float
            Factor of all disutilities of labour, at least 0.
        """
        if not theta_coefficient >= 0:
            raise ValueError(f"theta_coefficient must be at least 0, got {theta_coefficient!r}")
        self._clock = np.array(to_host(self.state.clock))
        self.state = self._initial(theta_coefficient)

    def step(
        self,
        demand: np.ndarray,
        hours: np.ndarray,
        employer: np.ndarray,
        firm: np.ndarray,
        government: np.ndarray,
        check: bool = True,
    ) -> Step:
        """One step of all environments.

        Parameters
        ----------
        demand : (E, NF, NC) int array
            Row of `grids.consumption` that each consumer asks of each good.
        hours, employer : (E, NC) int arrays
            Row of `grids.hours`, and the firm to work for.
        firm : (E, NF) int array
            Row of `grids.firm` to post.
        government : (E,) int array
            Row of `grids.government` to post.
        check : bool
            False leaves out the check of the actions; actions that do not exist are then undefined behaviour.

        Raises
        ------
        ValueError
            If an array has another shape, or an action does not exist.
        """
        choices = rules.Choices(demand, hours, employer, firm, government)
        if check:
            self._check(choices)
        for room, array in zip(self._chosen, choices, strict=True):
            fill(room, array)
        o = self.advance(self._chosen)
        return Step(
            *(to_host(array) for array in (o.consumer_reward, o.firm_reward, o.consumption, o.exported))
        )

    @property
    def exponents(self) -> np.ndarray:
        """Labour's exponents (NF,), on the device."""
        return self._there.alpha

    def choices(self) -> rules.Choices:
        """Arrays for the actions of all, on the device, all 0."""
        n, firms, consumers = self.n_envs, self.config.num_firms, self.config.num_consumers
        shapes = ((n, firms, consumers), (n, consumers), (n, consumers), (n, firms), (n,))
        return rules.Choices(*(to_device(np.zeros(shape, dtype=np.int16), self.device) for shape in shapes))

    def advance(self, choices: rules.Choices) -> rules.Outcome:
        """One step by actions that are on the device, int16 and valid; what came out stays there."""
        self._rule(self.n_envs, self._there, self.state, choices, self._outcome, self._key)
        return self._outcome

    def _check(self, choices: rules.Choices) -> None:
        n, firms, consumers = self.n_envs, self.config.num_firms, self.config.num_consumers
        grids = self.config.grids
        wanted = {
            "demand": ((n, firms, consumers), len(grids.consumption)),
            "hours": ((n, consumers), len(grids.hours)),
            "employer": ((n, consumers), firms),
            "firm": ((n, firms), len(grids.firm)),
            "government": ((n,), len(grids.government)),
        }
        for name, array in choices._asdict().items():
            shape, rows = wanted[name]
            if array.shape != shape or not np.issubdtype(array.dtype, np.integer):
                raise ValueError(
                    f"{name} must be whole numbers of shape {shape}, got {array.dtype} {array.shape}"
                )
            if array.size and not (0 <= int(array.min()) and int(array.max()) < rows):
                raise ValueError(f"{name} must be in 0 ... {rows - 1}, got {array.min()} ... {array.max()}")

    def snapshot(self) -> dict[str, np.ndarray]:
        """Copies of everything that the next step depends on."""
        return {name: np.array(to_host(array)) for name, array in self.state._asdict().items()}

    def load(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Go on from a snapshot; ValueError if entries are missing, or those of another economy."""
        missing = [name for name in self.state._fields if name not in snapshot]
        if missing:
            raise ValueError(f"snapshot has no {', '.join(missing)}; it must have what `snapshot()` gives")
        found = []
        for name, array in self.state._asdict().items():
            given = np.asarray(snapshot[name])
            if given.shape != tuple(array.shape):
                raise ValueError(
                    f"snapshot[{name!r}] must have shape {tuple(array.shape)}, got {given.shape}"
                )
            found.append(to_device(np.array(given, dtype=array.dtype), self.device))
        self.state = rules.State(*found)

    def public(self) -> np.ndarray:
        """What everybody sees, (E, 4 NF + 3): prices, wages, stocks, rationing, taxes on income and profit, time."""
        s = self.state
        parts = [to_host(array) for array in (s.price, s.wage, s.stock, s.rationed, s.tax, s.time)]
        return np.concatenate([*parts[:-1], parts[-1][:, None]], axis=1)

    def consumer_states(self) -> np.ndarray:
        """The published states of consumers, (E, NC, 4 NF + 5): the public state, budget, disutility of labour."""
        private = np.stack([to_host(self.state.budget), to_host(self.state.theta)], axis=-1)
        return self._joined(private)

    def firm_states(self) -> np.ndarray:
        """Those of firms, (E, NF, 5 NF + 6): the public state, budget, capital, alpha, who it is."""
        n, firms = self.n_envs, self.config.num_firms
        own = [to_host(self.state.firm_budget), to_host(self.state.capital)]
        own.append(np.broadcast_to(self.constants.alpha, (n, firms)))
        who = np.broadcast_to(np.eye(firms, dtype=self.dtype), (n, firms, firms))
        return self._joined(np.concatenate([np.stack(own, axis=-1), who], axis=-1))

    def government_states(self) -> np.ndarray:
        """That of the government, (E, 1, 4 NF + 3): the public state."""
        return self.public()[:, None]

    def _joined(self, private: np.ndarray) -> np.ndarray:
        public = np.broadcast_to(self.public()[:, None], (*private.shape[:2], self.config.public_size))
        return np.concatenate([public, private], axis=-1)


def constants(config: EconomyConfig, dtype: str) -> rules.Constants:
    """A configuration as the rules take it."""
    world, grids, compat = config.world, config.grids, config.compat
    most = max(*grids.consumption, 1.0)

    def one(value: float) -> np.ndarray:
        return np.array([value], dtype=dtype)

    return rules.Constants(
        eta=one(world.crra_param),
        polynomial=coefficients(world.crra_param, most, dtype),
        center=one(np.sqrt(1 + most)),
        interest=one(world.interest_rate),
        dust=one(COMPAT_DUST if compat.dust else 0.0),
        export=np.array([(1 + compat.export_at_minimum) * bool(world.use_importer)], dtype=np.int64),
        export_price=one(world.importer_price),
        export_quantity=one(world.importer_quantity),
        labour_floor=one(world.labor_floor),
        boost=one(world.boost_firm_reward_factor if world.should_boost_firm_reward else 0.0),
        technology=one(world.technology),
        keep=one(1 - world.depreciation),
        persistence=one(world.technology_persistence),
        spread=one(world.technology_spread),
        alpha=config.alphas().astype(dtype),
        units=np.array(grids.consumption, dtype=dtype),
        hours=np.array(grids.hours, dtype=dtype),
        firm=np.array(grids.firm, dtype=dtype),
        government=np.array(grids.government, dtype=dtype),
    )
