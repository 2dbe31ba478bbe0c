"""Q-learning at every play: the rules of one lane (replicate), for threads and CUDA."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pycrld_econ.validation.backend.philox import WORLD, philox, uniform
from pycrld_econ.validation.simulators.finite_rules import ACTION, TRANSITION, pick

BORROWED = True  # no array is made or kept

RARE = frozenset({"rank", "watch"})


class Outcomes(NamedTuple):
    """A finite game as lists of what can happen after each state and joint action (at most k outcomes)."""

    arrives: np.ndarray  # (Z, J, k) cumulative probabilities
    where: np.ndarray  # (Z, J, k) next states
    pays: np.ndarray  # (Z, J, k, N) rewards
    joint: np.ndarray  # (N,) weight of the action of each agent in the number of a joint action


class Rates(NamedTuple):
    """How every agent learns, (N,) each."""

    alpha: np.ndarray  # learning rate
    gamma: np.ndarray  # discount factor
    decay: np.ndarray  # exploration falls as exp(-decay * plays)


class Tables(NamedTuple):
    """State of the replicates (first axis)."""

    q: np.ndarray  # (E, N, Z, M) values
    best: np.ndarray  # (E, N, Z) the greedy action
    chosen: np.ndarray  # (E, N)
    state: np.ndarray  # (E,)
    lane: np.ndarray  # (E,) number of the replicate in the counter of the draws
    length: np.ndarray  # (E,) plays made
    settled: np.ndarray  # (E,) 1: greedy actions have not changed for as long as asked for
    earned: np.ndarray  # (E, N) mean rewards of greedy play at the end


def rank(q: np.ndarray, best: np.ndarray, e: int, i: int, s: int) -> None:
    """Write the greedy action: the first of the best."""
    place, top = 0, q[e, i, s, 0]
    for a in range(1, q.shape[3]):
        if q[e, i, s, a] > top:
            place, top = a, q[e, i, s, a]
    best[e, i, s] = place


def explore_or_not(tables: Tables, epsilon: float, e: int, i: int, t: int, k0: int, k1: int) -> None:
    """Choose at random with probability `epsilon`, greedily otherwise."""
    w0, w1, w2, _ = philox(tables.lane[e], t, i, ACTION, k0, k1)
    tables.chosen[e, i] = tables.best[e, i, tables.state[e]]
    if ((w0 >> 5) * 67108864.0 + (w1 >> 6)) / 9007199254740992.0 < epsilon:
        tables.chosen[e, i] = (w2 * tables.q.shape[3]) >> 32


def outcome(game: Outcomes, tables: Tables, e: int, j: int, t: int, k0: int, k1: int) -> int:
    """Draw which of the outcomes of joint action `j` happens; nothing is drawn where only one can."""
    if game.arrives.shape[2] == 1:
        return 0
    return pick(game.arrives, tables.state[e], j, uniform(tables.lane[e], t, WORLD, TRANSITION, k0, k1))


def improve(tables: Tables, e: int, i: int, s: int, a: int, change: float) -> int:
    """Move one value; 1 if the greedy action is another one now."""
    tables.q[e, i, s, a] += change
    before = tables.best[e, i, s]
    if a == before:
        if change < 0.0:
            rank(tables.q, tables.best, e, i, s)
    elif tables.q[e, i, s, a] > tables.q[e, i, s, before]:
        tables.best[e, i, s] = a
    return 1 if tables.best[e, i, s] != before else 0


def play_and_learn(game: Outcomes, rates: Rates, tables: Tables, e: int, t: int, k0: int, k1: int) -> int:
    """One joint action, after which every agent moves one value; how many greedy actions changed."""
    s, j, changes = tables.state[e], 0, 0
    for i in range(tables.q.shape[1]):
        explore_or_not(tables, math.exp(-rates.decay[i] * t), e, i, t, k0, k1)
        j += game.joint[i] * tables.chosen[e, i]
    k = outcome(game, tables, e, j, t, k0, k1)
    y = game.where[s, j, k]
    for i in range(tables.q.shape[1]):
        a = tables.chosen[e, i]
        aim = game.pays[s, j, k, i] + rates.gamma[i] * tables.q[e, i, y, tables.best[e, i, y]]
        changes += improve(tables, e, i, s, a, rates.alpha[i] * (aim - tables.q[e, i, s, a]))
    tables.state[e] = y
    return changes


def watch(game: Outcomes, tables: Tables, e: int, skip: int, plays: int, k0: int, k1: int) -> None:
    """Play greedily: first `skip` plays, then `plays` of which the mean rewards are kept."""
    for p in range(skip + plays):
        s, j, t = tables.state[e], 0, tables.length[e] + p
        for i in range(tables.q.shape[1]):
            j += game.joint[i] * tables.best[e, i, s]
        k = outcome(game, tables, e, j, t, k0, k1)
        for i in range(tables.q.shape[1]):
            if p >= skip:
                tables.earned[e, i] += game.pays[s, j, k, i] / plays
        tables.state[e] = game.where[s, j, k]


def learn_at_every_play(
    first: int, last: int, game: Outcomes, rates: Rates, tables: Tables, key: np.ndarray, patience: int, longest: int,
    skip: int, watched: int,
) -> None:  # fmt: skip
    """Learn until greedy actions have stayed the same for `patience` plays, then watch what they earn."""
    for e in range(first, last):
        for i in range(tables.q.shape[1]):
            for s in range(tables.q.shape[2]):
                rank(tables.q, tables.best, e, i, s)
        calm, t = 0, 0
        while calm < patience and t < longest:
            calm = 0 if play_and_learn(game, rates, tables, e, t, key[0], key[1]) > 0 else calm + 1
            t += 1
        tables.length[e] = t
        tables.settled[e] = 1 if calm >= patience else 0
        watch(game, tables, e, skip, watched, key[0], key[1])
