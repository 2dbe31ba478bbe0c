"""The map: where agents may go, and how resources recover."""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    NOBODY,
    OCCUPANT,
    OTHERS,
    OWNER,
    Draws,
    Output,
    Rules,
    State,
    World,
)

RARE = ("regenerate_all",)
WATER = 3  # byte, if water is seen; else there is none


def source_byte(q: int, rules: Rules) -> int:
    """The byte that says whether a commodity recovers on a cell."""
    return WATER + rules.water_seen + q


def inside_byte(rules: Rules) -> int:
    """The byte that says whether a cell is inside the world."""
    return WATER + rules.water_seen + 2


def enterable(e: int, i: int, row: int, col: int, rules: Rules, s: State) -> bool:
    """Whether agent i may go to a cell now: no water, nobody else, and no house of somebody else."""
    if s.maps[e, row, col, inside_byte(rules)] == 0 or s.maps[e, row, col, OCCUPANT] != NOBODY:
        return False
    if rules.water_seen and s.maps[e, row, col, WATER] != 0:
        return False
    owner = s.maps[e, row, col, OWNER]
    return owner == NOBODY or owner == i + OTHERS


def place(e: int, i: int, row: int, col: int, s: State) -> None:
    """Put an agent on a cell."""
    s.loc[e, i, 0] = row
    s.loc[e, i, 1] = col
    s.maps[e, row, col, OCCUPANT] = i + OTHERS


def recovery(e: int, q: int, row: int, col: int, rules: Rules, w: World, s: State) -> float:
    """Chance of a unit on a source cell: the regeneration weight times the mean health of the window around it.

    The health of a cell is the number of its units, and at least 1 on sources: with at most one unit on a cell the
    chance does not depend on how much was taken.
    """
    half = int(w.halfwidth[q])
    if half == 0:
        return w.regeneration[q] * max(int(s.maps[e, row, col, q]), 1)
    height, width = s.maps.shape[1], s.maps.shape[2]
    total, source = 0, source_byte(q, rules)
    for r in range(max(0, row - half), min(height, row + half + 1)):
        for c in range(max(0, col - half), min(width, col + half + 1)):
            total += max(int(s.maps[e, r, c, q]), int(s.maps[e, r, c, source]))
    return total * (w.regeneration[q] / ((2 * half + 1) * (2 * half + 1)))


def stocked(e: int, q: int, w: World, s: State) -> float:
    """Share of the source cells of a commodity that hold a unit."""
    layout, full = s.layout[e], 0
    count = int(w.cell_count[layout, q])
    for k in range(count):
        if s.maps[e, w.cells[layout, q, k, 0], w.cells[layout, q, k, 1], q] > 0:
            full += 1
    return full / count if count > 0 else 0.0


def recover(e: int, q: int, rules: Rules, w: World, s: State, d: Draws) -> None:
    """Sources of a commodity recover; the chances are those before any of them did."""
    layout = s.layout[e]
    share = stocked(e, q, w, s) if rules.stock_dependent else 1.0
    count = int(w.cell_count[layout, q])
    for k in range(count):
        row, col = w.cells[layout, q, k, 0], w.cells[layout, q, k, 1]
        grows = s.maps[e, row, col, q] < w.most[q]
        if grows:
            grows = d.regeneration[e, q, k] < share * recovery(e, q, row, col, rules, w, s)
        d.regeneration[e, q, k] = 1.0 if grows else 0.0
    for k in range(count):
        if d.regeneration[e, q, k] == 1.0:
            s.maps[e, w.cells[layout, q, k, 0], w.cells[layout, q, k, 1], q] += 1


def regenerate_all(first: int, last: int, rules: Rules, w: World, s: State, d: Draws, out: Output) -> None:
    """Sources recover, wood first."""
    for e in range(first, last):
        if out.fault[e] == 0:
            recover(e, 1, rules, w, s, d)
            recover(e, 0, rules, w, s, d)
