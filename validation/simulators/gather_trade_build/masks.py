"""Which actions would take effect now. The order of actions is build, buy and sell stone, buy and sell wood, moves."""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.build import can_build
from pycrld_econ.validation.simulators.gather_trade_build.gather import col_step, row_step
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COIN,
    Agents,
    Book,
    Brackets,
    Calendar,
    Fisc,
    Land,
    Rules,
    Seen,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import PLANNER, allowed
from pycrld_econ.validation.simulators.gather_trade_build.world import enterable

RARE = ("mask",)


def mask_agent(e: int, i: int, rules: Rules, agents: Agents, land: Land, book: Book, seen: Seen) -> None:
    """The mask of an agent. No-op is always allowed: once, or once in each sub-action."""
    own, prices, k = rules.multi, rules.highest + 1, 0
    seen.mask[e, i, 0] = 1
    k = 1
    seen.mask[e, i, k] = 1 if can_build(e, i, rules, agents, land) else 0
    k += 1
    for q in range(2):
        room = book.open[e, q, i] < rules.limit
        coin, unit = agents.inventory[e, i, COIN], agents.inventory[e, i, 1 + q] > 0
        if own:
            seen.mask[e, i, k] = 1
            k += 1
        for p in range(prices):
            seen.mask[e, i, k] = 1 if room and p <= coin else 0
            k += 1
        if own:
            seen.mask[e, i, k] = 1
            k += 1
        for _ in range(prices):
            seen.mask[e, i, k] = 1 if room and unit else 0
            k += 1
    if own:
        seen.mask[e, i, k] = 1
        k += 1
    row, col = agents.loc[e, i, 0], agents.loc[e, i, 1]
    for action in range(1, 5):
        to = enterable(e, i, row + row_step(action), col + col_step(action), rules, land)
        seen.mask[e, i, k] = 1 if to else 0
        k += 1


def mask_planner(e: int, rules: Rules, brackets: Brackets, fisc: Fisc, seen: Seen) -> None:
    """The mask of the planner: rates up to the annealed limit, on the first day of a period."""
    seen.planner_mask[e, 0] = 1
    if rules.tax_model != PLANNER:
        return
    levels, k = brackets.levels.shape[0], 0 if rules.multi_planner else 1
    highest = 0.0
    for j in range(levels):
        highest = max(highest, abs(brackets.levels[j]))
    for _ in range(fisc.rates.shape[1]):
        if rules.multi_planner:
            seen.planner_mask[e, k] = 1
            k += 1
        for j in range(levels):
            free = fisc.day[e] == 1 and abs(brackets.levels[j]) <= fisc.cap[e] * highest
            seen.planner_mask[e, k] = 1 if free else 0
            k += 1


def mask(
    first: int,
    last: int,
    rules: Rules,
    brackets: Brackets,
    calendar: Calendar,
    agents: Agents,
    land: Land,
    book: Book,
    fisc: Fisc,
    seen: Seen,
) -> None:
    """All masks; the annealed limit is looked up here."""
    for e in range(first, last):
        fisc.cap[e] = allowed(e, rules, calendar)
        for i in range(agents.labour.shape[1]):
            mask_agent(e, i, rules, agents, land, book, seen)
        mask_planner(e, rules, brackets, fisc, seen)
