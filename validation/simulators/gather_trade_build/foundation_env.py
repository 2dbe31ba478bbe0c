"""The dictionary interface of the original, for people who migrate: same names, same flat layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild

Dictionary = dict[str, dict[str, np.ndarray]]


class FoundationEnv:
    """One economy that is stepped with dictionaries: agents are "0", "1", ..., and the planner is "p".

    Parameters
    ----------
    config : GTBConfig
        What the economy is; `foundation.from_foundation` makes it from the arguments of the original.
    seed : int
        In [0, 2**64).
    **options
        As for GatherTradeBuild.
    """

    def __init__(self, config: GTBConfig, seed: int = 0, **options: Any) -> None:
        self.economy = GatherTradeBuild(config, 1, seed, autoreset=False, **options)
        self._fresh = True  # an economy begins at the start of an episode

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
    ) -> tuple[Dictionary, dict[str, float], dict[str, bool], dict[str, dict]]:
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
        rewards = {str(i): float(result.reward[0, i]) for i in range(e.n_agents)}
        rewards["p"] = float(result.planner_reward[0])
        everybody = [*rewards]
        return (
            self._observations(),
            rewards,
            {"__all__": bool(result.done[0])},
            {name: {} for name in everybody},
        )

    def _observations(self) -> Dictionary:
        e, seen = self.economy, self.economy.observation
        time = seen.flat[0, :1, e.flat_names.index("time")].copy()
        found = {
            str(i): {
                "world-map": seen.window[0, i].astype(np.float32),
                "world-idx_map": seen.index[0, i].astype(np.int16),
                "time": time,
                "flat": seen.flat[0, i].copy(),
                "action_mask": seen.mask[0, i].astype(np.float32),
            }
            for i in range(e.n_agents)
        }
        planner = {f"p{i}": seen.planner_agents[0, i].copy() for i in range(e.n_agents)}
        planner |= {"time": time, "flat": seen.planner_flat[0].copy()}
        planner["action_mask"] = seen.planner_mask[0].astype(np.float32)
        if e.config.planner_gets_spatial_info:
            layers, who = e.planner_map()
            planner |= {"world-map": layers[0].astype(np.float32), "world-idx_map": who[0].astype(np.int16)}
        return found | {"p": planner}

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the episode so far, by their published names."""
        return {name: float(values[0]) for name, values in self.economy.metrics().items()}
