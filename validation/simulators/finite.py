"""Any finite game as a batched simulator: many environments, each with random numbers of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.agents.games import is_counted, sizes
from pycrld_econ.agents.strategy import check_strategies
from pycrld_econ.validation.backend import Lanes, check_device, split_seed, to_device, to_host
from pycrld_econ.validation.simulators import finite_rules
from pycrld_econ.validation.simulators.finite_rules import Batch, Tables


def cumulative(probabilities: ArrayLike) -> np.ndarray:
    """Cumulative distributions along the last axis: exactly 1 from the last possible entry on."""
    table = np.asarray(probabilities, dtype=float)
    summed = np.minimum(np.cumsum(table, axis=-1), 1.0)
    left = np.cumsum((table > 0)[..., ::-1], axis=-1)[..., ::-1]  # possible entries from here on
    after_last: np.ndarray = left - (table > 0) == 0
    return np.ascontiguousarray(np.where(after_last, 1.0, summed))


def tables_of(env: Any, start: ArrayLike | None = None) -> Tables:
    """A finite game as tables to draw from.

    Parameters
    ----------
    env : environment
        With the tensors `T` and `R`, and optionally `O`, `F` and `available`.
    start : (Z,) array, optional
        Initial distribution. Default: the initial state of the environment.

    Returns
    -------
    Tables
        Cumulative probabilities and rewards.

    Raises
    ------
    ValueError
        If the game is counted, or `start` is no distribution over its states.
    """
    if is_counted(env):
        raise ValueError("env counts agents; a simulator needs its tensors: env.to_tensor_game()")
    N, Z, M = sizes(env)
    if start is None:
        begin = np.eye(Z)[int(getattr(env, "initial_state", getattr(env, "state", 0)))]
    else:
        begin = np.asarray(start, dtype=float)
        if begin.shape != (Z,) or (begin < 0).any() or abs(begin.sum() - 1) > 1e-9:
            raise ValueError(f"start must be a distribution over {Z} states, got {start!r}")
    return Tables(
        arrives=cumulative(np.asarray(env.T).reshape(Z, -1, Z)),
        pays=np.ascontiguousarray(np.moveaxis(np.asarray(env.R, dtype=float).reshape(N, Z, -1, Z), 0, -1)),
        sees=cumulative(getattr(env, "O", np.tile(np.eye(Z), (N, 1, 1)))),
        starts=cumulative(begin)[None, None],
        final=np.ascontiguousarray(getattr(env, "F", np.zeros(Z)), dtype=np.int64),
        available=np.ascontiguousarray(getattr(env, "available", np.ones((N, Z, M))), dtype=bool),
    )


class FiniteSimulator:
    """A batch of environments of one finite game.

    Parameters
    ----------
    env : environment
        With the tensors `T` and `R`, and optionally `O`, `F` and `available`.
    environments : int
        How many are played at once.
    seed : int in [0, 2**64)
        Key of the random numbers.
    horizon : int, optional
        Longest episode; environments that reach it are restarted and reported as truncated. Default: no limit.
    start : (Z,) array, optional
        Initial distribution. Default: the initial state of the environment.
    device : "cpu" or "cuda"
        Where the environments live.
    threads : int, optional
        Number of processor threads. Default: all.

    Attributes
    ----------
    N, M, Z, Q : int
        Numbers of agents, actions, states and observations.
    batch : Batch
        The state of all environments, in the memory of the device; `backend.as_torch` shares it with torch.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If an argument leaves its range, or CUDA is asked for and absent.

    Notes
    -----
    The draws of environment e at step t depend on (seed, e, t) only: neither the number of environments nor of threads
    nor the device changes what happens. A step that ends an episode restarts the environment in the same call;
    `batch.landed` and `batch.last_seen` keep the state and the observations that ended it.
    """

    def __init__(
        self,
        env: Any,
        environments: int,
        seed: int = 0,
        *,
        horizon: int | None = None,
        start: ArrayLike | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if int(environments) != environments or not 1 <= environments < 2**32:
            raise ValueError(f"environments must be a whole number in [1, 2**32), got {environments!r}")
        if horizon is not None and (int(horizon) != horizon or horizon < 1):
            raise ValueError(f"horizon must be a whole number >= 1 or None, got {horizon!r}")
        self.env, self.environments, self.device = env, int(environments), check_device(device)
        self.horizon = 0 if horizon is None else int(horizon)
        tables = tables_of(env, start)
        self.N, self.Z, self.M = tables.available.shape
        self.Q = tables.sees.shape[2]
        self.tables = Tables(*(to_device(array, device) for array in tables))
        self._rules = {
            name: Lanes(finite_rules, name, device, threads)
            for name in ("restart", "play", "choose", "wander")
        }
        self.reset(seed)

    def reset(self, seed: int | None = None) -> Any:
        """Start all environments anew.

        Parameters
        ----------
        seed : int, optional
            New key; the counters of the draws return to 0. None: keep the key, and the counters go on.

        Returns
        -------
        (E, N) int array
            Observations.
        """
        if seed is not None:
            self.seed = seed
            self.key = to_device(np.array(split_seed(seed), dtype=np.int64), self.device)
            self.batch = self._empty_batch()
        self._rules["restart"](self.environments, self.tables, self.batch, self.key)
        return self.batch.seen

    def _empty_batch(self) -> Batch:
        E, N = self.environments, self.N
        per_agent = {"seen", "reward", "last_seen"}
        arrays = {
            name: np.zeros((E, N) if name in per_agent else E, float if name == "reward" else np.int64)
            for name in Batch._fields
        }
        self._elapsed = 0
        return Batch(**{name: to_device(array, self.device) for name, array in arrays.items()})

    def _count(self, steps: int) -> None:
        if self._elapsed + steps >= 2**32:
            raise ValueError("random numbers are used up after 2**32 steps; reset with another seed")
        self._elapsed += steps

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any]:
        """Play one joint action in each environment.

        Parameters
        ----------
        actions : (E, N) int array
            Actions of all agents, on the device of the simulator.

        Returns
        -------
        seen, reward, terminated, truncated : arrays (E, N), (E, N), (E,), (E,)
            Views of the batch, overwritten by the next step: observations (after a restart where there was one),
            rewards, and whether a final state or the horizon was reached.

        Raises
        ------
        ValueError
            If an action does not exist. On CUDA it is `check` that tells.
        """
        if self.device == "cpu":
            actions = np.asarray(actions)
            if actions.shape != (self.environments, self.N) or actions.dtype.kind not in "iu":
                wanted = f"whole numbers of shape {(self.environments, self.N)}"
                raise ValueError(f"actions must be {wanted}, got {actions.dtype} of shape {actions.shape}")
            actions = np.ascontiguousarray(actions, dtype=np.int64)
        self._count(1)
        self._rules["play"](self.environments, self.tables, self.batch, self.key, actions, self.horizon)
        if self.device == "cpu":
            self.check()
        return self.batch.seen, self.batch.reward, self.batch.terminated, self.batch.truncated

    def check(self) -> None:
        """ValueError if an action of the last step did not exist."""
        fault = to_host(self.batch.fault)
        if fault.any():
            e = int(np.argmax(fault))
            state = int(to_host(self.batch.state)[e])
            raise ValueError(f"an action in environment {e} does not exist in its state {state}")

    def _checked(self, X: ArrayLike) -> np.ndarray:
        strategies = np.asarray(X, dtype=float)
        if strategies.shape != (self.N, self.Q, self.M):
            raise ValueError(f"X must have shape {(self.N, self.Q, self.M)}, got {strategies.shape}")
        check_strategies("X", strategies, np.ones(strategies.shape, bool))
        return to_device(cumulative(strategies), self.device)

    def choose(self, X: ArrayLike) -> Any:
        """Actions (E, N) drawn from strategies over observations (N, Q, M), for the present step."""
        actions = to_device(np.zeros((self.environments, self.N), np.int64), self.device)
        self._rules["choose"](self.environments, self.batch, self.key, self._checked(X), actions)
        return actions

    def rollout(self, X: ArrayLike, steps: int, count: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Play many steps with given strategies in one call.

        Parameters
        ----------
        X : (N, Q, M) array
            Strategies over observations.
        steps : int
            Number of steps of each environment.
        count : bool
            Whether to count transitions.

        Returns
        -------
        reward : (E, N) array
            Mean rewards of each environment.
        counts : (E, Z, M**N, Z) int array
            How often each transition happened; of length 0 unless asked for.
        """
        strategies, E = self._checked(X), self.environments
        self._count(steps)
        room = np.zeros((E if count else 0, self.Z, self.M**self.N, self.Z), np.int64)
        total, counts, actions = (
            to_device(array, self.device)
            for array in (np.zeros((E, self.N)), room, np.zeros((E, self.N), np.int64))
        )
        self._rules["wander"](
            E, self.tables, self.batch, self.key, strategies, steps, self.horizon, actions, total, counts
        )  # fmt: skip
        self.check()
        return to_host(total) / max(1, steps), to_host(counts)
