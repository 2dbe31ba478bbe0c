"""Learning from batches of plays: the rules of one lane (replicate), for threads and CUDA.

A lane plays a batch with its strategies frozen, each agent counts what followed what it saw and did, estimates values
from its own counts, and updates once. K to infinity gives the strategy-average dynamics of `pycrld_econ.agents`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pycrld_econ.agents.value_kernels import explore
from pycrld_econ.validation.backend.philox import WORLD, uniform
from pycrld_econ.validation.simulators.finite_rules import (
    ACTION,
    OBSERVATION,
    RESTART,
    TRANSITION,
    Tables,
    pick,
)

BORROWED = True  # no array is made or kept

# What runs once a batch is not inlined: that would take longer to compile. What runs at every play is.
RARE = frozenset(
    {"begin", "forget_batch", "to_frequencies", "solve_values", "estimate", "move_strategy"}
    | {"move_values", "update", "record", "explore", "aim"}
)

LSTD, TD, TD_AVERAGE = 0, 1, 2
STRATEGIES, VALUES = 0, 1


class Learning(NamedTuple):
    """How every agent learns, as numbers (second axis: agent), and what all have in common."""

    alpha: np.ndarray  # (1, N) learning rate
    beta: np.ndarray  # (1, N) choice intensity (strategies)
    gamma: np.ndarray  # (1, N) discount factor
    pre: np.ndarray  # (1, N) weight of rewards
    forgetting: np.ndarray  # (1, N) weight of -ln X in the drive (strategies)
    optimism: np.ndarray  # (1, N) weight of the best action in the next value
    current: np.ndarray  # (1, N) weight of the acting table in the next value (values)
    frequency: np.ndarray  # (1, N) 1: entries move in proportion to their share of the batch (values)
    epsilon: np.ndarray  # (1, N) probability of acting at random (values)
    intensity: np.ndarray  # (1, N) intensity of the softmax otherwise (values)
    available: np.ndarray  # (1, N, S, M) which actions exist
    continues: np.ndarray  # (S,) 0 in final states
    estimator: int  # LSTD, TD or TD_AVERAGE
    warm: int  # 1: the online table goes on from batch to batch
    replan: int  # 1: the next state is worth what exploring by the online table earns, not by the acting one (values)
    space: int  # STRATEGIES or VALUES
    perfect: int  # 1: agents see states, so that no observation is drawn


class Room(NamedTuple):
    """State of the replicates (first axis) and room for what they count (S: states or observations)."""

    chart: np.ndarray  # (E, N, S, M) logarithms of strategies, or values
    X: np.ndarray  # (E, N, S, M) strategies
    state: np.ndarray  # (E,)
    clock: np.ndarray  # (E,) plays so far
    lane: np.ndarray  # (E,) number of the replicate in the counter of the draws
    seen: np.ndarray  # (E, N)
    chosen: np.ndarray  # (E, N)
    visits: np.ndarray  # (E, N, S, M) how often each action was taken
    reward: np.ndarray  # (E, N, S, M) summed, later mean reward
    follows: np.ndarray  # (E, N, S, M, S) how often what was seen next, later frequencies
    online: np.ndarray  # (E, N, S, M) table of the TD estimators
    value: np.ndarray  # (E, S) estimated values of one agent
    ahead: np.ndarray  # (E, S) what the next state is worth to it
    table: np.ndarray  # (E, S, M) action values, then where the update aims
    linear: np.ndarray  # (E, S, S) equations of the values


def begin(tables: Tables, room: Room, e: int, k0: int, k1: int) -> None:
    """Draw the state in which replicate `e` starts, and what is seen there."""
    lane = room.lane[e]
    room.state[e] = pick(tables.starts, 0, 0, uniform(lane, 0, WORLD, RESTART, k0, k1))
    for i in range(room.seen.shape[1]):
        room.seen[e, i] = pick(tables.sees, i, room.state[e], uniform(lane, 0, i, OBSERVATION, k0, k1))


def choose_action(X: np.ndarray, e: int, i: int, s: int, u: float) -> int:
    """The action that belongs to `u`; actions of probability 0 are never taken."""
    chosen, total = 0, 0.0
    for a in range(X.shape[3]):
        if X[e, i, s, a] > 0.0:
            chosen = a
            total += X[e, i, s, a]
            if u < total:
                break
    return chosen


def forget_batch(learning: Learning, room: Room, e: int) -> None:
    """Empty the counters; return the online tables to the acting ones unless they go on."""
    for i in range(room.visits.shape[1]):
        for s in range(room.visits.shape[2]):
            for a in range(room.visits.shape[3]):
                room.visits[e, i, s, a] = 0.0
                room.reward[e, i, s, a] = 0.0
                for y in range(room.visits.shape[2]):
                    room.follows[e, i, s, a, y] = 0.0
                if learning.warm == 0:
                    room.online[e, i, s, a] = room.chart[e, i, s, a] if learning.space == VALUES else 0.0


def explored_value(
    epsilon: np.ndarray,
    intensity: np.ndarray,
    available: np.ndarray,
    table: np.ndarray,
    e: int,
    i: int,
    s: int,
) -> float:
    """What agent `i` would earn in `s` if it explored by `table[e]` instead of the table it acts upon."""
    top, count, plain, total, weighted = -math.inf, 0, 0.0, 0.0, 0.0
    for a in range(table.shape[3]):
        if available[0, i, s, a]:
            count += 1
            plain += table[e, i, s, a]
            top = max(top, table[e, i, s, a])
    for a in range(table.shape[3]):
        if available[0, i, s, a]:
            weight = 0.0
            if table[e, i, s, a] == top:
                weight = 1.0
            elif intensity[0, i] < math.inf:
                weight = math.exp(intensity[0, i] * (table[e, i, s, a] - top))
            total += weight
            weighted += weight * table[e, i, s, a]
    return (1.0 - epsilon[0, i]) * weighted / total + epsilon[0, i] * plain / count


def learn_online(learning: Learning, room: Room, e: int, i: int, s: int, a: int, r: float, y: int) -> None:
    """One step of temporal-difference learning of agent `i`, before the visit is counted."""
    ahead = 0.0
    if learning.replan == 1:
        ahead = explored_value(learning.epsilon, learning.intensity, learning.available, room.online, e, i, y)
    else:
        for b in range(room.X.shape[3]):
            ahead += room.X[e, i, y, b] * room.online[e, i, y, b]
    rate = learning.alpha[0, i] if learning.estimator == TD else 1.0 / (room.visits[e, i, s, a] + 1.0)
    aim = learning.pre[0, i] * r + learning.gamma[0, i] * learning.continues[y] * ahead
    room.online[e, i, s, a] += rate * (aim - room.online[e, i, s, a])


def play_once(tables: Tables, learning: Learning, room: Room, e: int, k0: int, k1: int) -> None:
    """One joint action; every agent counts what it saw, did, got and saw next."""
    N, M = room.X.shape[1], room.X.shape[3]
    s, t, lane, joint = room.state[e], room.clock[e], room.lane[e], 0
    for i in range(N):
        room.chosen[e, i] = choose_action(room.X, e, i, room.seen[e, i], uniform(lane, t, i, ACTION, k0, k1))
        joint = joint * M + room.chosen[e, i]
    y = pick(tables.arrives, s, joint, uniform(lane, t, WORLD, TRANSITION, k0, k1))
    for i in range(N):
        o, a, p, r = room.seen[e, i], room.chosen[e, i], y, tables.pays[s, joint, y, i]
        if learning.perfect == 0:
            p = pick(tables.sees, i, y, uniform(lane, t + 1, i, OBSERVATION, k0, k1))
        if learning.estimator != LSTD:
            learn_online(learning, room, e, i, o, a, r, p)
        room.visits[e, i, o, a] += 1.0
        room.reward[e, i, o, a] += r
        room.follows[e, i, o, a, p] += 1.0
        room.seen[e, i] = p
    room.state[e], room.clock[e] = y, t + 1


def to_frequencies(visits: np.ndarray, reward: np.ndarray, follows: np.ndarray, e: int, i: int) -> None:
    """Turn sums into means where there was a visit."""
    for s in range(visits.shape[2]):
        for a in range(visits.shape[3]):
            n = visits[e, i, s, a]
            if n > 0.0:
                reward[e, i, s, a] /= n
                for y in range(visits.shape[2]):
                    follows[e, i, s, a, y] /= n


def solve_values(
    pre: np.ndarray, gamma: np.ndarray, continues: np.ndarray, X: np.ndarray, reward: np.ndarray,
    follows: np.ndarray, linear: np.ndarray, value: np.ndarray, e: int, i: int,
) -> None:  # fmt: skip
    """Write the values that follow from the estimated rewards and transitions and the own strategy."""
    S, M = X.shape[2], X.shape[3]
    for s in range(S):
        value[e, s] = 0.0
        for y in range(S):
            linear[e, s, y] = 1.0 if s == y else 0.0
        for a in range(M):
            x = X[e, i, s, a]
            value[e, s] += pre[0, i] * x * reward[e, i, s, a]
            for y in range(S):
                linear[e, s, y] -= gamma[0, i] * (x * follows[e, i, s, a, y] * continues[y])
    for k in range(S):  # diagonally dominant by rows: no row exchanges needed
        for s in range(k + 1, S):
            factor = linear[e, s, k] / linear[e, k, k]
            if factor != 0.0:
                for y in range(k + 1, S):
                    linear[e, s, y] -= factor * linear[e, k, y]
                value[e, s] -= factor * value[e, k]
    for s in range(S - 1, -1, -1):
        for y in range(s + 1, S):
            value[e, s] -= linear[e, s, y] * value[e, y]
        value[e, s] /= linear[e, s, s]


def aim(
    pre: np.ndarray, gamma: np.ndarray, continues: np.ndarray, reward: np.ndarray, follows: np.ndarray,
    worth: np.ndarray, table: np.ndarray, e: int, i: int,
) -> None:  # fmt: skip
    """Write to `table[e]` the estimated rewards, with `worth[e]` of the next states discounted."""
    for s in range(table.shape[1]):
        for a in range(table.shape[2]):
            total = 0.0
            for y in range(worth.shape[1]):
                total += follows[e, i, s, a, y] * continues[y] * worth[e, y]
            table[e, s, a] = pre[0, i] * reward[e, i, s, a] + gamma[0, i] * total


def look_up(learning: Learning, room: Room, e: int, i: int) -> None:
    """Write action values to `table`, from the frequencies of the batch or from the online table, and `value`."""
    if learning.estimator == LSTD:
        solve_values(
            learning.pre, learning.gamma, learning.continues, room.X, room.reward, room.follows, room.linear,
            room.value, e, i,
        )  # fmt: skip
        aim(
            learning.pre, learning.gamma, learning.continues, room.reward, room.follows, room.value, room.table, e, i
        )  # fmt: skip
        return
    for s in range(room.X.shape[2]):
        room.value[e, s] = 0.0
        for a in range(room.X.shape[3]):
            room.table[e, s, a] = room.online[e, i, s, a]
            room.value[e, s] += room.X[e, i, s, a] * room.table[e, s, a]


def estimate(learning: Learning, room: Room, e: int, i: int) -> None:
    """Write `value` and `ahead` of agent `i`, and to `table` where its update aims."""
    look_up(learning, room, e, i)
    for s in range(room.X.shape[2]):
        own, best = 0.0, -math.inf
        for a in range(room.X.shape[3]):
            now = room.table[e, s, a]
            if learning.current[0, i] != 0.0:
                now = (1.0 - learning.current[0, i]) * now + learning.current[0, i] * room.chart[e, i, s, a]
            own += room.X[e, i, s, a] * now
            if learning.available[0, i, s, a] and now > best:
                best = now
        if learning.replan == 1:
            own = explored_value(
                learning.epsilon, learning.intensity, learning.available, room.online, e, i, s
            )
        room.ahead[e, s] = (1.0 - learning.optimism[0, i]) * own + learning.optimism[0, i] * best
    aim(
        learning.pre,
        learning.gamma,
        learning.continues,
        room.reward,
        room.follows,
        room.ahead,
        room.table,
        e,
        i,
    )


def move_strategy(learning: Learning, room: Room, e: int, i: int) -> None:
    """Update the strategy of agent `i`; actions that were not tried keep the weight of an average action."""
    S, M = room.visits.shape[2], room.visits.shape[3]
    for s in range(S):
        mean_log, top, total = 0.0, -math.inf, 0.0
        for a in range(M):
            if room.X[e, i, s, a] > 0.0:
                mean_log += room.X[e, i, s, a] * room.chart[e, i, s, a]
        for a in range(M):
            if room.visits[e, i, s, a] > 0.0:
                drive = learning.beta[0, i] * (room.table[e, s, a] - room.value[e, s])
                drive -= learning.forgetting[0, i] * (room.chart[e, i, s, a] - mean_log)
                room.chart[e, i, s, a] += learning.alpha[0, i] * drive
            top = max(top, room.chart[e, i, s, a])
        for a in range(M):
            total += math.exp(room.chart[e, i, s, a] - top)
        for a in range(M):
            room.chart[e, i, s, a] -= top + math.log(total)
            room.X[e, i, s, a] = math.exp(room.chart[e, i, s, a])


def move_values(learning: Learning, room: Room, e: int, i: int, plays: int) -> None:
    """Update the values of agent `i` that were tried."""
    for s in range(room.visits.shape[2]):
        for a in range(room.visits.shape[3]):
            if room.visits[e, i, s, a] > 0.0:
                share = room.visits[e, i, s, a] / plays if learning.frequency[0, i] > 0.0 else 1.0
                distance = room.table[e, s, a] - room.chart[e, i, s, a]
                room.chart[e, i, s, a] += learning.alpha[0, i] * share * distance


def update(learning: Learning, room: Room, e: int, plays: int) -> None:
    """What all agents learn from the batch that replicate `e` has played."""
    for i in range(room.X.shape[1]):
        to_frequencies(room.visits, room.reward, room.follows, e, i)
        estimate(learning, room, e, i)
        if learning.space == VALUES:
            move_values(learning, room, e, i, plays)
        else:
            move_strategy(learning, room, e, i)
    if learning.space == VALUES:
        explore(room.chart, learning.epsilon, learning.intensity, learning.available, room.X, 0, 0, e)


def record(points: np.ndarray, records: np.ndarray, e: int, k: int) -> None:
    """Keep the present point of replicate `e`."""
    for i in range(points.shape[1]):
        for s in range(points.shape[2]):
            for a in range(points.shape[3]):
                records[e, k, i, s, a] = points[e, i, s, a]


def learn(
    first: int, last: int, tables: Tables, learning: Learning, room: Room, key: np.ndarray, plays: int, batches: int,
    every: int, records: np.ndarray,
) -> None:  # fmt: skip
    """Play and learn `batches` times in each replicate; record every so many, and the start."""
    points = room.chart if learning.space == VALUES else room.X
    for e in range(first, last):
        begin(tables, room, e, key[0], key[1])
        for batch in range(batches + 1):
            if batch % every == 0:
                record(points, records, e, batch // every)
            if batch < batches:
                forget_batch(learning, room, e)
                for _ in range(plays):
                    play_once(tables, learning, room, e, key[0], key[1])
                update(learning, room, e, plays)
