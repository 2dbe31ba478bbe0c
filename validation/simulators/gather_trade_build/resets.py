"""The beginning of an episode."""

from __future__ import annotations

import math

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.draws import RESET, normal, one, permutation
from pycrld_econ.validation.simulators.gather_trade_build.rewards import objectives
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    CELL,
    COIN,
    Agents,
    Book,
    Brackets,
    Calendar,
    Draws,
    Fisc,
    FiscalTally,
    Land,
    Memory,
    Ranks,
    Room,
    Rules,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import coin_of, first_rates
from pycrld_econ.validation.simulators.gather_trade_build.world import enterable, place, source_byte

NO_ROOM = 2
RARE = ("restart",)
TRIES = 2000  # of placing an agent
# Numbers of the draws of a reset; each agent has its own thousand.
LAYOUT, ORDER, BUILD, GATHER, PLACES = 0, 1, 200, 400, 1000


def pareto(u: float, shape: float) -> float:
    """The Lomax quantile of u."""
    return (1.0 - u) ** (-1.0 / shape) - 1.0


def build_skill(e: int, i: int, clock: int, rules: Rules, key: np.ndarray) -> float:
    """A builder's skill."""
    if rules.build_skill == 1:
        return pareto(one(e, clock, RESET, BUILD + i, key), 4.0)
    if rules.build_skill == 2:
        return math.exp(-1.0 + 0.5 * normal(e, clock, RESET, BUILD + i, key))
    return 1.0


def bonus_of(e: int, i: int, clock: int, rules: Rules, key: np.ndarray) -> float:
    """Chance of a second unit."""
    if rules.gather_skill == 1:
        return min(2.0, pareto(one(e, clock, RESET, GATHER + i, key), 3.0)) / 2
    if rules.gather_skill == 2:
        return min(2.0, math.exp(-2.022 + 0.938 * normal(e, clock, RESET, GATHER + i, key))) / 2
    return 0.0


def scatter(
    e: int,
    i: int,
    low: int,
    high: int,
    clock: int,
    rules: Rules,
    key: np.ndarray,
    agents: Agents,
    land: Land,
    fault: np.ndarray,
) -> None:
    """Put an agent on a free cell of the rows low, ..., high - 1, all equally likely."""
    width = land.maps.shape[2] - 2 * rules.pad
    for k in range(TRIES):
        draw = PLACES + (i * TRIES + k) * 2
        row = rules.pad + low + int(one(e, clock, RESET, draw, key) * (high - low))
        col = rules.pad + int(one(e, clock, RESET, draw + 1, key) * width)
        if enterable(e, i, row, col, rules, land):
            place(e, i, row, col, agents, land)
            return
    fault[e] = NO_ROOM


def place_all(
    e: int,
    clock: int,
    rules: Rules,
    key: np.ndarray,
    ranks: Ranks,
    agents: Agents,
    land: Land,
    d: Draws,
    fault: np.ndarray,
) -> None:
    """Put agents on the map; with ranks, these are dealt out and give payments too."""
    height = land.maps.shape[1] - 2 * rules.pad
    permutation(d.order[e, 0], e, clock, RESET, ORDER, key)
    for rank in range(agents.labour.shape[1]):
        i = int(d.order[e, 0, rank])
        if rules.placement == 0:
            scatter(e, i, 0, height, clock, rules, key, agents, land, fault)
            continue
        agents.payment[e, i] = ranks.rank_payment[rank]
        if rules.unrelated_build_skill == 0:
            top = rules.multiplier - 1.0
            agents.skill[e, i] = (agents.payment[e, i] / rules.payment - 1.0) / top if top > 0.0 else 1.0
        if rules.placement == 1:
            place(e, i, int(ranks.rank_cell[rank, 0]), int(ranks.rank_cell[rank, 1]), agents, land)
        elif ranks.rank_above[rank] == 1:
            scatter(e, i, 0, rules.water_row, clock, rules, key, agents, land, fault)
        else:
            scatter(e, i, rules.water_row + 1, height, clock, rules, key, agents, land, fault)


def clear_map(e: int, rules: Rules, ground: np.ndarray, calendar: Calendar, land: Land) -> None:
    """No houses, nobody, and a unit on each source."""
    layout = calendar.layout[e]
    for row in range(land.maps.shape[1]):
        for col in range(land.maps.shape[2]):
            for k in range(CELL):
                land.maps[e, row, col, k] = ground[layout, row, col, k]
            for q in range(2):
                land.maps[e, row, col, q] = ground[layout, row, col, source_byte(q, rules)]


def clear_agents(e: int, clock: int, rules: Rules, key: np.ndarray, agents: Agents) -> None:
    """Nothing but the coin of the beginning, and new skills."""
    for i in range(agents.labour.shape[1]):
        for good in range(3):
            agents.inventory[e, i, good] = rules.starting_coin if good == COIN else 0.0
            agents.escrow[e, i, good] = 0.0
        agents.labour[e, i] = 0.0
        skill = build_skill(e, i, clock, rules, key)
        agents.skill[e, i] = skill
        agents.payment[e, i] = rules.payment * min(rules.multiplier, (rules.multiplier - 1.0) * skill + 1.0)
        agents.bonus[e, i] = bonus_of(e, i, clock, rules, key)


def clear_market(e: int, agents: Agents, book: Book) -> None:
    """No orders, and no sales."""
    for q in range(2):
        for side in range(2):
            book.length[e, q, side] = 0
        for i in range(agents.labour.shape[1]):
            book.open[e, q, i] = 0
            for p in range(book.history.shape[3]):
                book.history[e, q, i, p] = 0.0


def clear_taxes(
    e: int, rules: Rules, brackets: Brackets, calendar: Calendar, agents: Agents, fisc: Fisc, memory: Memory
) -> None:
    """The first day of a period; rates are the lowest level, those given, or the average of those estimated."""
    fisc.day[e] = 1
    for b in range(fisc.rates.shape[1]):
        fisc.level[e, b] = 0
        memory.saez[e, b] = memory.running[e, b]
    for i in range(agents.labour.shape[1]):
        fisc.last_coin[e, i] = coin_of(e, i, agents)
        fisc.last_income[e, i] = 0.0
        fisc.last_marginal[e, i] = 0.0
        fisc.last_effective[e, i] = 0.0
    first_rates(e, rules, brackets, calendar, fisc, memory)


def clear_tally(e: int, built: np.ndarray, traded: np.ndarray, fiscal: FiscalTally) -> None:
    """Nothing has happened."""
    fiscal.periods[e] = 0
    fiscal.effective_sum[e] = 0.0
    for i in range(built.shape[1]):
        built[e, i] = 0
        for k in range(2):
            fiscal.taxed[e, i, k] = 0.0
            for q in range(2):
                for side in range(2):
                    traded[e, i, q, side, k] = 0.0
    for b in range(fiscal.rate_sum.shape[1]):
        fiscal.rate_sum[e, b] = 0.0
        fiscal.occupancy[e, b] = 0.0


def restart(
    e: int,
    rules: Rules,
    ground: np.ndarray,
    key: np.ndarray,
    ranks: Ranks,
    brackets: Brackets,
    calendar: Calendar,
    agents: Agents,
    land: Land,
    book: Book,
    fisc: Fisc,
    memory: Memory,
    objective: np.ndarray,
    d: Draws,
    fault: np.ndarray,
    room: Room,
    built: np.ndarray,
    traded: np.ndarray,
    fiscal: FiscalTally,
) -> None:
    """An environment at the beginning of a new episode."""
    clock = int(calendar.clock[e])
    calendar.clock[e] += 1
    calendar.time[e] = 0
    calendar.layout[e] = int(one(e, clock, RESET, LAYOUT, key) * ground.shape[0])
    clear_map(e, rules, ground, calendar, land)
    clear_agents(e, clock, rules, key, agents)
    place_all(e, clock, rules, key, ranks, agents, land, d, fault)
    clear_market(e, agents, book)
    clear_taxes(e, rules, brackets, calendar, agents, fisc, memory)
    clear_tally(e, built, traded, fiscal)
    objectives(e, objective, rules, calendar, agents, room)
