"""One batch of a sampled learner, slowly and obviously: lists of plays, then linear algebra. Own code throughout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pycrld_econ.validation.backend.philox import WORLD, uniform


def pick(probabilities: np.ndarray, u: float) -> int:
    "First entry at which the running sum exceeds `u`"
    return int(
        np.searchsorted(np.cumsum(probabilities), u, side="right").clip(max=np.flatnonzero(probabilities)[-1])
    )


def plays(env: Any, X: np.ndarray, K: int, lane: int, seed: int, perfect: bool) -> list[tuple]:
    "K plays as (seen, actions, rewards, seen next)"

    def see(s: int, t: int) -> list[int]:
        if perfect:
            return [s] * env.N
        return [pick(env.O[i, s], uniform(lane, t, i, 1, seed, 0)) for i in range(env.N)]

    s, result = env.initial_state, []
    seen = see(s, 0)
    for t in range(K):
        a = [pick(X[i, seen[i]], uniform(lane, t, i, 0, seed, 0)) for i in range(env.N)]
        y = pick(env.T[(s, *a)], uniform(lane, t, WORLD, 0, seed, 0))
        after = see(y, t + 1)
        result.append((seen, a, env.R[(slice(None), s, *a, y)], after))
        s, seen = y, after
    return result


def tables(batch: list[tuple], i: int, S: int, M: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    "Visits, mean rewards and frequencies of what follows, in the eyes of agent i"
    n, reward, follows = np.zeros((S, M)), np.zeros((S, M)), np.zeros((S, M, S))
    for seen, a, r, after in batch:
        n[seen[i], a[i]] += 1
        reward[seen[i], a[i]] += r[i]
        follows[seen[i], a[i], after[i]] += 1
    safe = np.maximum(n, 1)
    return n, reward / safe, follows / safe[..., None]


def online_table(
    batch: list[tuple], i: int, X: np.ndarray, table: np.ndarray, rate: float | None, gamma: float, pre: float,
    goes_on: np.ndarray, explore: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:  # fmt: skip
    "Temporal-difference learning over the batch; `rate` None: 1 / (n + 1); `explore`: from the table to a strategy"
    table, n = table.copy(), np.zeros_like(table)
    for seen, a, r, after in batch:
        at, y = (seen[i], a[i]), after[i]
        step = 1 / (n[at] + 1) if rate is None else rate
        x = X[i, y] if explore is None else explore(table)[y]
        table[at] += step * (pre * r[i] + gamma * goes_on[y] * (x @ table[y]) - table[at])
        n[at] += 1
    return table
