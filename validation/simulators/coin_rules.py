"""The rules of the Coin Game for one step of one game: scalars in, scalars out.

Two agents walk on a torus of 3 x 3 cells, numbered row by row, on which one coin lies. Actions are 0 right, 1 left,
2 down, 3 up; nobody can stay. Agents may share a cell. A coin has the colour of one agent.
"""

from __future__ import annotations

BORROWED = True  # no array is made or kept

SIDE = 3
CELLS = SIDE * SIDE
MOVES = 4


def moved(cell: int, action: int) -> int:
    """Where an agent gets by an action."""
    row, column = cell // SIDE, cell % SIDE
    if action == 0:
        column = (column + 1) % SIDE
    elif action == 1:
        column = (column + SIDE - 1) % SIDE
    elif action == 2:
        row = (row + 1) % SIDE
    else:
        row = (row + SIDE - 1) % SIDE
    return row * SIDE + column


def free_cells(red: int, blue: int) -> int:
    """Number of cells without an agent."""
    return CELLS - 1 if red == blue else CELLS - 2


def free_cell(red: int, blue: int, k: int) -> int:
    """The k-th cell without an agent, from 0."""
    low, high = min(red, blue), max(red, blue)
    if k >= low:
        k += 1
    if k >= high and red != blue:
        k += 1
    return k


def rewarded(own: bool, other: bool, mine: bool) -> int:
    """Reward of an agent: 1 for taking any coin, -2 if the other takes one of its colour.

    Parameters
    ----------
    own, other : bool
        Who stepped on the coin.
    mine : bool
        Whether the coin had this agent's colour.
    """
    reward = 0
    if own:
        reward += 1
    if other and mine:
        reward -= 2
    return reward


def towards(cell: int, coin: int) -> int:
    """A move that brings an agent closer to the coin, rows before columns; not asked where it stands on the coin."""
    right, left = (coin - cell) % SIDE, (cell - coin) % SIDE  # SIDE divides CELLS, so this compares columns
    down, up = (coin // SIDE - cell // SIDE) % SIDE, (cell // SIDE - coin // SIDE) % SIDE
    action = 0
    if left < right:
        action = 1
    if down < up:
        action = 2
    if up < down:
        action = 3
    return action


def away(action: int) -> int:
    """The opposite move."""
    return action + 1 if action % 2 == 0 else action - 1
