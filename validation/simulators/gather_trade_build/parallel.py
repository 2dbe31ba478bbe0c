"""Gather-trade-build as a PettingZoo parallel environment (pip install 'pycrld_econ[adapters]')."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from pettingzoo import ParallelEnv

from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild


class GatherTradeBuildParallel(ParallelEnv):
    """All agents, and the planner if it has actions, as a PettingZoo parallel environment.

    Parameters
    ----------
    config : GTBConfig
        What the economy is.
    **options
        As for GatherTradeBuild.
    """

    metadata: dict[str, Any] = {"name": "gather_trade_build_v0", "render_modes": []}
    render_mode = None

    def __init__(self, config: GTBConfig, **options: Any) -> None:
        self._config, self._options = config, options
        self.economy = GatherTradeBuild(config, 1, autoreset=False, **options)
        e, seen = self.economy, self.economy.observation
        self._parts = e.action_dims if config.multi_action_mode_agents else (e.n_actions,)
        mobile = [f"agent_{i}" for i in range(e.n_agents)]
        self.possible_agents = [*mobile, "planner"] if e.planner_dims else mobile
        self.agents: list[str] = []
        actions: dict[str, Any] = {name: _choices(self._parts) for name in mobile}
        spaces = {name: _space(self._agent(seen, 0)) for name in mobile}
        if e.planner_dims:
            actions["planner"] = _choices(e.planner_dims)
            spaces["planner"] = _space(self._planner(seen))
        self.action_spaces, self.observation_spaces = actions, spaces

    def observation_space(self, agent: str) -> gym.spaces.Space:
        """What an agent can see."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.spaces.Space:
        """What an agent can do."""
        return self.action_spaces[agent]

    def _agent(self, seen: Any, i: int) -> dict[str, Any]:
        return {
            "flat": seen.flat[0, i].copy(),
            "window": np.ascontiguousarray(seen.window[0, i]),
            "index": np.ascontiguousarray(seen.index[0, i]),
            "action_mask": _mask(seen.mask[0, i], self._parts),
        }

    def _planner(self, seen: Any) -> dict[str, Any]:
        return {
            "flat": seen.planner_flat[0].copy(),
            "agents": seen.planner_agents[0].copy(),
            "action_mask": _mask(seen.planner_mask[0], self.economy.planner_dims),
        }

    def _observations(self) -> dict[str, Any]:
        seen = self.economy.observation
        found = {f"agent_{i}": self._agent(seen, i) for i in range(self.economy.n_agents)}
        return found | ({"planner": self._planner(seen)} if "planner" in self.possible_agents else {})

    def reset(
        self, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; with a seed, the first one of that seed."""
        if seed is not None:
            chosen = {**self._options, "seed": seed}
            self.economy = GatherTradeBuild(self._config, 1, autoreset=False, **chosen)
        else:
            self.economy.reset()
        self.agents = list(self.possible_agents)
        return self._observations(), {name: {} for name in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """One step of all; after the last of an episode there are no agents until `reset`."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        names, n = self.possible_agents, self.economy.n_agents
        acts = np.array([[actions[f"agent_{i}"] for i in range(n)]], dtype=np.int64)
        planner = np.array([actions["planner"]], dtype=np.int64) if "planner" in names else None
        result = self.economy.step(acts, planner)
        rewards = dict(zip(names, [*result.reward[0], result.planner_reward[0]], strict=False))
        over = bool(result.done[0])
        if over:
            self.agents = []
        return (
            self._observations(), {name: float(x) for name, x in rewards.items()}, dict.fromkeys(names, False),
            dict.fromkeys(names, over), {name: {} for name in names},
        )  # fmt: skip


def _choices(sizes: tuple[int, ...]) -> gym.spaces.Space:
    """The space of one choice, or of several."""
    return gym.spaces.Discrete(sizes[0]) if len(sizes) == 1 else gym.spaces.MultiDiscrete(list(sizes))


def _mask(mask: np.ndarray, sizes: tuple[int, ...]) -> Any:
    """A mask as Gymnasium takes it: an array, or a tuple of arrays if there are several choices."""
    if len(sizes) == 1:
        return mask.astype(np.int8)
    return tuple(np.split(mask.astype(np.int8), np.cumsum(sizes)[:-1]))


def _space(example: dict[str, Any]) -> gym.spaces.Dict:
    """The space that holds an observation."""

    def box(value: Any) -> gym.spaces.Space:
        if isinstance(value, tuple):
            return gym.spaces.Tuple([box(one) for one in value])
        if value.dtype.kind == "f":
            return gym.spaces.Box(-np.inf, np.inf, value.shape, value.dtype.type)
        limits = np.iinfo(value.dtype)
        return gym.spaces.Box(int(limits.min), int(limits.max), value.shape, value.dtype.type)

    return gym.spaces.Dict({name: box(value) for name, value in example.items()})
