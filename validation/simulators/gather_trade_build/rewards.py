"""Utilities, welfare, and rewards, which are their changes."""

from __future__ import annotations

import math

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.labour import weighted_cost
from pycrld_econ.validation.simulators.gather_trade_build.state import Agents, Calendar, Room, Rules
from pycrld_econ.validation.simulators.gather_trade_build.taxes import coin_of
from pycrld_econ.validation.simulators.one_step_rules import gini_of, gini_of_pairs

RARE = ("objectives",)
BY_EQUALITY, BY_COIN, BY_UTILITY = 0, 1, 2


def utility(coin: float, labour: float, cost: float, rules: Rules) -> float:
    """Isoelastic utility of coin less the cost of labour."""
    if rules.eta == 1.0:
        return math.log(max(coin, 1.0)) - cost * labour
    return (coin ** (1.0 - rules.eta) - 1.0) / (1.0 - rules.eta) - cost * labour


def equality(e: int, rules: Rules, room: Room) -> float:
    """1 less the Gini index of the coin in `out.out`."""
    if rules.gini_by_size:
        for i in range(room.out.shape[1]):
            room.work[e, i] = 0.0
        return 1.0 - gini_of(room.out, room.work, e)
    return 1.0 - gini_of_pairs(room.out, e)


def equality_times_productivity(e: int, rules: Rules, agents: Agents, room: Room) -> float:
    """(w equality + 1 - w) times coin per agent."""
    n, total = agents.labour.shape[1], 0.0
    for i in range(n):
        room.out[e, i] = coin_of(e, i, agents)
        total += room.out[e, i]
    w = rules.equality_weight
    share = w * equality(e, rules, room) + 1.0 - w if w > 0.0 else 1.0
    return total / n * share


def inverse_income_weighted(e: int, target: object, rules: Rules, agents: Agents) -> float:
    """Mean of coin, or of utilities, weighted by 1 / max(coin, 1)."""
    total, weights = 0.0, 0.0
    for i in range(agents.labour.shape[1]):
        coin = coin_of(e, i, agents)
        weight = 1.0 / max(coin, 1.0)
        weights += weight
        total += weight * (coin if rules.welfare == BY_COIN else target[e, i])  # type: ignore[index]
    return total / weights


def objectives(e: int, target: object, rules: Rules, calendar: Calendar, agents: Agents, room: Room) -> None:
    """Utilities of agents, and the welfare that the planner wants, into a row of `target` (E, n + 1)."""
    n, cost = agents.labour.shape[1], weighted_cost(e, rules, calendar)
    shared = 0.1 * equality_times_productivity(e, rules, agents, room) if rules.planner_like else 0.0
    for i in range(n):
        own = (
            shared if rules.planner_like else utility(coin_of(e, i, agents), agents.labour[e, i], cost, rules)
        )
        target[e, i] = own  # type: ignore[index]
    if rules.welfare == BY_EQUALITY:
        target[e, n] = equality_times_productivity(e, rules, agents, room)  # type: ignore[index]
    else:
        target[e, n] = inverse_income_weighted(e, target, rules, agents)  # type: ignore[index]


def reward(
    e: int,
    rules: Rules,
    calendar: Calendar,
    agents: Agents,
    objective: np.ndarray,
    gains: np.ndarray,
    room: Room,
) -> None:
    """Changes of the objectives since the step before."""
    n, gained = agents.labour.shape[1], 0.0
    objectives(e, gains, rules, calendar, agents, room)
    for i in range(n + 1):
        now = gains[e, i]
        gains[e, i] = now - objective[e, i]
        objective[e, i] = now
        if i < n:
            gained += gains[e, i]
    if gained > 0.0:
        calendar.active[e] += 1
