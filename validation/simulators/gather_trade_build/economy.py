"""Many gather-trade-build economies in lock-step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.validation.backend import Lanes, check_device, fill, to_device, to_host
from pycrld_econ.validation.simulators.gather_trade_build import steps
from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.layouts import Layout, layouts_of
from pycrld_econ.validation.simulators.gather_trade_build.metrics import metrics_of
from pycrld_econ.validation.simulators.gather_trade_build.observations import (
    names_of,
    planner_agent_names_of,
    planner_names_of,
)
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    CELL,
    OCCUPANT,
    OWNER,
    Draws,
    Events,
    Final,
    Land,
    Output,
    Seen,
    State,
    Tally,
    World,
    in_words,
)
from pycrld_econ.validation.simulators.gather_trade_build.tables import (
    draws_of,
    events_of,
    output_of,
    rules_of,
    state_of,
    tally_of,
    tax_tables,
    world_of,
)

MOST = 2**15 - 1  # of 16 bits


class Step(NamedTuple):
    """What a step gave, as arrays that the next step overwrites.

    Attributes
    ----------
    reward : (E, n) array
        Change of the utility of agents.
    planner_reward : (E,) array
        Change of welfare.
    done : (E,) bool array
        Whether the episode was over; the observation is then that of the next one.
    """

    reward: np.ndarray
    planner_reward: np.ndarray
    done: np.ndarray


class Observation(NamedTuple):
    """What is seen: views that each step changes.

    Attributes
    ----------
    flat : (E, n, F) float32 array
        Numbers that agents see; `flat_names` says which.
    window : (E, n, C, h, w) uint8 array
        The map around agents: stone, wood, house, water (where there may be any), sources of stone and of wood, and
        inside the world (unless the whole map is seen).
    index : (E, n, 2, h, w) int8 array
        Owners of houses, and agents: 0 nobody, 1 oneself, 2 + j agent j.
    mask : (E, n, A) uint8 array
        Actions that would have an effect.
    planner_flat : (E, P) float32 array
        Numbers that the planner sees.
    planner_agents : (E, n, G) float32 array
        What it sees of each agent.
    planner_mask : (E, PA) uint8 array
        Its actions that would have an effect.
    """

    flat: np.ndarray
    window: np.ndarray
    index: np.ndarray  # type: ignore[assignment]
    mask: np.ndarray
    planner_flat: np.ndarray
    planner_agents: np.ndarray
    planner_mask: np.ndarray


class GatherTradeBuild:
    """E economies on a map, where agents gather, trade and build, and may be taxed.

    Parameters
    ----------
    config : GTBConfig
        What the economy is.
    n_envs : int
        E, at least 1.
    seed : int
        In [0, 2**64). Environment e has the same episodes for every E.
    device : "cpu" or "cuda"
        Where.
    threads : int, optional
        Number of processor threads. Default: all.
    compile : bool
        False interprets the rules: slow, and the same numbers.
    layouts : sequence of Layout, optional
        Maps instead of those of `config.map`, of which each episode draws one.
    autoreset : bool
        False: an economy whose episode is over shows its end, and must be reset before the next step.

    Attributes
    ----------
    n_agents, n_actions : int
        n, and number of actions of an agent, no-op (number 0) included, if it chooses one in all.
    action_dims : tuple of int
        Actions of each sub-action (build, buy and sell stone, buy and sell wood, move), no-op included.
    planner_dims : tuple of int
        Actions of the planner for each bracket, or in all; empty if it has none.
    flat_names, planner_flat_names, planner_agent_names : list of str
        What the numbers of observations are.
    seen : Seen
        Observations and masks where the rules write them, in the memory of the device.
    events : Events
        What happened in the last step.

    S. Zheng et al., The AI Economist, arXiv 2004.13332; Science Advances 8, eabk2607 (2022).
    """

    def __init__(
        self,
        config: GTBConfig,
        n_envs: int,
        seed: int = 0,
        device: str = "cpu",
        threads: int | None = None,
        compile: bool = True,
        layouts: Sequence[Layout] | None = None,
        autoreset: bool = True,
    ) -> None:
        if n_envs < 1:
            raise ValueError(f"n_envs must be at least 1, got {n_envs}")
        self.mode = steps.STEP if autoreset else steps.HOLD
        self.config, self.n_envs, self.n_agents, self.device = (
            config,
            n_envs,
            config.n_agents,
            check_device(device),
        )
        by_wood = config.quirks.stone_by_wood_coverage
        self.layouts = checked_layouts(
            config, layouts_of(config.map, seed, by_wood) if layouts is None else layouts
        )
        self.cutoffs, self.levels, schedule = tax_tables(config)
        self.rules = rules_of(config)
        self._world = world_of(config, self.layouts, self.cutoffs, self.levels, schedule, seed)
        self._dimensions()
        self._step = Lanes(steps, "step", device, threads, compile)
        brackets = len(self.cutoffs)
        self.state: State = self._there(state_of(config, n_envs, brackets))
        self._tally: Tally = self._there(tally_of(config, n_envs, brackets))
        self._finished: Tally = self._there(tally_of(config, n_envs, brackets))
        self._out: Output = self._there(output_of(config, n_envs))
        self.events: Events = self._there(events_of(config, n_envs))
        self.draws: Draws = self._there(
            draws_of(config, n_envs, brackets, self._world.sources.cells.shape[2])
        )
        self.seen: Seen = self._there(self._seen())
        self.world: World = self._there(self._world)
        self._nothing = np.zeros(
            (n_envs, self.n_agents, 6 if config.multi_action_mode_agents else 1), np.int16
        )
        self._unplanned = self._there(np.zeros((n_envs, max(len(self.planner_dims), 1)), np.int16))
        self.reset()

    def _there(self, arrays: Any) -> Any:
        """A nested named tuple of arrays in the memory of the device; views of the same memory stay so."""
        if isinstance(arrays, Land):
            maps = to_device(arrays.maps, self.device)
            return Land(maps, in_words(maps))
        if isinstance(arrays, Seen):
            cells = to_device(arrays.bytes, self.device)
            rest = {name: to_device(array, self.device) for name, array in arrays._asdict().items()}
            return Seen(**(rest | {"bytes": cells, "cells": in_words(cells)}))
        if isinstance(arrays, tuple):
            return type(arrays)(*(self._there(one) for one in arrays))
        return to_device(arrays, self.device)

    def _dimensions(self) -> None:
        c, brackets = self.config, len(self.cutoffs)
        prices = c.market.max_bid_ask + 2
        self.action_dims = (2, prices, prices, prices, prices, 5)
        self.n_actions = 1 + sum(size - 1 for size in self.action_dims)
        levels = len(self.levels)
        planned = c.tax is not None and c.tax.is_planned
        many = (levels + 1,) * brackets if c.multi_action_mode_planner else (1 + levels * brackets,)
        self.planner_dims: tuple[int, ...] = many if planned else ()
        self.flat_names = names_of(c, brackets)
        self.planner_flat_names = planner_names_of(c, brackets)
        self.planner_agent_names = planner_agent_names_of(c)

    def _seen(self) -> Seen:
        c, E, n = self.config, self.n_envs, self.n_agents
        height, width = self.layouts[0].shape
        size = 2 * c.mobile_agent_observation_range + 1
        view = (height, width) if c.full_observability else (size, size)
        self._channels = 5 + c.map.has_water + (not c.full_observability)
        cells = np.zeros((E, n, *view, CELL), np.uint8)
        actions = sum(self.action_dims) if c.multi_action_mode_agents else self.n_actions
        return Seen(
            flat=np.zeros((E, n, len(self.flat_names)), np.float32),
            cells=in_words(cells),
            bytes=cells,
            mask=np.zeros((E, n, actions), np.uint8),
            planner_flat=np.zeros((E, len(self.planner_flat_names)), np.float32),
            planner_agents=np.zeros((E, n, len(self.planner_agent_names)), np.float32),
            planner_mask=np.zeros((E, max(sum(self.planner_dims), 1)), np.uint8),
        )

    @property
    def observation(self) -> Observation:
        """What is seen now; on CUDA, copies."""
        seen = host(self.seen)
        cells = seen.bytes
        window = np.moveaxis(cells[..., : self._channels], -1, 2)
        index = np.moveaxis(cells[..., OWNER : OCCUPANT + 1].view(np.int8), -1, 2)
        return Observation(seen.flat, window, index, *seen[3:])

    def reset(self) -> Observation:
        """Begin a new episode everywhere; what is seen."""
        self._advance(self._nothing, self._planned(None), steps.RESET)
        self._check_fault()
        return self.observation

    def step(self, actions: ArrayLike, planner_actions: ArrayLike | None = None, check: bool = True) -> Step:
        """One step of all economies.

        Parameters
        ----------
        actions : (E, n) int array
            0 nothing, 1 build, then buy stone at 0, ..., K, sell stone, buy wood, sell wood, and move left, right, up,
            down. With `multi_action_mode_agents`, (E, n, 6): one number for each of these. What is not possible has no
            effect.
        planner_actions : (E, B) int array, optional
            0 keeps the rate of a bracket, j chooses the (j - 1)-th level; they count on the first day of a period. With
            one action in all, (E, 1).
        check : bool
            False leaves out the check of what exists; a step with an action that does not is then left out.

        Returns
        -------
        Step
            Rewards, and which episodes are over.

        Raises
        ------
        ValueError
            If an array has another shape, or an action does not exist; environments with such actions are as before.
        RuntimeError
            Without `autoreset`, if an episode is over.
        """
        self._advance(self._chosen(actions), self._planned(planner_actions), self.mode)
        if check:
            self._check_fault()
        reward = to_host(self._out.gains)
        return Step(reward[:, :-1], reward[:, -1], to_host(self._out.done).view(np.bool_))

    def advance(self, actions: Any, planner_actions: Any | None = None) -> Output:
        """One step by actions that are on the device; what comes out stays there, until the next step.

        Parameters
        ----------
        actions : (E, n, 1) or, with `multi_action_mode_agents`, (E, n, 6) int16 array
            As for `step`.
        planner_actions : (E, B) or (E, 1) int16 array, optional
            As for `step`.

        Returns
        -------
        Output
            Of which `gains` (E, n + 1) are rewards, that of the planner last, `done` (E,) is 1 where an episode was
            over, and `fault` (E,) is not 0 where an action did not exist and nothing was done.
        """
        self._advance(actions, self._unplanned if planner_actions is None else planner_actions, self.mode)
        return self._out

    def _advance(self, actions: Any, planner: Any, mode: int) -> None:
        self._step(
            self.n_envs, to_device(actions, self.device), to_device(planner, self.device), mode, self.rules,
            self.world, self.state, self.draws, self._out, self.events, self._tally, self._finished,
            self.seen,
        )  # fmt: skip

    def _chosen(self, actions: ArrayLike) -> np.ndarray:
        array = np.asarray(actions)
        shape = (self.n_envs, self.n_agents, 6)[: 2 + self.config.multi_action_mode_agents]
        if array.shape != shape or array.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be whole numbers of shape {shape}, got {array.dtype} {array.shape}"
            )
        return narrowed(array).reshape(self.n_envs, self.n_agents, -1)

    def _planned(self, actions: ArrayLike | None) -> Any:
        width = len(self.planner_dims)
        if actions is None or not width:
            return self._unplanned
        array = np.asarray(actions)
        if array.shape != (self.n_envs, width) or array.dtype.kind not in "iu":
            raise ValueError(
                f"planner_actions must be whole numbers of shape {(self.n_envs, width)}, got {array.dtype} "
                f"{array.shape}"
            )
        return narrowed(array)

    def _check_fault(self) -> None:
        fault = to_host(self._out.fault)
        if not fault.any():
            return
        e = int(np.argmax(fault > 0))
        if fault[e] == steps.OVER:
            raise RuntimeError(f"the episode of environment {e} is over: call reset first")
        if fault[e] == steps.NO_ACTION:
            raise ValueError(
                f"an action in environment {e} does not exist: agents have {self.action_dims} actions in "
                f"sub-actions, {self.n_actions} in all, the planner has {self.planner_dims or 'none'}"
            )
        raise ValueError(f"map.world_size has no room for an agent in environment {e}")

    def set_completions(self, episodes: int) -> None:
        """Set the number of finished episodes everywhere, on which annealing and warm-up depend."""
        if episodes < 0:
            raise ValueError(f"episodes must be >= 0, got {episodes}")
        completions = np.full(self.n_envs, episodes, dtype=np.int64)
        there = self.state.calendar._replace(completions=to_device(completions, self.device))
        self.state = self.state._replace(calendar=there)

    def metrics(self) -> dict[str, np.ndarray]:
        """Metrics of the episodes under way, by their published names, each (E,)."""
        tally, s = host(self._tally), host(self.state)
        c, active = self.config, s.calendar.active
        grown = active if c.energy_warmup_method == "auto" else s.calendar.completions
        share = (
            1 - np.exp(-grown / c.energy_warmup_constant)
            if c.energy_warmup_constant > 0
            else np.ones(self.n_envs)
        )
        effort = np.stack([c.energy_cost * share, active, s.memory.elasticity[:, 2]], axis=-1)
        now = tally._replace(
            final=Final(
                s.agents.inventory + s.agents.escrow, s.agents.labour, s.objective, s.agents.payment, effort
            )
        )
        return metrics_of(self.config, self.cutoffs, now)

    def finished_metrics(self) -> dict[str, np.ndarray]:
        """Metrics of the last finished episode of each economy, by their published names, each (E,)."""
        return metrics_of(self.config, self.cutoffs, host(self._finished))

    def _parts(self) -> dict[str, Any]:
        parts = {"state": self.state, "tally": self._tally, "finished": self._finished, "seen": self.seen}
        return {name: array for part, arrays in parts.items() for name, array in flatten(part, arrays)}

    def snapshot(self) -> dict[str, np.ndarray]:
        """Copies of everything that the next step, its observations and metrics depend on."""
        return {name: np.array(to_host(array)) for name, array in self._parts().items()}

    def load(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Go on from a snapshot; ValueError, and no change, if it is one of another economy."""
        parts = self._parts()
        for name, array in parts.items():
            given = np.asarray(snapshot[name])
            if given.shape != tuple(array.shape):
                raise ValueError(
                    f"snapshot[{name!r}] must have shape {tuple(array.shape)}, got {given.shape}"
                )
        for name, array in parts.items():
            fill(array, snapshot[name])

    def maps(self) -> np.ndarray:
        """The maps (E, H, W, 16) as bytes, without padding: see `state`."""
        pad = self.rules.pad
        return np.asarray(to_host(self.state.land.maps)[:, pad:-pad, pad:-pad])

    def places(self) -> np.ndarray:
        """Rows and columns of agents (E, n, 2)."""
        return np.asarray(to_host(self.state.agents.loc) - self.rules.pad)

    def planner_map(self) -> tuple[np.ndarray, np.ndarray]:
        """What a planner with spatial information sees: (E, C, H, W) layers, (E, 2, H, W) owners and agents, from 2."""
        maps = self.maps()
        layers = np.moveaxis(maps[..., : 5 + self.config.map.has_water], -1, 1)
        return layers, np.moveaxis(maps[..., OWNER : OCCUPANT + 1].view(np.int8), -1, 1)


def checked_layouts(config: GTBConfig, layouts: Sequence[Layout]) -> list[Layout]:
    """Maps as a list; ValueError unless there is one at least, and all have the size of the world."""
    found = list(layouts)
    if not found:
        raise ValueError("layouts must hold at least one map, got none")
    for k, one in enumerate(found):
        if one.shape != tuple(config.map.world_size):
            raise ValueError(
                f"layouts[{k}] must have the shape of map.world_size {config.map.world_size}, got {one.shape}"
            )
    return found


def narrowed(actions: np.ndarray) -> np.ndarray:
    """Actions as the rules take them; numbers too large for their type become ones that do not exist either."""
    return np.ascontiguousarray(np.maximum(np.minimum(actions, MOST), -1), dtype=np.int16)


def host(arrays: Any) -> Any:
    """A nested named tuple of arrays in the memory of the processor."""
    if isinstance(arrays, tuple):
        return type(arrays)(*(host(one) for one in arrays))
    return to_host(arrays)


def flatten(name: str, arrays: Any) -> Iterator[tuple[str, Any]]:
    """Names and arrays of a nested named tuple, without views of memory that has another name."""
    if not isinstance(arrays, tuple):
        yield name, arrays
        return
    for field, one in arrays._asdict().items():  # type: ignore[attr-defined]
        if field not in ("words", "cells"):
            yield from flatten(f"{name}.{field}", one)
