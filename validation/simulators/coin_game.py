"""The Coin Game: take every coin, or leave the other's.

The rules of one step are in `coin_rules`; this module applies them to every state and joint action, and what comes
out is the game. Nothing about the game is written a second time.

A. Lerer, A. Peysakhovich, arXiv 1707.01068 (2017); in the form of S. Zhao et al., NeurIPS 2022.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np

from pycrld_econ.validation.simulators import coin_rules as rules
from pycrld_econ.validation.simulators.table_games import TableGame

EVENTS = ("red_takes_red", "red_takes_blue", "blue_takes_red", "blue_takes_blue")
MOST_FREE = rules.CELLS - 1


def state_index(red: int, blue: int, coin: int, red_coin: int) -> int:
    """Number of a state, in 0, ..., 1457; those with the coin under an agent exist as numbers only."""
    return ((red * rules.CELLS + blue) * rules.CELLS + coin) * 2 + red_coin


def positions() -> np.ndarray:
    """Red cell, blue cell, coin cell and whether the coin is red, of every state: (1458, 4)."""
    cells = range(rules.CELLS)
    return np.array(list(itertools.product(cells, cells, cells, (0, 1))))


@cache
def coin_game() -> TableGame:
    """The Coin Game as tables.

    Returns
    -------
    TableGame
        Player 1 is red. Observations are four planes of 3 x 3 cells: the red agent, the blue agent, the coin if it is
        red, the coin if it is blue. States with the coin under an agent never occur; their rows are filled all the
        same.
    """
    states = positions()
    count, moves = len(states), rules.MOVES
    rewards = np.zeros((2, count, moves, moves))
    successors = np.zeros((count, moves, moves, MOST_FREE), dtype=np.int64)
    branches = np.ones((count, moves, moves), dtype=np.int64)
    events = {name: np.zeros((count, moves, moves), dtype=np.int64) for name in EVENTS}
    reached = np.array(
        [[rules.moved(cell, action) for action in range(moves)] for cell in range(rules.CELLS)]
    )
    for s, (red, blue, coin, red_coin) in enumerate(states.tolist()):
        for a, b in itertools.product(range(moves), range(moves)):
            r, c = int(reached[red, a]), int(reached[blue, b])
            red_takes, blue_takes = r == coin, c == coin
            rewards[0, s, a, b] = rules.rewarded(red_takes, blue_takes, bool(red_coin))
            rewards[1, s, a, b] = rules.rewarded(blue_takes, red_takes, not red_coin)
            if not (red_takes or blue_takes):
                successors[s, a, b] = state_index(r, c, coin, red_coin)
                continue
            branches[s, a, b] = free = rules.free_cells(r, c)
            for k in range(free):
                successors[s, a, b, k] = state_index(r, c, rules.free_cell(r, c, k), 1 - red_coin)
            colour = "red" if red_coin else "blue"
            events[f"red_takes_{colour}"][s, a, b] = red_takes
            events[f"blue_takes_{colour}"][s, a, b] = blue_takes
    towards = np.array([[rules.towards(s[k], s[2]) for s in states.tolist()] for k in range(2)])
    mine = np.stack([states[:, 3] == 1, states[:, 3] == 0])
    opposite = np.array([rules.away(action) for action in range(moves)])
    return TableGame(
        name="coin game",
        observations=_planes(states),
        rewards=rewards,
        successors=successors,
        branches=branches,
        starts=_starts(),
        defects=towards,
        cooperates=np.where(mine, towards, opposite[towards]),
        answers_actions=False,
        events=events,
    )


def _planes(states: np.ndarray) -> np.ndarray:
    one = np.eye(rules.CELLS)
    red_coin = states[:, 3:] == 1
    coin = one[states[:, 2]]
    return np.concatenate(
        [one[states[:, 0]], one[states[:, 1]], np.where(red_coin, coin, 0.0), np.where(red_coin, 0.0, coin)],
        axis=1,
    )


def _starts() -> np.ndarray:
    """Agents anywhere, the coin on a free cell: as often as makes pairs of agents' cells equally likely."""
    starts = []
    for red, blue in itertools.product(range(rules.CELLS), repeat=2):
        free = rules.free_cells(red, blue)
        repeats = (rules.CELLS - 1) * (rules.CELLS - 2) // free
        for k, colour in itertools.product(range(free), (0, 1)):
            starts += [state_index(red, blue, rules.free_cell(red, blue, k), colour)] * repeats
    return np.array(starts)
