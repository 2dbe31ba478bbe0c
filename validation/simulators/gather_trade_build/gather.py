"""Moving and collecting."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    NOBODY,
    OCCUPANT,
    Agents,
    Draws,
    Land,
    Log,
    Room,
    Rules,
)
from pycrld_econ.validation.simulators.gather_trade_build.world import enterable, place

RARE = ("gather_all",)


def row_step(action: int) -> int:
    """Rows that an action moves: 1 left, 2 right, 3 up, 4 down."""
    return -1 if action == 3 else 1 if action == 4 else 0


def col_step(action: int) -> int:
    """Columns that an action moves."""
    return -1 if action == 1 else 1 if action == 2 else 0


def move(e: int, i: int, action: int, rules: Rules, agents: Agents, land: Land) -> None:
    """Go to the next cell if that is possible at this moment, which costs labour."""
    row, col = agents.loc[e, i, 0] + row_step(action), agents.loc[e, i, 1] + col_step(action)
    if enterable(e, i, row, col, rules, land):
        land.maps[e, agents.loc[e, i, 0], agents.loc[e, i, 1], OCCUPANT] = NOBODY
        place(e, i, row, col, agents, land)
        agents.labour[e, i] += rules.move_labour


def gather(e: int, rules: Rules, agents: Agents, land: Land, d: Draws, room: Room, gather_log: Log) -> None:
    """Agents move in a random order, and collect what lies where they are, moved or not, stone first."""
    gather_log.size[e] = 0
    for turn in range(agents.labour.shape[1]):
        i = int(d.order[e, 1, turn])
        if room.chosen[e, i, 5] > 0:
            move(e, i, int(room.chosen[e, i, 5]), rules, agents, land)
        row, col = int(agents.loc[e, i, 0]), int(agents.loc[e, i, 1])
        for q in range(2):
            if land.maps[e, row, col, q] == 0:
                continue
            k = int(gather_log.size[e])
            got = 2 if d.bonus[e, k] < agents.bonus[e, i] else 1
            land.maps[e, row, col, q] -= 1
            agents.inventory[e, i, 1 + q] += got
            agents.labour[e, i] += rules.collect_labour
            gather_log.rows[e, k, 0] = i
            gather_log.rows[e, k, 1] = q
            gather_log.rows[e, k, 2] = got
            gather_log.rows[e, k, 3] = row
            gather_log.rows[e, k, 4] = col
            gather_log.size[e] = k + 1


def gather_all(
    first: int,
    last: int,
    rules: Rules,
    agents: Agents,
    land: Land,
    d: Draws,
    fault: np.ndarray,
    room: Room,
    gather_log: Log,
) -> None:
    """Agents of all environments move and collect."""
    for e in range(first, last):
        if fault[e] == 0:
            gather(e, rules, agents, land, d, room, gather_log)
