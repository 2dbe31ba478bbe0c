"""Finite games the way Gymnasium and PettingZoo expect them (pip install 'pycrld_econ[adapters]')."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike
from pettingzoo import ParallelEnv

from pycrld_econ.validation.simulators.finite import FiniteSimulator


class GymnasiumVector(VectorEnv):
    """One agent of a finite game as a Gymnasium vector environment; the others keep to given strategies.

    Parameters
    ----------
    env : environment
        A finite game.
    num_envs : int
        Number of environments.
    agent : int
        The agent that is controlled.
    strategies : (N, Q, M) array, optional
        What the others do (row `agent` is not used); needed if there are others.
    **options
        Passed to `FiniteSimulator`.

    Notes
    -----
    Environments restart in the step that ends their episode (`AutoresetMode.SAME_STEP`); the last observation is in
    `info["final_obs"]`.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self, env: Any, num_envs: int, agent: int = 0, strategies: ArrayLike | None = None, **options: Any
    ) -> None:
        self.simulator = FiniteSimulator(env, num_envs, **options)
        if not 0 <= agent < self.simulator.N:
            raise ValueError(f"agent must be in 0 ... {self.simulator.N - 1}, got {agent}")
        if strategies is None and self.simulator.N > 1:
            raise ValueError(f"strategies must say what the {self.simulator.N - 1} other agents do")
        self.agent, self.strategies, self.num_envs = agent, strategies, num_envs
        self.single_observation_space = gym.spaces.Discrete(self.simulator.Q)
        self.single_action_space = gym.spaces.Discrete(self.simulator.M)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start all environments; one seed for all, since each has its own draws anyway."""
        if seed is not None and not isinstance(seed, int | np.integer):
            raise TypeError(f"seed must be one whole number for all environments or None, got {seed!r}")
        return self.simulator.reset(None if seed is None else int(seed))[:, self.agent].copy(), {}

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all environments."""
        joint = np.zeros((self.num_envs, 1), np.int64)
        if self.strategies is not None:
            joint = self.simulator.choose(self.strategies)
        joint[:, self.agent] = actions
        seen, reward, terminated, truncated = self.simulator.step(joint)
        over, info = (terminated | truncated).astype(bool), {}
        if over.any():
            last = np.full(self.num_envs, None, dtype=object)
            last[over] = list(self.simulator.batch.last_seen[over, self.agent])
            info = {"final_obs": last, "_final_obs": over}
        i = self.agent
        return seen[:, i].copy(), reward[:, i].copy(), terminated.astype(bool), truncated.astype(bool), info


class GymnasiumEnv(gym.Env):
    """One agent of a finite game as a Gymnasium environment; arguments as for `GymnasiumVector`."""

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, env: Any, agent: int = 0, strategies: ArrayLike | None = None, **options: Any) -> None:
        self._one = GymnasiumVector(env, 1, agent, strategies, **options)
        self.observation_space = gym.spaces.Discrete(self._one.simulator.Q)
        self.action_space = gym.spaces.Discrete(self._one.simulator.M)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict]:
        """Start an episode."""
        super().reset(seed=seed)
        return self._one.reset(seed=seed)[0][0], {}

    def step(self, action: Any) -> tuple[np.int64, float, bool, bool, dict]:
        """One step; after the last of an episode the observation is that of the state reached."""
        seen, reward, terminated, truncated, info = self._one.step(np.array([action]))
        now = info["final_obs"][0] if info else seen[0]
        return np.int64(now), float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}


class PettingZooParallel(ParallelEnv):
    """All agents of a finite game as a PettingZoo parallel environment.

    Parameters
    ----------
    env : environment
        A finite game.
    horizon : int
        Longest episode.
    **options
        Passed to `FiniteSimulator`.
    """

    metadata: dict[str, Any] = {"name": "finite_game_v0", "render_modes": []}
    render_mode = None

    def __init__(self, env: Any, horizon: int = 1000, **options: Any) -> None:
        self.simulator = FiniteSimulator(env, 1, horizon=horizon, **options)
        self.possible_agents = [f"agent_{i}" for i in range(self.simulator.N)]
        self.agents: list[str] = []
        self.observation_spaces = {
            name: gym.spaces.Discrete(self.simulator.Q) for name in self.possible_agents
        }
        self.action_spaces = {name: gym.spaces.Discrete(self.simulator.M) for name in self.possible_agents}

    def observation_space(self, agent: str) -> gym.spaces.Space:
        """What an agent can see."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.spaces.Space:
        """What an agent can do."""
        return self.action_spaces[agent]

    def _by_name(self, values: Any, kind: Any) -> dict[str, Any]:
        return {name: kind(value) for name, value in zip(self.possible_agents, values, strict=True)}

    def reset(
        self, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode."""
        self.agents = list(self.possible_agents)
        return self._by_name(self.simulator.reset(seed)[0], np.int64), {name: {} for name in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        """One step of all agents; after the last of an episode there are no agents until `reset`."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        joint = np.array([[actions[name] for name in self.possible_agents]], dtype=np.int64)
        seen, reward, terminated, truncated = self.simulator.step(joint)
        over = bool(terminated[0] or truncated[0])
        now = self.simulator.batch.last_seen[0] if over else seen[0]
        result: tuple[dict, dict, dict, dict, dict] = (
            self._by_name(now, np.int64), self._by_name(reward[0], float),
            dict.fromkeys(self.possible_agents, bool(terminated[0])),
            dict.fromkeys(self.possible_agents, bool(truncated[0])), {name: {} for name in self.possible_agents},
        )  # fmt: skip
        if over:
            self.agents = []
        return result
