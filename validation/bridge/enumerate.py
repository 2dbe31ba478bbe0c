"""From a simulator to tensors, by calling the simulator's own step: no second description of the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pycrld_econ.environments import TensorGame, joint_actions

Step = Callable[[int, np.ndarray, float], tuple[int, np.ndarray]]


def outcomes_of(
    step: Step, state: int, joint: np.ndarray, resolution: float
) -> list[tuple[float, int, np.ndarray]]:
    """All outcomes of one joint action as (probability, next state, rewards), by bisecting for where they change."""
    pieces: list[tuple[float, int, np.ndarray]] = []

    def same(a: tuple[int, np.ndarray], b: tuple[int, np.ndarray]) -> bool:
        return a[0] == b[0] and bool(np.array_equal(a[1], b[1]))

    def split(
        low: float, at_low: tuple[int, np.ndarray], high: float, at_high: tuple[int, np.ndarray]
    ) -> None:
        """Pieces of [low, high), whose outcome at `low` is known and at `high` seen from below."""
        if same(at_low, at_high):
            pieces.append((high - low, *at_low))
        elif high - low > resolution:
            middle = 0.5 * (low + high)
            at_middle = step(state, joint, middle)
            split(low, at_low, middle, at_middle)
            split(middle, at_middle, high, at_high)
        else:
            pieces.append((high - low, *at_low))

    grid = np.linspace(
        0.0, 1.0, 65
    )  # outcomes that return later are found if the stretch between is longer than this
    found = [step(state, joint, float(u)) for u in grid[:-1]]
    found.append(step(state, joint, float(np.nextafter(1.0, 0.0))))
    for k in range(64):
        split(grid[k], found[k], grid[k + 1], found[k + 1])
    return pieces


def enumerate_simulator(
    step: Step, N: int, Z: int, M: int, *, resolution: float = 2.0**-48, **description: Any
) -> TensorGame:
    """The finite game that a step function plays.

    Parameters
    ----------
    step : callable
        `step(state, actions (N,), u) -> (next_state, rewards (N,))`, all of whose randomness is the one number `u`,
        uniform in [0, 1), and whose outcome changes with `u` at finitely many places.
    N, Z, M : int
        Numbers of agents, states and actions.
    resolution : float
        How exactly the places of change are found; an outcome less likely than 1/64 may be missed where the same
        outcome lies on both sides of it.
    **description
        Passed to `TensorGame`, such as `F` or `O`.

    Returns
    -------
    TensorGame
        Probabilities are lengths of intervals of `u`; rewards are means over outcomes with the same next state.

    Raises
    ------
    ValueError
        If a next state is none of the Z.
    """
    joints = joint_actions(N, M)
    T, R = np.zeros((Z, len(joints), Z)), np.zeros((N, Z, len(joints), Z))
    for s in range(Z):
        for j, joint in enumerate(joints):
            for length, y, rewards in outcomes_of(step, s, joint, resolution):
                if not 0 <= y < Z:
                    raise ValueError(f"step leads from state {s} to {y}, must be in 0 ... {Z - 1}")
                T[s, j, y] += length
                R[:, s, j, y] += length * np.asarray(rewards, dtype=float)
    R = np.divide(R, T, out=np.zeros_like(R), where=T > 0)
    return TensorGame(T.reshape(Z, *(M,) * N, Z), R.reshape(N, Z, *(M,) * N, Z), **description)
