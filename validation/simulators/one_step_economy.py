"""The one-step economy as a batched simulator, from the same record as the finite game."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.environments.base import check_count, check_numbers
from pycrld_econ.environments.one_step_economy import OneStepEconomy, planner_baseline
from pycrld_econ.environments.saez import SaezPlanner, next_schedule, observe
from pycrld_econ.environments.taxes import marginal_rate
from pycrld_econ.validation.backend import Lanes, check_device, split_seed, to_device, to_host
from pycrld_econ.validation.simulators import one_step_rules
from pycrld_econ.validation.simulators.finite import cumulative
from pycrld_econ.validation.simulators.one_step_rules import Batch, Rules, Tables


@dataclass(frozen=True)
class Samples:
    """What mixed strategies brought in many episodes.

    Attributes
    ----------
    chosen : (E, n, A) int array
        How often each choice was made.
    earned : (E, n, A) array
        Mean reward of each choice, nan where it was never made.
    welfare : (E,) array
        Mean reward of the planner.
    """

    chosen: np.ndarray
    earned: np.ndarray
    welfare: np.ndarray


class OneStepSimulator:
    """A batch of one-step economies.

    Parameters
    ----------
    economy : OneStepEconomy
        Workers, taxes at the reset, and measures of utility and welfare.
    environments : int
        How many are played at once.
    seed : int in [0, 2**64)
        Key of the random numbers, used by `sample`.
    rate_step : float in (0, 1]
        Distance of the rates among which the planner chooses.
    tax_first : bool
        Whether taxes are enacted before incomes exist, so that nobody is ever taxed: what the original does when its
        components are swapped.
    device : "cpu" or "cuda"
        Where the environments live.
    threads : int, optional
        Number of processor threads. Default: all.

    Attributes
    ----------
    batch : Batch
        The state of all environments, in the memory of the device.

    Notes
    -----
    An episode has two steps: the planner's sub-actions take effect and nobody is rewarded; then workers choose hours,
    taxes are collected and shared, and everybody is rewarded. The second step restarts the environment; `batch.income`,
    `tax` and `coin` keep what happened.
    """

    def __init__(
        self,
        economy: OneStepEconomy,
        environments: int,
        seed: int = 0,
        *,
        rate_step: float = 0.05,
        tax_first: bool = False,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.economy, self.environments = economy, check_count("environments", environments)
        check_numbers("rate_step", rate_step, np.nextafter(0, 1), 1)
        self.device = check_device(device)
        self.n, self.A, self.B = economy.n, len(economy.labour_grid), len(economy.cutoffs)
        levels = np.arange(int(np.floor(1 / rate_step + 1e-9)) + 1) * rate_step
        arrays = (
            economy.skills[:, None] * economy.labour_grid,
            economy.disutility(economy.labour_grid),
            economy.cutoffs,
            economy.rates,
            levels,
        )
        self.tables = Tables(*(to_device(np.ascontiguousarray(array).copy(), device) for array in arrays))
        self.rules = Rules(
            isoelastic=int(economy.utility == "isoelastic_coin_minus_labor"),
            eta=float(economy.eta),
            by_equality=int(economy.welfare == "coin_eq_times_productivity"),
            equality_weight=float(economy.equality_weight),
            utility_at_reset=float(economy.utility_of(0.0, 0.0)),
            welfare_at_reset=planner_baseline(economy),
            tax_first=int(tax_first),
        )
        self._rules = {
            name: Lanes(one_step_rules, name, device, threads) for name in ("restart", "play", "sample")
        }
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Start all environments anew; with a seed, the counters of the draws return to 0."""
        if seed is not None or not hasattr(self, "batch"):
            self.key = to_device(
                np.array(split_seed(0 if seed is None else seed), dtype=np.int64), self.device
            )
            self.batch = self._empty_batch()
        self._rules["restart"](self.environments, self.tables, self.batch)

    def _empty_batch(self) -> Batch:
        E, widths = self.environments, {"rates": self.B}
        arrays = {}
        for name in Batch._fields:
            if name in ("phase", "episode", "fault", "welfare"):
                arrays[name] = np.zeros(E, float if name == "welfare" else np.int64)
            else:
                arrays[name] = np.zeros((E, widths.get(name, self.n)))
        return Batch(**{name: to_device(array, self.device) for name, array in arrays.items()})

    def step(self, planner: ArrayLike, workers: ArrayLike) -> tuple[Any, Any, bool]:
        """One step of every environment; all are in the same phase.

        Parameters
        ----------
        planner : (E, B) int array
            Sub-actions: 0 keeps a rate, j selects (j - 1) rate_step. Ignored when workers move.
        workers : (E, n) int array
            Places in the labour grid. Ignored when the planner moves.

        Returns
        -------
        reward, welfare : (E, n) and (E,) arrays
            Rewards of workers and planner; views, overwritten by the next step.
        terminated : bool
            Whether the episode is over.

        Raises
        ------
        ValueError
            If an array has the wrong shape, or an action does not exist.
        """
        acts = self._actions("planner", planner, self.B), self._actions("workers", workers, self.n)
        episode = int(to_host(self.batch.episode)[0])
        self._rules["play"](self.environments, self.tables, self.rules, self.batch, *acts)
        fault = to_host(self.batch.fault)
        if fault.any():
            raise ValueError(f"an action in environment {int(np.argmax(fault))} does not exist")
        return self.batch.reward, self.batch.welfare, int(to_host(self.batch.episode)[0]) > episode

    def _actions(self, name: str, actions: ArrayLike, width: int) -> Any:
        array = np.asarray(actions)
        if array.shape != (self.environments, width) or array.dtype.kind not in "iu":
            raise ValueError(
                f"{name} must be whole numbers of shape {(self.environments, width)}, got {array.dtype} "
                f"of shape {array.shape}"
            )
        return to_device(np.ascontiguousarray(array, dtype=np.int64), self.device)

    def episode(self, planner: ArrayLike, workers: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Both steps of an episode; rewards of workers (E, n) and planner (E,), as copies."""
        if to_host(self.batch.phase).any():
            raise ValueError("an episode is under way; finish it with step, or reset")
        self.step(planner, workers)
        reward, welfare, _ = self.step(planner, workers)
        return to_host(reward).copy(), to_host(welfare).copy()

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Which actions count now: of workers (E, n, A) and of the planner (E, B, J + 1); else only number 0."""
        working = to_host(self.batch.phase).astype(bool)
        levels = len(to_host(self.tables.levels)) + 1
        workers = np.zeros((self.environments, self.n, self.A), bool)
        planner = np.zeros((self.environments, self.B, levels), bool)
        workers[:, :, 0], planner[:, :, 0] = True, True
        workers[working], planner[~working] = True, True
        return workers, planner

    def sample(self, X: ArrayLike, episodes: int) -> Samples:
        """Play episodes in which workers draw hours from mixed strategies, under the taxes of the reset.

        Parameters
        ----------
        X : (n, A) array
            Distributions over the labour grid.
        episodes : int, >= 1
            Number of episodes of each environment.

        Returns
        -------
        Samples
            Counts of choices, mean rewards by choice, mean welfare.
        """
        strategies = np.asarray(X, dtype=float)
        if strategies.shape != (self.n, self.A):
            raise ValueError(f"X must have shape {(self.n, self.A)}, got {strategies.shape}")
        if (strategies < 0).any() or (np.abs(strategies.sum(-1) - 1) > 1e-6).any():
            raise ValueError("X must be distributions over the labour grid")
        count = check_count("episodes", episodes)
        shape = (self.environments, self.n, self.A)
        room = (np.zeros(shape[:2], np.int64), np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape[0]))
        hours, chosen, earned, welfare = (to_device(array, self.device) for array in room)
        self.reset()
        self._rules["sample"](
            self.environments, self.tables, self.rules, self.batch, self.key,
            to_device(cumulative(strategies)[None], self.device), count, hours, chosen, earned, welfare,
        )  # fmt: skip
        counts, total = to_host(chosen), to_host(earned)
        mean = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
        return Samples(counts, mean, to_host(welfare) / count)


@dataclass(frozen=True)
class SaezRun:
    """A planner that estimates its taxes from what it sees.

    Attributes
    ----------
    planner : SaezPlanner
        At the end.
    rates : (L, B) array
        Schedule of each round.
    welfare : (L,) array
        Reward of the planner, mean over environments.
    """

    planner: SaezPlanner
    rates: np.ndarray
    welfare: np.ndarray


def run_saez(
    economy: OneStepEconomy,
    planner: SaezPlanner,
    rounds: int,
    seed: int = 0,
    respond: Any = None,
) -> SaezRun:
    """Let a Saez planner tax workers who respond, and learn from their incomes.

    Parameters
    ----------
    economy : OneStepEconomy
        The workers; its cut-offs are replaced by those of the planner.
    planner : SaezPlanner
        What it remembers at the start.
    rounds : int
        Number of schedules.
    seed : int
        Of the random schedules at the start.
    respond : callable, optional
        Places in the labour grid (n,) from an economy with rates. Default: the best hours on the grid.
    """
    rng = np.random.default_rng(seed)
    answer = best_places if respond is None else respond
    rates, welfare = [], []
    for _ in range(check_count("rounds", rounds)):
        planner, schedule = next_schedule(planner, rng)
        taxed = OneStepEconomy(**{**vars(economy), "cutoffs": planner.cutoffs, "rates": schedule})
        simulator = OneStepSimulator(taxed, 1, threads=1)
        _, gained = simulator.episode(np.zeros((1, len(schedule)), np.int64), answer(taxed)[None])
        income = to_host(simulator.batch.income)[0].copy()
        planner = observe(planner, income, marginal_rate(income, planner.cutoffs, schedule))
        rates.append(schedule)
        welfare.append(float(gained[0]))
    return SaezRun(planner, np.array(rates), np.array(welfare))


def best_places(economy: OneStepEconomy) -> np.ndarray:
    """Places (n,) in the labour grid of the best hours."""
    from pycrld_econ.environments.one_step_economy import additive_parts

    return np.asarray(additive_parts(economy)[0].argmax(1), dtype=np.int64)
