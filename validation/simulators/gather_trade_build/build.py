"""Building houses."""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COIN,
    HOUSE,
    OTHERS,
    OWNER,
    STONE,
    WOOD,
    Draws,
    Events,
    Output,
    Rules,
    State,
    Tally,
)
from pycrld_econ.validation.simulators.gather_trade_build.world import WATER, source_byte

RARE = ("build_all",)


def can_build(e: int, i: int, rules: Rules, s: State) -> bool:
    """Whether an agent has the material at hand, and its cell is free: no resource, source, house or water."""
    if s.inventory[e, i, WOOD] < 1 or s.inventory[e, i, STONE] < 1:
        return False
    row, col = s.loc[e, i, 0], s.loc[e, i, 1]
    if s.maps[e, row, col, HOUSE] != 0 or (rules.water_seen and s.maps[e, row, col, WATER] != 0):
        return False
    for q in range(2):
        if s.maps[e, row, col, q] != 0 or s.maps[e, row, col, source_byte(q, rules)] != 0:
            return False
    return True


def build(e: int, rules: Rules, s: State, d: Draws, out: Output, events: Events, tally: Tally) -> None:
    """Agents build in a random order."""
    events.builds[e] = 0
    for turn in range(s.labour.shape[1]):
        i = int(d.order[e, 0, turn])
        if out.chosen[e, i, 0] != 1 or not can_build(e, i, rules, s):
            continue
        row, col = s.loc[e, i, 0], s.loc[e, i, 1]
        s.inventory[e, i, WOOD] -= 1
        s.inventory[e, i, STONE] -= 1
        s.inventory[e, i, COIN] += s.payment[e, i]
        s.maps[e, row, col, HOUSE] = 1
        s.maps[e, row, col, OWNER] = i + OTHERS
        s.labour[e, i] += rules.build_labour
        k = int(events.builds[e])
        events.build[e, k, 0] = i
        events.build[e, k, 1] = row
        events.build[e, k, 2] = col
        events.builds[e] = k + 1
        tally.builds[e, i] += 1


def build_all(
    first: int, last: int, rules: Rules, s: State, d: Draws, out: Output, events: Events, tally: Tally
) -> None:
    """Agents of all environments build."""
    for e in range(first, last):
        if out.fault[e] == 0:
            build(e, rules, s, d, out, events, tally)
