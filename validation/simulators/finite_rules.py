"""Playing a finite game: the rules of one lane (environment), for threads and CUDA."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycrld_econ.validation.backend.philox import WORLD, uniform

BORROWED = True  # no array is made or kept

ACTION, OBSERVATION, LAST_OBSERVATION = 0, 1, 2  # the draws of an agent in one step
TRANSITION, RESTART = 0, 1  # the draws of the world in one step


class Tables(NamedTuple):
    """A finite game as cumulative probabilities (zero probabilities are never drawn) and rewards."""

    arrives: np.ndarray  # (Z, J, Z) next state after each joint action
    pays: np.ndarray  # (Z, J, Z, N) rewards
    sees: np.ndarray  # (N, Z, Q) observations
    starts: np.ndarray  # (1, 1, Z) initial states
    final: np.ndarray  # (Z,) 1 in final states
    available: np.ndarray  # (N, Z, M) which actions exist


class Batch(NamedTuple):
    """Environments that are being played (first axis: environment)."""

    clock: np.ndarray  # (E,) steps since the seed was set: the counter of the random numbers
    age: np.ndarray  # (E,) steps since the last restart
    state: np.ndarray  # (E,)
    seen: np.ndarray  # (E, N) present observations
    reward: np.ndarray  # (E, N) of the last step
    terminated: np.ndarray  # (E,) 1 if the last step reached a final state
    truncated: np.ndarray  # (E,) 1 if it reached the horizon instead
    landed: np.ndarray  # (E,) state that the last step reached, before any restart
    last_seen: np.ndarray  # (E, N) observations of that state
    fault: np.ndarray  # (E,) 1 if an action did not exist; nothing happened then


def pick(table: np.ndarray, i: int, j: int, u: float) -> int:
    """The entry of the cumulative distribution `table[i, j]` that belongs to `u` in [0, 1)."""
    k = 0
    while u >= table[i, j, k]:
        k += 1
    return k


def observe(sees: np.ndarray, seen: np.ndarray, e: int, s: int, t: int, draw: int, k0: int, k1: int) -> None:
    """Draw what every agent sees in state `s`."""
    for i in range(seen.shape[1]):
        seen[e, i] = pick(sees, i, s, uniform(e, t, i, draw, k0, k1))


def restart(first: int, last: int, tables: Tables, batch: Batch, key: np.ndarray) -> None:
    """Put environments at the beginning of an episode."""
    for e in range(first, last):
        batch.age[e] = 0
        draw = uniform(e, batch.clock[e], WORLD, RESTART, key[0], key[1])
        batch.state[e] = pick(tables.starts, 0, 0, draw)
        observe(tables.sees, batch.seen, e, batch.state[e], batch.clock[e], OBSERVATION, key[0], key[1])


def joint_action(available: np.ndarray, actions: np.ndarray, e: int, s: int) -> int:
    """The number of the joint action of environment `e`, or -1 if an agent has no such action in state `s`."""
    joint, M = 0, available.shape[2]
    for i in range(available.shape[0]):
        a = actions[e, i]
        if a < 0 or a >= M or not available[i, s, a]:
            return -1
        joint = joint * M + a
    return joint


def advance(tables: Tables, batch: Batch, e: int, joint: int, horizon: int, k0: int, k1: int) -> None:
    """One step of environment `e`, and a restart if the episode is over."""
    s, t = batch.state[e], batch.clock[e]
    y = pick(tables.arrives, s, joint, uniform(e, t, WORLD, TRANSITION, k0, k1))
    for i in range(batch.reward.shape[1]):
        batch.reward[e, i] = tables.pays[s, joint, y, i]
    batch.clock[e] = t + 1
    batch.age[e] += 1
    batch.landed[e], batch.state[e] = y, y
    batch.terminated[e] = tables.final[y]
    batch.truncated[e] = 1 if tables.final[y] == 0 and batch.age[e] == horizon else 0
    if batch.terminated[e] or batch.truncated[e]:
        observe(tables.sees, batch.last_seen, e, y, t, LAST_OBSERVATION, k0, k1)
        batch.age[e] = 0
        batch.state[e] = pick(tables.starts, 0, 0, uniform(e, t + 1, WORLD, RESTART, k0, k1))
    observe(tables.sees, batch.seen, e, batch.state[e], t + 1, OBSERVATION, k0, k1)


def play(
    first: int, last: int, tables: Tables, batch: Batch, key: np.ndarray, actions: np.ndarray, horizon: int
) -> None:
    """One step of each environment with the actions (E, N)."""
    for e in range(first, last):
        joint = joint_action(tables.available, actions, e, batch.state[e])
        batch.fault[e] = 1 if joint < 0 else 0
        if joint >= 0:
            advance(tables, batch, e, joint, horizon, key[0], key[1])


def choose(
    first: int, last: int, batch: Batch, key: np.ndarray, strategies: np.ndarray, actions: np.ndarray
) -> None:
    """Write the actions that cumulative strategies (N, Q, M) choose after what is seen."""
    for e in range(first, last):
        for i in range(strategies.shape[0]):
            draw = uniform(e, batch.clock[e], i, ACTION, key[0], key[1])
            actions[e, i] = pick(strategies, i, batch.seen[e, i], draw)


def wander(
    first: int, last: int, tables: Tables, batch: Batch, key: np.ndarray, strategies: np.ndarray, steps: int,
    horizon: int, actions: np.ndarray, total: np.ndarray, counts: np.ndarray,
) -> None:  # fmt: skip
    """Play many steps with strategies; add up rewards (E, N), and transitions (E or 0, Z, J, Z) if there is room."""
    for e in range(first, last):
        for _ in range(steps):
            choose(e, e + 1, batch, key, strategies, actions)
            s = batch.state[e]
            joint = joint_action(tables.available, actions, e, s)
            batch.fault[e] = 1 if joint < 0 else 0
            if joint < 0:
                break
            advance(tables, batch, e, joint, horizon, key[0], key[1])
            for i in range(total.shape[1]):
                total[e, i] += batch.reward[e, i]
            if counts.shape[0] > 0:
                counts[e, s, joint, batch.landed[e]] += 1
