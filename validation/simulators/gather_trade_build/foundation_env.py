"""The dictionary interface of the original, for people who migrate: same names, same flat layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig, Quirks
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild
from pycrld_econ.validation.simulators.gather_trade_build.foundation import from_foundation

Dictionary = dict[str, dict[str, Any]]


def fields_of(names: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers by the names of their fields; those whose names only differ in a last number are one vector."""
    places: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        field, _, last = name.rpartition("-")
        places.setdefault(field if last.isdigit() else name, []).append(k)
    return {
        name: values[rows] if names[rows[0]] != name else values[rows[0]] for name, rows in places.items()
    }


def collated(seen: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """What agents see in one dictionary, with a last axis for agents."""
    return {name: np.stack([one[name] for one in seen], -1) for name in seen[0]}


class FoundationEnv:
    """One economy that is stepped with dictionaries: agents are "0", "1", ..., and the planner is "p".

    Parameters
    ----------
    config : GTBConfig
        What the economy is; `foundation.from_foundation` makes it from the arguments of the original.
    seed : int
        In [0, 2**64).
    flatten_observations : bool
        Whether numbers are in one array `flat` (and `p0`, ... of the planner), or under the names of their fields.
    collate_agent_step_and_reset_data : bool
        Whether observations, rewards and information of agents come together, under "a", with a last axis for agents.
    **options
        As for GatherTradeBuild.
    """

    def __init__(
        self,
        config: GTBConfig,
        seed: int = 0,
        flatten_observations: bool = True,
        collate_agent_step_and_reset_data: bool = False,
        **options: Any,
    ) -> None:
        self.economy = GatherTradeBuild(config, 1, seed, autoreset=False, **options)
        self.flatten_observations = flatten_observations
        self.collate = collate_agent_step_and_reset_data
        self._fresh = True  # an economy begins at the start of an episode

    @classmethod
    def from_arguments(
        cls,
        arguments: Mapping[str, Any],
        folder: str | Path = "",
        quirks: Quirks | None = None,
        **options: Any,
    ) -> FoundationEnv:
        """The economy of a configuration dictionary of the original, shown as it says.

        Parameters
        ----------
        arguments, folder, quirks
            As for `foundation.from_foundation`; `seed`, `flatten_observations` and
            `collate_agent_step_and_reset_data` count as well.
        **options
            As for GatherTradeBuild.

        Raises
        ------
        ValueError
            If something is not known, or masks are not to be flattened.
        """
        if not arguments.get("flatten_masks", True):
            raise ValueError("flatten_masks must be True: masks are arrays, got False")
        shown = {
            "seed": arguments.get("seed") or 0,
            "flatten_observations": arguments.get("flatten_observations", True),
            "collate_agent_step_and_reset_data": arguments.get("collate_agent_step_and_reset_data", False),
        }
        return cls(from_foundation(arguments, folder, quirks), **(shown | options))

    @property
    def n_agents(self) -> int:
        """Number of agents without the planner."""
        return self.economy.n_agents

    def reset(self) -> Dictionary:
        """Begin an episode; what everybody sees."""
        if not self._fresh:
            self.economy.reset()
        self._fresh = False
        return self._observations()

    def step(
        self, actions: Mapping[str, Any] | None = None
    ) -> tuple[Dictionary, dict[str, Any], dict[str, bool], dict[str, dict]]:
        """One step.

        Parameters
        ----------
        actions : mapping of str to int or sequence of int
            Of agents and of the planner, which do nothing where they are missing.

        Returns
        -------
        observations, rewards, done, information : dict
            By agent; `done` has the one key "__all__".

        Raises
        ------
        ValueError
            If an agent or an action does not exist.
        """
        self._fresh = False
        given, e = dict(actions or {}), self.economy
        parts = 6 if e.config.multi_action_mode_agents else 1
        acts = np.zeros((e.n_agents, parts), np.int64)
        for i in range(e.n_agents):
            acts[i] = given.pop(str(i), 0)
        planner = np.zeros(max(len(e.planner_dims), 1), np.int64)
        planner[:] = given.pop("p", 0)
        if given:
            raise ValueError(f"actions must be of agents 0 ... {e.n_agents - 1} and 'p', got {sorted(given)}")
        result = e.step(
            acts[None] if parts > 1 else acts[None, :, 0], planner[None] if e.planner_dims else None
        )
        gains = {str(i): float(result.reward[0, i]) for i in range(e.n_agents)}
        rewards: dict[str, Any] = {"a": result.reward[0].copy()} if self.collate else gains
        rewards["p"] = float(result.planner_reward[0])
        everybody = [*rewards]
        return (
            self._observations(),
            rewards,
            {"__all__": bool(result.done[0])},
            {name: {} for name in everybody},
        )

    def _numbers(self, names: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
        return {"flat": values.copy()} if self.flatten_observations else fields_of(names, values)

    def _observations(self) -> Dictionary:
        e, seen = self.economy, self.economy.observation
        time = seen.flat[0, :1, e.flat_names.index("time")].copy()
        found = [
            {
                "world-map": seen.window[0, i].astype(np.float32),
                "world-idx_map": seen.index[0, i].astype(np.int16),
                **self._numbers(e.flat_names, seen.flat[0, i]),
                "time": time,
                "action_mask": seen.mask[0, i].astype(np.float32),
            }
            for i in range(e.n_agents)
        ]
        agents = {"a": collated(found)} if self.collate else {str(i): one for i, one in enumerate(found)}
        return agents | {"p": self._planner(time)}

    def _planner(self, time: np.ndarray) -> dict[str, Any]:
        e, seen = self.economy, self.economy.observation
        found: dict[str, Any] = {}
        for i, values in enumerate(seen.planner_agents[0]):
            flat = self.flatten_observations
            found[f"p{i}"] = values.copy() if flat else fields_of(e.planner_agent_names, values)
        found |= self._numbers(e.planner_flat_names, seen.planner_flat[0]) | {"time": time}
        found["action_mask"] = seen.planner_mask[0].astype(np.float32)
        if e.config.planner_gets_spatial_info:
            layers, who = e.planner_map()
            found |= {"world-map": layers[0].astype(np.float32), "world-idx_map": who[0].astype(np.int16)}
        return found

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the episode so far, by their published names."""
        return {name: float(values[0]) for name, values in self.economy.metrics().items()}
