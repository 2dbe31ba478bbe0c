"""Taxes on the income of a period, in brackets, shared equally."""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.market import free_coin
from pycrld_econ.validation.simulators.gather_trade_build.saez import remember, saez_schedule
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COIN,
    Draws,
    Events,
    Output,
    Rules,
    State,
    Tally,
    World,
)
from pycrld_econ.validation.simulators.one_step_rules import tax_of

RARE = ("share_all", "enact", "new_period")
PLANNER, CONSTANT, SAEZ = 1, 2, 3
SMALL = 1e-6


def coin_of(e: int, i: int, s: State) -> float:
    """Coin of an agent, at hand and in escrow."""
    return s.inventory[e, i, COIN] + s.escrow[e, i, COIN]


def bracket_of(income: float, w: World) -> int:
    """The bracket of an income; -1 below all of them."""
    b = -1
    while b + 1 < w.cutoffs.shape[0] and income >= w.cutoffs[b + 1]:
        b += 1
    return b


def marginal_of(e: int, income: float, w: World, s: State) -> float:
    """Marginal rate at an income."""
    b = bracket_of(income, w)
    return s.rates[e, b] if b >= 0 else 0.0


def allowed(e: int, rules: Rules, s: State) -> float:
    """Share of the largest rate that annealing allows in this episode."""
    if rules.annealed == 0:
        return 1.0
    return min(max(rules.anneal_slope * (s.completions[e] - rules.anneal_warmup), 0.0), 1.0)


def show_rates(e: int, rules: Rules, w: World, s: State) -> None:
    """The rates of the period, from what was chosen, given or estimated."""
    limit = s.cap[e] * rules.rate_max
    for b in range(s.rates.shape[1]):
        if rules.tax_model == PLANNER:
            s.rates[e, b] = w.levels[s.level[e, b]]
        elif rules.tax_model == CONSTANT:
            s.rates[e, b] = min(w.schedule[b], limit)
        else:
            s.rates[e, b] = min(s.saez[e, b], limit)


def first_rates(e: int, rules: Rules, w: World, s: State) -> None:
    """The rates that are seen at a reset."""
    if rules.stale_first_rates == 0:
        s.cap[e] = allowed(e, rules, s)
    if rules.tax_model > 0:
        show_rates(e, rules, w, s)


def choose_rates(e: int, planner: object, rules: Rules, w: World, s: State) -> None:
    """The planner's actions: 0 keeps a rate; as one action, it changes the rate of one bracket."""
    if rules.multi_planner:
        for b in range(s.level.shape[1]):
            if planner[e, b] > 0:  # type: ignore[index]
                s.level[e, b] = planner[e, b] - 1  # type: ignore[index]
    elif planner[e, 0] > 0:  # type: ignore[index]
        a, levels = int(planner[e, 0]) - 1, w.levels.shape[0]  # type: ignore[index]
        s.level[e, a // levels] = a % levels


def new_period(e: int, planner: object, rules: Rules, w: World, s: State, d: Draws, out: Output) -> None:
    """The first day of a period: rates are set."""
    if rules.tax_model == PLANNER:
        choose_rates(e, planner, rules, w, s)
    elif rules.tax_model == SAEZ:
        if s.remembered[e, 1] == 0:
            top = max(s.cap[e] * rules.rate_max, rules.rate_min)
            for b in range(s.saez.shape[1]):
                s.saez[e, b] = rules.rate_min + (top - rules.rate_min) * d.rates[e, b]
        else:
            saez_schedule(e, rules, w, s, out)
    show_rates(e, rules, w, s)


def collect(e: int, rules: Rules, w: World, s: State, events: Events, tally: Tally) -> float:
    """Agents pay for the income of the period; the sum of what they pay."""
    total = 0.0
    for i in range(s.labour.shape[1]):
        income = coin_of(e, i, s) - s.last_coin[e, i]
        due = tax_of(income, w.cutoffs, s.rates, e)
        if rules.escrow_untaxed == 0:
            free_coin(e, i, due, s)
        paid = min(s.inventory[e, i, COIN], due)
        s.inventory[e, i, COIN] -= paid
        total += paid
        s.last_income[e, i] = income
        s.last_marginal[e, i] = marginal_of(e, income, w, s)
        s.last_effective[e, i] = paid / max(SMALL, income)
        tally.taxed[e, i, 0] += max(income, 0.0)
        tally.taxed[e, i, 1] += paid
        tally.effective_sum[e] += s.last_effective[e, i]
        tally.occupancy[e, max(bracket_of(income, w), 0)] += 1.0
        events.tax[e, i, 0] = income
        events.tax[e, i, 1] = paid
        events.tax[e, i, 2] = s.last_marginal[e, i]
        events.tax[e, i, 3] = s.last_effective[e, i]
    return total


def enact(e: int, rules: Rules, w: World, s: State, events: Events, tally: Tally) -> None:
    """The last day of a period: taxes are paid and shared; shares are no income."""
    n = s.labour.shape[1]
    share = collect(e, rules, w, s, events, tally) / n
    for i in range(n):
        s.inventory[e, i, COIN] += share
        s.last_coin[e, i] = coin_of(e, i, s)
        events.tax[e, i, 4] = share
        if rules.tax_model == SAEZ:
            remember(e, s.last_income[e, i], s.last_marginal[e, i], s)
    tally.periods[e] += 1
    for b in range(s.rates.shape[1]):
        tally.rate_sum[e, b] += s.rates[e, b]


def tax(
    e: int, planner: object, rules: Rules, w: World, s: State, d: Draws, out: Output, events: Events, tally: Tally
) -> None:  # fmt: skip
    """A day of the tax period."""
    events.taxed[e] = 0
    if s.day[e] == 1:
        new_period(e, planner, rules, w, s, d, out)
    if s.day[e] >= rules.period:
        enact(e, rules, w, s, events, tally)
        events.taxed[e] = 1
        s.day[e] = 0
    s.day[e] += 1


def redistribute(e: int, rules: Rules, s: State) -> None:
    """Share all coin equally, in every step."""
    n, total = s.labour.shape[1], 0.0
    for i in range(n):
        total += coin_of(e, i, s)
    for i in range(n):
        if rules.redistribution_debt == 0:
            free_coin(e, i, coin_of(e, i, s) - total / n, s)
        s.inventory[e, i, COIN] = total / n - s.escrow[e, i, COIN]


def share_all(
    first: int, last: int, planner: object, rules: Rules, w: World, s: State, d: Draws, out: Output, events: Events,
    tally: Tally,
) -> None:  # fmt: skip
    """Taxes, or redistribution, in all environments."""
    for e in range(first, last):
        if out.fault[e] != 0:
            continue
        if rules.tax_model > 0:
            tax(e, planner, rules, w, s, d, out, events, tally)
        elif rules.redistribution:
            redistribute(e, rules, s)
