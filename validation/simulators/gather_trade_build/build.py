"""Building houses."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COIN,
    HOUSE,
    OTHERS,
    OWNER,
    STONE,
    WOOD,
    Agents,
    Draws,
    Land,
    Log,
    Room,
    Rules,
)
from pycrld_econ.validation.simulators.gather_trade_build.world import WATER, source_byte

RARE = ("build_all",)


def can_build(e: int, i: int, rules: Rules, agents: Agents, land: Land) -> bool:
    """Whether an agent has the material at hand, and its cell is free: no resource, source, house or water."""
    if agents.inventory[e, i, WOOD] < 1 or agents.inventory[e, i, STONE] < 1:
        return False
    row, col = agents.loc[e, i, 0], agents.loc[e, i, 1]
    if land.maps[e, row, col, HOUSE] != 0 or (rules.water_seen and land.maps[e, row, col, WATER] != 0):
        return False
    for q in range(2):
        if land.maps[e, row, col, q] != 0 or land.maps[e, row, col, source_byte(q, rules)] != 0:
            return False
    return True


def build(
    e: int, rules: Rules, agents: Agents, land: Land, d: Draws, room: Room, build_log: Log, built: np.ndarray
) -> None:
    """Agents build in a random order."""
    build_log.size[e] = 0
    for turn in range(agents.labour.shape[1]):
        i = int(d.order[e, 0, turn])
        if room.chosen[e, i, 0] != 1 or not can_build(e, i, rules, agents, land):
            continue
        row, col = agents.loc[e, i, 0], agents.loc[e, i, 1]
        agents.inventory[e, i, WOOD] -= 1
        agents.inventory[e, i, STONE] -= 1
        agents.inventory[e, i, COIN] += agents.payment[e, i]
        land.maps[e, row, col, HOUSE] = 1
        land.maps[e, row, col, OWNER] = i + OTHERS
        agents.labour[e, i] += rules.build_labour
        k = int(build_log.size[e])
        build_log.rows[e, k, 0] = i
        build_log.rows[e, k, 1] = row
        build_log.rows[e, k, 2] = col
        build_log.size[e] = k + 1
        built[e, i] += 1


def build_all(
    first: int,
    last: int,
    rules: Rules,
    agents: Agents,
    land: Land,
    d: Draws,
    fault: np.ndarray,
    room: Room,
    build_log: Log,
    built: np.ndarray,
) -> None:
    """Agents of all environments build."""
    for e in range(first, last):
        if fault[e] == 0:
            build(e, rules, agents, land, d, room, build_log, built)
