"""The beginning of an episode."""

from __future__ import annotations

import math

from pycrld_econ.validation.simulators.gather_trade_build.draws import RESET, normal, one, permutation
from pycrld_econ.validation.simulators.gather_trade_build.rewards import objectives
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    CELL,
    COIN,
    Draws,
    Output,
    Rules,
    State,
    Tally,
    World,
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


def build_skill(e: int, i: int, clock: int, rules: Rules, w: World) -> float:
    """A builder's skill."""
    if rules.build_skill == 1:
        return pareto(one(e, clock, RESET, BUILD + i, w.key), 4.0)
    if rules.build_skill == 2:
        return math.exp(-1.0 + 0.5 * normal(e, clock, RESET, BUILD + i, w.key))
    return 1.0


def bonus_of(e: int, i: int, clock: int, rules: Rules, w: World) -> float:
    """Chance of a second unit."""
    if rules.gather_skill == 1:
        return min(2.0, pareto(one(e, clock, RESET, GATHER + i, w.key), 3.0)) / 2
    if rules.gather_skill == 2:
        return min(2.0, math.exp(-2.022 + 0.938 * normal(e, clock, RESET, GATHER + i, w.key))) / 2
    return 0.0


def scatter(
    e: int, i: int, low: int, high: int, clock: int, rules: Rules, w: World, s: State, out: Output
) -> None:
    """Put an agent on a free cell of the rows low, ..., high - 1, all equally likely."""
    width = s.maps.shape[2] - 2 * rules.pad
    for k in range(TRIES):
        draw = PLACES + (i * TRIES + k) * 2
        row = rules.pad + low + int(one(e, clock, RESET, draw, w.key) * (high - low))
        col = rules.pad + int(one(e, clock, RESET, draw + 1, w.key) * width)
        if enterable(e, i, row, col, rules, s):
            place(e, i, row, col, s)
            return
    out.fault[e] = NO_ROOM


def place_all(e: int, clock: int, rules: Rules, w: World, s: State, d: Draws, out: Output) -> None:
    """Put agents on the map; with ranks, these are dealt out and give payments too."""
    height = s.maps.shape[1] - 2 * rules.pad
    permutation(d.order[e, 0], e, clock, RESET, ORDER, w.key)
    for rank in range(s.labour.shape[1]):
        i = int(d.order[e, 0, rank])
        if rules.placement == 0:
            scatter(e, i, 0, height, clock, rules, w, s, out)
            continue
        s.payment[e, i] = w.rank_payment[rank]
        if rules.unrelated_build_skill == 0:
            top = rules.multiplier - 1.0
            s.skill[e, i] = (s.payment[e, i] / rules.payment - 1.0) / top if top > 0.0 else 1.0
        if rules.placement == 1:
            place(e, i, int(w.rank_cell[rank, 0]), int(w.rank_cell[rank, 1]), s)
        elif w.rank_above[rank] == 1:
            scatter(e, i, 0, rules.water_row, clock, rules, w, s, out)
        else:
            scatter(e, i, rules.water_row + 1, height, clock, rules, w, s, out)


def clear_map(e: int, rules: Rules, w: World, s: State) -> None:
    """No houses, nobody, and a unit on each source."""
    layout = s.layout[e]
    for row in range(s.maps.shape[1]):
        for col in range(s.maps.shape[2]):
            for k in range(CELL):
                s.maps[e, row, col, k] = w.ground[layout, row, col, k]
            for q in range(2):
                s.maps[e, row, col, q] = w.ground[layout, row, col, source_byte(q, rules)]


def clear_agents(e: int, clock: int, rules: Rules, w: World, s: State) -> None:
    """Nothing but the coin of the beginning, and new skills."""
    for i in range(s.labour.shape[1]):
        for good in range(3):
            s.inventory[e, i, good] = rules.starting_coin if good == COIN else 0.0
            s.escrow[e, i, good] = 0.0
        s.labour[e, i] = 0.0
        skill = build_skill(e, i, clock, rules, w)
        s.skill[e, i] = skill
        s.payment[e, i] = rules.payment * min(rules.multiplier, (rules.multiplier - 1.0) * skill + 1.0)
        s.bonus[e, i] = bonus_of(e, i, clock, rules, w)


def clear_market(e: int, s: State) -> None:
    """No orders, and no sales."""
    for q in range(2):
        for side in range(2):
            s.length[e, q, side] = 0
        for i in range(s.labour.shape[1]):
            s.open[e, q, i] = 0
            for p in range(s.history.shape[3]):
                s.history[e, q, i, p] = 0.0


def clear_taxes(e: int, rules: Rules, w: World, s: State) -> None:
    """The first day of a period; rates are the lowest level, those given, or the average of those estimated."""
    s.day[e] = 1
    for b in range(s.rates.shape[1]):
        s.level[e, b] = 0
        s.saez[e, b] = s.running[e, b]
    for i in range(s.labour.shape[1]):
        s.last_coin[e, i] = coin_of(e, i, s)
        s.last_income[e, i] = 0.0
        s.last_marginal[e, i] = 0.0
        s.last_effective[e, i] = 0.0
    first_rates(e, rules, w, s)


def clear_tally(e: int, tally: Tally) -> None:
    """Nothing has happened."""
    tally.periods[e] = 0
    tally.effective_sum[e] = 0.0
    for i in range(tally.builds.shape[1]):
        tally.builds[e, i] = 0
        for k in range(2):
            tally.taxed[e, i, k] = 0.0
            for q in range(2):
                for side in range(2):
                    tally.trades[e, i, q, side, k] = 0.0
    for b in range(tally.rate_sum.shape[1]):
        tally.rate_sum[e, b] = 0.0
        tally.occupancy[e, b] = 0.0


def restart(e: int, rules: Rules, w: World, s: State, d: Draws, out: Output, tally: Tally) -> None:
    """An environment at the beginning of a new episode."""
    clock = int(s.clock[e])
    s.clock[e] += 1
    s.time[e] = 0
    s.layout[e] = int(one(e, clock, RESET, LAYOUT, w.key) * w.ground.shape[0])
    clear_map(e, rules, w, s)
    clear_agents(e, clock, rules, w, s)
    place_all(e, clock, rules, w, s, d, out)
    clear_market(e, s)
    clear_taxes(e, rules, w, s)
    clear_tally(e, tally)
    objectives(e, s.objective, rules, s, out)
