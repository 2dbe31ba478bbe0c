"""The map: where agents may go, and how resources recover."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.draws import REGENERATION, uniforms
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    NOBODY,
    OCCUPANT,
    OTHERS,
    OWNER,
    Agents,
    Calendar,
    Draws,
    Land,
    Rules,
    Sources,
)

RARE = ("regenerate_all",)
WATER = 3  # byte, if water is seen; else there is none


def source_byte(q: int, rules: Rules) -> int:
    """The byte that says whether a commodity recovers on a cell."""
    return WATER + rules.water_seen + q


def inside_byte(rules: Rules) -> int:
    """The byte that says whether a cell is inside the world."""
    return WATER + rules.water_seen + 2


def enterable(e: int, i: int, row: int, col: int, rules: Rules, land: Land) -> bool:
    """Whether agent i may go to a cell now: no water, nobody else, and no house of somebody else."""
    if land.maps[e, row, col, inside_byte(rules)] == 0 or land.maps[e, row, col, OCCUPANT] != NOBODY:
        return False
    if rules.water_seen and land.maps[e, row, col, WATER] != 0:
        return False
    owner = land.maps[e, row, col, OWNER]
    return owner == NOBODY or owner == i + OTHERS


def place(e: int, i: int, row: int, col: int, agents: Agents, land: Land) -> None:
    """Put an agent on a cell."""
    agents.loc[e, i, 0] = row
    agents.loc[e, i, 1] = col
    land.maps[e, row, col, OCCUPANT] = i + OTHERS


def recovery(e: int, q: int, row: int, col: int, rules: Rules, sources: Sources, land: Land) -> float:
    """Chance of a unit on a source cell: the regeneration weight times the mean health of the window around it.

    The health of a cell is the number of its units, and at least 1 on sources: with at most one unit on a cell the
    chance does not depend on how much was taken.
    """
    half = int(sources.halfwidth[q])
    if half == 0:
        return sources.regeneration[q] * max(int(land.maps[e, row, col, q]), 1)
    height, width = land.maps.shape[1], land.maps.shape[2]
    total, source = 0, source_byte(q, rules)
    for r in range(max(0, row - half), min(height, row + half + 1)):
        for c in range(max(0, col - half), min(width, col + half + 1)):
            total += max(int(land.maps[e, r, c, q]), int(land.maps[e, r, c, source]))
    return total * (sources.regeneration[q] / ((2 * half + 1) * (2 * half + 1)))


def stocked(e: int, q: int, sources: Sources, calendar: Calendar, land: Land) -> float:
    """Share of the source cells of a commodity that hold a unit."""
    layout, full = calendar.layout[e], 0
    count = int(sources.cell_count[layout, q])
    for k in range(count):
        if land.maps[e, sources.cells[layout, q, k, 0], sources.cells[layout, q, k, 1], q] > 0:
            full += 1
    return full / count if count > 0 else 0.0


def lacks(e: int, q: int, k: int, layout: int, sources: Sources, land: Land) -> bool:
    """Whether the k-th source of a commodity has room for a unit."""
    row, col = sources.cells[layout, q, k, 0], sources.cells[layout, q, k, 1]
    return land.maps[e, row, col, q] < sources.most[q]  # type: ignore[no-any-return]


def draw_where_lacking(
    e: int, q: int, key: np.ndarray, sources: Sources, calendar: Calendar, land: Land, d: Draws
) -> None:
    """The random numbers of sources that have room for a unit, and of their neighbours in a counter."""
    layout, clock = int(calendar.layout[e]), int(calendar.clock[e]) - 1  # the step is counted already
    count = int(sources.cell_count[layout, q])
    for first in range(0, count, 4):
        last, needed = min(first + 4, count), False
        for k in range(first, last):
            needed = needed or lacks(e, q, k, layout, sources, land)
        if needed:
            uniforms(d.regeneration[e, q], first, last, e, clock, REGENERATION + q, key)


def recover(e: int, q: int, rules: Rules, sources: Sources, calendar: Calendar, land: Land, d: Draws) -> None:
    """Sources of a commodity recover; the chances are those before any of them did."""
    layout = int(calendar.layout[e])
    share = stocked(e, q, sources, calendar, land) if rules.stock_dependent else 1.0
    count = int(sources.cell_count[layout, q])
    for k in range(count):
        row, col = sources.cells[layout, q, k, 0], sources.cells[layout, q, k, 1]
        grows = lacks(e, q, k, layout, sources, land)
        if grows:
            grows = d.regeneration[e, q, k] < share * recovery(e, q, row, col, rules, sources, land)
        d.regeneration[e, q, k] = 1.0 if grows else 0.0
    for k in range(count):
        if d.regeneration[e, q, k] == 1.0:
            land.maps[e, sources.cells[layout, q, k, 0], sources.cells[layout, q, k, 1], q] += 1


def regenerate_all(
    first: int,
    last: int,
    drawn: int,
    rules: Rules,
    key: np.ndarray,
    sources: Sources,
    calendar: Calendar,
    land: Land,
    d: Draws,
    fault: np.ndarray,
) -> None:
    """Sources recover, wood first, by random numbers that are drawn, or else those in the arrays."""
    for e in range(first, last):
        if fault[e] != 0:
            continue
        for q in range(1, -1, -1):
            if drawn:
                draw_where_lacking(e, q, key, sources, calendar, land, d)
            recover(e, q, rules, sources, calendar, land, d)
