"""Taxes on the income of a period, in brackets, shared equally."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.market import free_coin
from pycrld_econ.validation.simulators.gather_trade_build.saez import remember, saez_schedule
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COIN,
    Agents,
    Book,
    Brackets,
    Calendar,
    Draws,
    Fisc,
    FiscalTally,
    Log,
    Memory,
    Room,
    Rules,
)
from pycrld_econ.validation.simulators.one_step_rules import tax_of

RARE = ("share_all", "enact", "new_period")
PLANNER, CONSTANT, SAEZ = 1, 2, 3
SMALL = 1e-6


def coin_of(e: int, i: int, agents: Agents) -> float:
    """Coin of an agent, at hand and in escrow."""
    return agents.inventory[e, i, COIN] + agents.escrow[e, i, COIN]


def bracket_of(income: float, brackets: Brackets) -> int:
    """The bracket of an income; -1 below all of them."""
    b = -1
    for k in range(brackets.cutoffs.shape[0]):  # they increase: all that are not above the income come first
        if income >= brackets.cutoffs[k]:
            b += 1
    return b


def marginal_of(e: int, income: float, brackets: Brackets, fisc: Fisc) -> float:
    """Marginal rate at an income."""
    b = bracket_of(income, brackets)
    return fisc.rates[e, b] if b >= 0 else 0.0


def allowed(e: int, rules: Rules, calendar: Calendar) -> float:
    """Share of the largest rate that annealing allows in this episode."""
    if rules.annealed == 0:
        return 1.0
    return min(max(rules.anneal_slope * (calendar.completions[e] - rules.anneal_warmup), 0.0), 1.0)


def show_rates(e: int, rules: Rules, brackets: Brackets, fisc: Fisc, memory: Memory) -> None:
    """The rates of the period, from what was chosen, given or estimated."""
    limit = fisc.cap[e] * rules.rate_max
    for b in range(fisc.rates.shape[1]):
        if rules.tax_model == PLANNER:
            fisc.rates[e, b] = brackets.levels[fisc.level[e, b]]
        elif rules.tax_model == CONSTANT:
            fisc.rates[e, b] = min(brackets.schedule[b], limit)
        else:
            fisc.rates[e, b] = min(memory.saez[e, b], limit)


def first_rates(
    e: int, rules: Rules, brackets: Brackets, calendar: Calendar, fisc: Fisc, memory: Memory
) -> None:
    """The rates that are seen at a reset."""
    if rules.stale_first_rates == 0:
        fisc.cap[e] = allowed(e, rules, calendar)
    if rules.tax_model > 0:
        show_rates(e, rules, brackets, fisc, memory)


def choose_rates(e: int, planner: object, rules: Rules, brackets: Brackets, fisc: Fisc) -> None:
    """The planner's actions: 0 keeps a rate; as one action, it changes the rate of one bracket."""
    if rules.multi_planner:
        for b in range(fisc.level.shape[1]):
            if planner[e, b] > 0:  # type: ignore[index]
                fisc.level[e, b] = planner[e, b] - 1  # type: ignore[index]
    elif planner[e, 0] > 0:  # type: ignore[index]
        a, levels = int(planner[e, 0]) - 1, brackets.levels.shape[0]  # type: ignore[index]
        fisc.level[e, a // levels] = a % levels


def new_period(
    e: int,
    planner: object,
    rules: Rules,
    brackets: Brackets,
    fisc: Fisc,
    memory: Memory,
    d: Draws,
    room: Room,
) -> None:
    """The first day of a period: rates are set."""
    if rules.tax_model == PLANNER:
        choose_rates(e, planner, rules, brackets, fisc)
    elif rules.tax_model == SAEZ:
        if memory.remembered[e, 1] == 0:
            top = max(fisc.cap[e] * rules.rate_max, rules.rate_min)
            for b in range(memory.saez.shape[1]):
                memory.saez[e, b] = rules.rate_min + (top - rules.rate_min) * d.rates[e, b]
        else:
            saez_schedule(e, rules, brackets, fisc, memory, room)
    show_rates(e, rules, brackets, fisc, memory)


def collect(
    e: int,
    rules: Rules,
    brackets: Brackets,
    agents: Agents,
    book: Book,
    fisc: Fisc,
    tax_log: Log,
    fiscal: FiscalTally,
) -> float:
    """Agents pay for the income of the period; the sum of what they pay."""
    total = 0.0
    for i in range(agents.labour.shape[1]):
        income = coin_of(e, i, agents) - fisc.last_coin[e, i]
        due = tax_of(income, brackets.cutoffs, fisc.rates, e)
        if rules.escrow_untaxed == 0:
            free_coin(e, i, due, agents, book)
        paid = min(agents.inventory[e, i, COIN], due)
        agents.inventory[e, i, COIN] -= paid
        total += paid
        fisc.last_income[e, i] = income
        fisc.last_marginal[e, i] = marginal_of(e, income, brackets, fisc)
        fisc.last_effective[e, i] = paid / max(SMALL, income)
        fiscal.taxed[e, i, 0] += max(income, 0.0)
        fiscal.taxed[e, i, 1] += paid
        fiscal.effective_sum[e] += fisc.last_effective[e, i]
        fiscal.occupancy[e, max(bracket_of(income, brackets), 0)] += 1.0
        tax_log.rows[e, i, 0] = income
        tax_log.rows[e, i, 1] = paid
        tax_log.rows[e, i, 2] = fisc.last_marginal[e, i]
        tax_log.rows[e, i, 3] = fisc.last_effective[e, i]
    return total


def enact(
    e: int,
    rules: Rules,
    brackets: Brackets,
    agents: Agents,
    book: Book,
    fisc: Fisc,
    memory: Memory,
    tax_log: Log,
    fiscal: FiscalTally,
) -> None:
    """The last day of a period: taxes are paid and shared; shares are no income."""
    n = agents.labour.shape[1]
    share = collect(e, rules, brackets, agents, book, fisc, tax_log, fiscal) / n
    for i in range(n):
        agents.inventory[e, i, COIN] += share
        fisc.last_coin[e, i] = coin_of(e, i, agents)
        tax_log.rows[e, i, 4] = share
        if rules.tax_model == SAEZ:
            remember(e, fisc.last_income[e, i], fisc.last_marginal[e, i], memory)
    fiscal.periods[e] += 1
    for b in range(fisc.rates.shape[1]):
        fiscal.rate_sum[e, b] += fisc.rates[e, b]


def tax(
    e: int,
    planner: object,
    rules: Rules,
    brackets: Brackets,
    agents: Agents,
    book: Book,
    fisc: Fisc,
    memory: Memory,
    d: Draws,
    room: Room,
    tax_log: Log,
    fiscal: FiscalTally,
) -> None:
    """A day of the tax period."""
    tax_log.size[e] = 0
    if fisc.day[e] == 1:
        new_period(e, planner, rules, brackets, fisc, memory, d, room)
    if fisc.day[e] >= rules.period:
        enact(e, rules, brackets, agents, book, fisc, memory, tax_log, fiscal)
        tax_log.size[e] = 1
        fisc.day[e] = 0
    fisc.day[e] += 1


def redistribute(e: int, rules: Rules, agents: Agents, book: Book) -> None:
    """Share all coin equally, in every step."""
    n, total = agents.labour.shape[1], 0.0
    for i in range(n):
        total += coin_of(e, i, agents)
    for i in range(n):
        if rules.redistribution_debt == 0:
            free_coin(e, i, coin_of(e, i, agents) - total / n, agents, book)
        agents.inventory[e, i, COIN] = total / n - agents.escrow[e, i, COIN]


def share_all(
    first: int,
    last: int,
    planner: object,
    rules: Rules,
    brackets: Brackets,
    agents: Agents,
    book: Book,
    fisc: Fisc,
    memory: Memory,
    d: Draws,
    fault: np.ndarray,
    room: Room,
    tax_log: Log,
    fiscal: FiscalTally,
) -> None:
    """Taxes, or redistribution, in all environments."""
    for e in range(first, last):
        if fault[e] != 0:
            continue
        if rules.tax_model > 0:
            tax(e, planner, rules, brackets, agents, book, fisc, memory, d, room, tax_log, fiscal)
        elif rules.redistribution:
            redistribute(e, rules, agents, book)
