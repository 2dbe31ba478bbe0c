"""Moving and collecting."""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    NOBODY,
    OCCUPANT,
    Draws,
    Events,
    Output,
    Rules,
    State,
)
from pycrld_econ.validation.simulators.gather_trade_build.world import enterable, place

RARE = ("gather_all",)


def row_step(action: int) -> int:
    """Rows that an action moves: 1 left, 2 right, 3 up, 4 down."""
    return -1 if action == 3 else 1 if action == 4 else 0


def col_step(action: int) -> int:
    """Columns that an action moves."""
    return -1 if action == 1 else 1 if action == 2 else 0


def move(e: int, i: int, action: int, rules: Rules, s: State) -> None:
    """Go to the next cell if that is possible at this moment, which costs labour."""
    row, col = s.loc[e, i, 0] + row_step(action), s.loc[e, i, 1] + col_step(action)
    if enterable(e, i, row, col, rules, s):
        s.maps[e, s.loc[e, i, 0], s.loc[e, i, 1], OCCUPANT] = NOBODY
        place(e, i, row, col, s)
        s.labour[e, i] += rules.move_labour


def gather(e: int, rules: Rules, s: State, d: Draws, out: Output, events: Events) -> None:
    """Agents move in a random order, and collect what lies where they are, moved or not, stone first."""
    events.gathers[e] = 0
    for turn in range(s.labour.shape[1]):
        i = int(d.order[e, 1, turn])
        if out.chosen[e, i, 5] > 0:
            move(e, i, int(out.chosen[e, i, 5]), rules, s)
        row, col = int(s.loc[e, i, 0]), int(s.loc[e, i, 1])
        for q in range(2):
            if s.maps[e, row, col, q] == 0:
                continue
            k = int(events.gathers[e])
            got = 2 if d.bonus[e, k] < s.bonus[e, i] else 1
            s.maps[e, row, col, q] -= 1
            s.inventory[e, i, 1 + q] += got
            s.labour[e, i] += rules.collect_labour
            events.gather[e, k, 0] = i
            events.gather[e, k, 1] = q
            events.gather[e, k, 2] = got
            events.gather[e, k, 3] = row
            events.gather[e, k, 4] = col
            events.gathers[e] = k + 1


def gather_all(first: int, last: int, rules: Rules, s: State, d: Draws, out: Output, events: Events) -> None:
    """Agents of all environments move and collect."""
    for e in range(first, last):
        if out.fault[e] == 0:
            gather(e, rules, s, d, out, events)
