"""What agents and the planner see. Fields of `flat` are in the order of `names_of` (by name, as published)."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.market import sold
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    AGENT,
    ASK,
    COMMODITIES,
    GOODS,
    OCCUPANT,
    OTHERS,
    OWNER,
    PRICE,
    SELF,
    Agents,
    Book,
    Brackets,
    Calendar,
    Fisc,
    Land,
    Room,
    Rules,
    Seen,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import coin_of, marginal_of

RARE = ("observe", "look")
LABOUR_SCALE = 0.01
FEW = 0.001  # sales, for the mean price where there are none


def vectors(name: str, size: int) -> list[str]:
    """Names of a vector by price for each commodity."""
    return [f"ContinuousDoubleAuction-{name}-{q}-{p}" for q in COMMODITIES for p in range(size)]


def names_of(config: GTBConfig, brackets: int) -> list[str]:
    """Names of the numbers in `flat`."""
    prices, n = config.market.max_bid_ask + 1, config.n_agents
    names = ["Build-build_payment", "Build-build_skill"]
    names += vectors("available_asks", prices) + vectors("available_bids", prices)
    names += [f"ContinuousDoubleAuction-market_rate-{q}" for q in COMMODITIES]
    for name in ("my_asks", "my_bids", "price_history"):
        names += vectors(name, prices)
    names += ["Gather-bonus_gather_prob"]
    if config.tax is not None:
        names += [f"PeriodicBracketTax-curr_rates-{b}" for b in range(brackets)]
        names += ["PeriodicBracketTax-is_first_day", "PeriodicBracketTax-is_tax_day"]
        names += [f"PeriodicBracketTax-last_incomes-{i}" for i in range(n)]
        names += ["PeriodicBracketTax-marginal_rate", "PeriodicBracketTax-tax_phase"]
    names += ["time"] + [f"world-inventory-{good}" for good in GOODS]
    if not config.full_observability:
        names += ["world-loc-col", "world-loc-row"]
    return names if config.quirks.hidden_labour else [*names, "world-labour"]


def planner_names_of(config: GTBConfig, brackets: int) -> list[str]:
    """Names of the numbers in `planner_flat`."""
    prices, n = config.market.max_bid_ask + 1, config.n_agents
    names = vectors("full_asks", prices) + vectors("full_bids", prices)
    names += [f"ContinuousDoubleAuction-market_rate-{q}" for q in COMMODITIES]
    names += vectors("price_history", prices)
    if config.tax is not None:
        names += [f"PeriodicBracketTax-curr_rates-{b}" for b in range(brackets)]
        names += ["PeriodicBracketTax-is_first_day", "PeriodicBracketTax-is_tax_day"]
        names += [f"PeriodicBracketTax-last_incomes-{i}" for i in range(n)]
        names += ["PeriodicBracketTax-tax_phase"]
    return [*names, "time", *(f"world-inventory-{good}" for good in GOODS)]


def planner_agent_names_of(config: GTBConfig) -> list[str]:
    """Names of the numbers in `planner_agents`."""
    names = []
    if config.tax is not None:
        names += ["curr_marginal_rate", "last_income", "last_marginal_rate"]
        names = [f"PeriodicBracketTax-{name}" for name in names]
    if not config.full_observability:
        names += [f"world-inventory-{good}" for good in GOODS]
        if config.planner_gets_spatial_info:
            names += ["world-loc-col", "world-loc-row"]
    return names


def see_books(e: int, agents: Agents, book: Book, seen: Seen, rules: Rules) -> None:
    """Open orders by price: all of them for the planner, others' and own ones for agents."""
    n, prices = agents.labour.shape[1], rules.highest + 1
    mine = 4 * prices + 2
    for k in range(4 * prices):
        seen.planner_flat[e, k] = 0.0
    for side in range(2):
        start = 0 if side == ASK else 2 * prices
        for q in range(2):
            for k in range(book.length[e, q, side]):
                seen.planner_flat[e, start + q * prices + book.orders[e, q, side, k, PRICE]] += 1.0
    for i in range(n):
        for k in range(4 * prices):
            seen.flat[e, i, 2 + k] = seen.planner_flat[e, k]
            seen.flat[e, i, 2 + mine + k] = 0.0
    for side in range(2):
        start = 2 + (0 if side == ASK else 2 * prices)
        for q in range(2):
            for k in range(book.length[e, q, side]):
                i = book.orders[e, q, side, k, AGENT]
                at = start + q * prices + book.orders[e, q, side, k, PRICE]
                seen.flat[e, i, at] -= 1.0
                seen.flat[e, i, at + mine] += 1.0


def see_market(e: int, rules: Rules, agents: Agents, book: Book, seen: Seen) -> None:
    """Mean prices and past sales, the same for all."""
    n, prices = agents.labour.shape[1], rules.highest + 1
    for q in range(2):
        number, total = 0.0, 0.0
        for p in range(prices):
            here = sold(e, q, p, book)
            number += here
            total += p * here
            seen.planner_flat[e, 4 * prices + 2 + q * prices + p] = rules.scale * here
        seen.planner_flat[e, 4 * prices + q] = total / max(FEW, number)
    for i in range(n):
        for q in range(2):
            seen.flat[e, i, 2 + 4 * prices + q] = seen.planner_flat[e, 4 * prices + q]
        for k in range(2 * prices):
            seen.flat[e, i, 4 + 8 * prices + k] = seen.planner_flat[e, 4 * prices + 2 + k]


def sort_incomes(e: int, agents: Agents, fisc: Fisc, room: Room) -> None:
    """Incomes of the last period in ascending order, into `out.out`."""
    for i in range(agents.labour.shape[1]):
        x, k = fisc.last_income[e, i], i
        while k > 0 and room.out[e, k - 1] > x:
            room.out[e, k] = room.out[e, k - 1]
            k -= 1
        room.out[e, k] = x


def see_taxes(
    e: int,
    at: int,
    planner_at: int,
    rules: Rules,
    brackets: Brackets,
    agents: Agents,
    fisc: Fisc,
    room: Room,
    seen: Seen,
) -> int:
    """Rates, the day and incomes of the last period; the next free place of `planner_flat`."""
    n, B = agents.labour.shape[1], fisc.rates.shape[1]
    sort_incomes(e, agents, fisc, room)
    phase = fisc.day[e] / rules.period
    for b in range(B):
        seen.planner_flat[e, planner_at + b] = fisc.rates[e, b]
    seen.planner_flat[e, planner_at + B] = 1.0 if fisc.day[e] == 1 else 0.0
    seen.planner_flat[e, planner_at + B + 1] = 1.0 if fisc.day[e] >= rules.period else 0.0
    for j in range(n):
        seen.planner_flat[e, planner_at + B + 2 + j] = room.out[e, j] / rules.period
    seen.planner_flat[e, planner_at + B + 2 + n] = phase
    for i in range(n):
        for k in range(B + 2 + n):
            seen.flat[e, i, at + k] = seen.planner_flat[e, planner_at + k]
        income = coin_of(e, i, agents) - fisc.last_coin[e, i]
        seen.flat[e, i, at + B + 2 + n] = marginal_of(e, income, brackets, fisc)
        seen.flat[e, i, at + B + 3 + n] = phase
    return planner_at + B + 3 + n


def after_market(rules: Rules) -> int:
    """The place in `flat` after what is seen of building and of the market."""
    return 2 + 10 * (rules.highest + 1) + 2


def see_flat(
    e: int,
    rules: Rules,
    brackets: Brackets,
    calendar: Calendar,
    agents: Agents,
    land: Land,
    book: Book,
    fisc: Fisc,
    room: Room,
    seen: Seen,
) -> None:
    """All numbers that are not maps."""
    n, prices, B = agents.labour.shape[1], rules.highest + 1, fisc.rates.shape[1]
    height, width = land.maps.shape[1] - 2 * rules.pad, land.maps.shape[2] - 2 * rules.pad
    see_books(e, agents, book, seen, rules)
    see_market(e, rules, agents, book, seen)
    after, planner_at = after_market(rules), 6 * prices + 2
    taxed = rules.tax_model > 0
    if taxed:
        planner_at = see_taxes(e, after + 1, planner_at, rules, brackets, agents, fisc, room, seen)
    time = calendar.time[e] * rules.time_scale
    seen.planner_flat[e, planner_at] = time
    for k in range(1, 4):
        seen.planner_flat[e, planner_at + k] = 0.0
    for i in range(n):
        seen.flat[e, i, 0] = agents.payment[e, i] / rules.payment
        seen.flat[e, i, 1] = agents.skill[e, i]
        seen.flat[e, i, after] = agents.bonus[e, i]
        k = after + 1 + (B + 4 + n if taxed else 0)
        seen.flat[e, i, k] = time
        for good in range(3):
            seen.flat[e, i, k + 1 + good] = rules.scale * agents.inventory[e, i, good]
        k += 4
        if rules.full == 0:
            seen.flat[e, i, k] = (agents.loc[e, i, 1] - rules.pad) / width
            seen.flat[e, i, k + 1] = (agents.loc[e, i, 0] - rules.pad) / height
            k += 2
        if rules.hidden_labour == 0:
            seen.flat[e, i, k] = LABOUR_SCALE * agents.labour[e, i]


def see_agents(e: int, rules: Rules, agents: Agents, land: Land, fisc: Fisc, seen: Seen) -> None:
    """What the planner sees of each agent, after agents see their marginal rates."""
    height, width = land.maps.shape[1] - 2 * rules.pad, land.maps.shape[2] - 2 * rules.pad
    marginal = after_market(rules) + 3 + fisc.rates.shape[1] + agents.labour.shape[1]
    for i in range(agents.labour.shape[1]):
        k = 0
        if rules.tax_model > 0:
            seen.planner_agents[e, i, 0] = seen.flat[e, i, marginal]
            seen.planner_agents[e, i, 1] = fisc.last_income[e, i] / rules.period
            seen.planner_agents[e, i, 2] = fisc.last_marginal[e, i]
            k = 3
        if rules.full == 0:
            for good in range(3):
                seen.planner_agents[e, i, k + good] = rules.scale * agents.inventory[e, i, good]
            if rules.planner_sees_places:
                seen.planner_agents[e, i, k + 3] = (agents.loc[e, i, 1] - rules.pad) / width
                seen.planner_agents[e, i, k + 4] = (agents.loc[e, i, 0] - rules.pad) / height


def see_cells(e: int, i: int, rules: Rules, agents: Agents, land: Land, seen: Seen) -> None:
    """The map around an agent, or all of it."""
    height, words = seen.cells.shape[2], seen.cells.shape[3]
    top = rules.pad if rules.full else agents.loc[e, i, 0] - rules.pad
    left = rules.pad if rules.full else agents.loc[e, i, 1] - rules.pad
    for y in range(height):
        for k in range(words):
            seen.cells[e, i, y, k] = land.words[e, top + y, 2 * left + k]


def own_codes(e: int, i: int, houses: int, rules: Rules, agents: Agents, bytes_: np.ndarray) -> None:
    """Make an agent and its houses 1 in what it sees."""
    height, width = bytes_.shape[2], bytes_.shape[3]
    if rules.full:
        bytes_[e, i, agents.loc[e, i, 0] - rules.pad, agents.loc[e, i, 1] - rules.pad, OCCUPANT] = SELF
    else:
        bytes_[e, i, rules.pad, rules.pad, OCCUPANT] = SELF
    if houses > 0:
        for y in range(height):
            for x in range(width):
                if bytes_[e, i, y, x, OWNER] == i + OTHERS:
                    bytes_[e, i, y, x, OWNER] = SELF


def observe(
    first: int,
    last: int,
    rules: Rules,
    brackets: Brackets,
    calendar: Calendar,
    agents: Agents,
    land: Land,
    book: Book,
    fisc: Fisc,
    room: Room,
    seen: Seen,
) -> None:
    """All numbers that are observed."""
    for e in range(first, last):
        see_flat(e, rules, brackets, calendar, agents, land, book, fisc, room, seen)
        see_agents(e, rules, agents, land, fisc, seen)


def look(
    first: int, last: int, rules: Rules, agents: Agents, land: Land, built: np.ndarray, seen: Seen
) -> None:
    """What all agents see of the map."""
    for e in range(first, last):
        for i in range(agents.labour.shape[1]):
            see_cells(e, i, rules, agents, land, seen)
            own_codes(e, i, int(built[e, i]), rules, agents, seen.bytes)
