"""The one-step economy of one lane (environment): labour, taxes, redistribution, welfare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pycrld_econ.validation.backend.philox import uniform
from pycrld_econ.validation.simulators.finite_rules import ACTION, pick

BORROWED = True  # no array is made or kept

MANY = 30  # from so many workers on, the Gini index is computed from cumulative shares
SMALL = 1e-10


class Tables(NamedTuple):
    """What does not change."""

    income: np.ndarray  # (n, A) of each worker for each choice of hours
    cost: np.ndarray  # (A,) disutility of hours
    cutoffs: np.ndarray  # (B,) lower ends of the brackets
    initial: np.ndarray  # (B,) rates after a reset
    levels: np.ndarray  # (J,) rates that the planner's sub-actions 1, ..., J select


class Rules(NamedTuple):
    """What is paid for, as numbers."""

    isoelastic: int  # 1: utility is concave in coin
    eta: float  # its curvature
    by_equality: int  # 1: welfare is equality times productivity
    equality_weight: float
    utility_at_reset: float
    welfare_at_reset: float
    tax_first: (
        int  # 1: taxes are enacted before incomes exist, as in the original when components are swapped
    )


class Batch(NamedTuple):
    """Environments that are being played (first axis: environment)."""

    phase: np.ndarray  # (E,) 0: the planner moves, 1: the workers do
    episode: np.ndarray  # (E,) episodes that are over: the counter of the random numbers
    rates: np.ndarray  # (E, B) present schedule
    income: np.ndarray  # (E, n) before tax, of the last episode
    tax: np.ndarray  # (E, n)
    coin: np.ndarray  # (E, n)
    reward: np.ndarray  # (E, n) of the last step
    welfare: np.ndarray  # (E,) reward of the planner
    fault: np.ndarray  # (E,) 1 if an action did not exist; nothing happened then
    sorted: np.ndarray  # (E, n) room


def tax_of(income: float, cutoffs: np.ndarray, rates: np.ndarray, e: int) -> float:
    """Tax on an income under the schedule of environment `e`."""
    due = 0.0
    B = cutoffs.shape[0]
    for b in range(B):
        inside = max(0.0, income - cutoffs[b])
        if b + 1 < B:
            inside = min(cutoffs[b + 1] - cutoffs[b], inside)
        due += rates[e, b] * inside
    return due


def utility_of(coin: float, cost: float, rules: Rules) -> float:
    """Utility of a worker."""
    if rules.isoelastic:
        return (coin ** (1.0 - rules.eta) - 1.0) / (1.0 - rules.eta) - cost
    return coin - cost


def gini_of_pairs(coin: np.ndarray, e: int) -> float:
    """Gini index of environment `e` from differences of pairs: 1 if one worker has everything."""
    n, total, differences = coin.shape[1], 0.0, 0.0
    for i in range(n):
        total += coin[e, i]
        for j in range(n):
            differences += abs(coin[e, i] - coin[e, j])
    return differences / (2 * n * total + SMALL) / ((n - 1) / n)


def gini_of(coin: np.ndarray, room: np.ndarray, e: int) -> float:
    """Gini index of what the workers of environment `e` have; of many, from cumulative shares."""
    n, total = coin.shape[1], 0.0
    if n < MANY:
        return gini_of_pairs(coin, e)
    for i in range(n):  # insertion sort
        total += coin[e, i]
        x, k = coin[e, i], i
        while k > 0 and room[e, k - 1] > x:
            room[e, k] = room[e, k - 1]
            k -= 1
        room[e, k] = x
    running, shares = 0.0, 0.0
    for i in range(n):
        running += room[e, i]
        shares += running / (total + SMALL)
    return 1.0 - 2.0 / (n + 1) * shares


def welfare_of(batch: Batch, rules: Rules, e: int) -> float:
    """Welfare of environment `e`, from rewards that are utilities less those at the reset."""
    n, total, weights = batch.coin.shape[1], 0.0, 0.0
    if rules.by_equality:
        for i in range(n):
            total += batch.coin[e, i]
        w = rules.equality_weight
        return (w * (1.0 - gini_of(batch.coin, batch.sorted, e)) + 1.0 - w) * (total / n)
    for i in range(n):
        weights += 1.0 / max(batch.income[e, i], 1.0)
    for i in range(n):
        share = 1.0 / max(batch.income[e, i], 1.0) / weights
        total += share * (batch.reward[e, i] + rules.utility_at_reset)
    return total


def settle(tables: Tables, rules: Rules, batch: Batch, hours: np.ndarray, e: int) -> None:
    """Workers of environment `e` work for the chosen hours, and are taxed and paid."""
    n, collected = batch.coin.shape[1], 0.0
    for i in range(n):
        batch.income[e, i] = tables.income[i, hours[e, i]]
        batch.tax[e, i] = 0.0
        if rules.tax_first == 0:
            batch.tax[e, i] = tax_of(batch.income[e, i], tables.cutoffs, batch.rates, e)
        collected += batch.tax[e, i]
    for i in range(n):
        batch.coin[e, i] = batch.income[e, i] - batch.tax[e, i] + collected / n
        utility = utility_of(batch.coin[e, i], tables.cost[hours[e, i]], rules)
        batch.reward[e, i] = utility - rules.utility_at_reset
    batch.welfare[e] = welfare_of(batch, rules, e) - rules.welfare_at_reset


def restart(first: int, last: int, tables: Tables, batch: Batch) -> None:
    """Put environments at the beginning of an episode."""
    for e in range(first, last):
        batch.phase[e] = 0
        for b in range(tables.cutoffs.shape[0]):
            batch.rates[e, b] = tables.initial[b]


def exist(actions: np.ndarray, count: int, e: int) -> bool:
    """Whether all actions of environment `e` lie in 0, ..., count - 1."""
    for i in range(actions.shape[1]):
        if actions[e, i] < 0 or actions[e, i] >= count:
            return False
    return True


def set_rates(tables: Tables, batch: Batch, planner: np.ndarray, e: int) -> None:
    """The planner's sub-actions take effect: 0 keeps a rate, j selects level j - 1. Nobody is rewarded."""
    for b in range(planner.shape[1]):
        if planner[e, b] > 0:
            batch.rates[e, b] = tables.levels[planner[e, b] - 1]
    for i in range(batch.reward.shape[1]):
        batch.reward[e, i] = 0.0
    batch.welfare[e] = 0.0
    batch.phase[e] = 1


def play(
    first: int, last: int, tables: Tables, rules: Rules, batch: Batch, planner: np.ndarray, hours: np.ndarray
) -> None:
    """One step of each environment: sub-actions of the planner (E, B), or hours of the workers (E, n)."""
    for e in range(first, last):
        if batch.phase[e] == 0:
            batch.fault[e] = 0 if exist(planner, tables.levels.shape[0] + 1, e) else 1
            if batch.fault[e] == 0:
                set_rates(tables, batch, planner, e)
        else:
            batch.fault[e] = 0 if exist(hours, tables.cost.shape[0], e) else 1
            if batch.fault[e] == 0:
                settle(tables, rules, batch, hours, e)
                batch.episode[e] += 1
                restart(e, e + 1, tables, batch)


def sample(
    first: int, last: int, tables: Tables, rules: Rules, batch: Batch, key: np.ndarray, strategies: np.ndarray,
    episodes: int, hours: np.ndarray, chosen: np.ndarray, earned: np.ndarray, welfare: np.ndarray,
) -> None:  # fmt: skip
    """Episodes under the initial schedule; count choices (E, n, A), and add up rewards by choice, and welfare (E,)."""
    for e in range(first, last):
        for _ in range(episodes):
            for i in range(hours.shape[1]):
                draw = uniform(e, batch.episode[e], i, ACTION, key[0], key[1])
                hours[e, i] = pick(strategies, 0, i, draw)
            settle(tables, rules, batch, hours, e)
            batch.episode[e] += 1
            for i in range(hours.shape[1]):
                chosen[e, i, hours[e, i]] += 1
                earned[e, i, hours[e, i]] += batch.reward[e, i]
            welfare[e] += batch.welfare[e]
