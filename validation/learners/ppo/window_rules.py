"""A linear layer on maps that are mostly empty: what is not zero is looked up and added.

A cell is two words of eight bytes: `shown` features in the first, and two in the second. The last of the shown
features is 1 almost everywhere (inside the world), so its complement is looked up instead. No feature is negative, and
bytes that are no features are 0.
"""

from __future__ import annotations

import numpy as np

BORROWED = True  # no array is made or kept

BYTE = 255
MARKS = 2  # features in the second word


def list_word(
    word: int,
    base: int,
    hidden: int,
    count: int,
    levels: np.ndarray,
    where: np.ndarray,
    much: np.ndarray,
) -> int:
    """Add what is not zero in a word whose first feature has the number `base`; `hidden` counts negatively."""
    row = base
    while word != 0:
        byte = word & BYTE
        if byte != 0:
            where[count] = row
            much[count] = -levels[byte] if row == hidden else levels[byte]
            count += 1
        word, row = word >> 8, row + 1
    return count


def list_features(
    cells: np.ndarray,
    r: int,
    shown: int,
    inside: int,
    levels: np.ndarray,
    where: np.ndarray,
    much: np.ndarray,
) -> int:
    """Numbers of the features of window r that are not zero, and what they are; how many."""
    count = 0
    for p in range(cells.shape[1]):
        base = p * (shown + MARKS)
        hidden = base + shown - 1 if inside != 0 else -1
        count = list_word(cells[r, p, 0] ^ inside, base, hidden, count, levels, where, much)
        count = list_word(cells[r, p, 1], base + shown, -1, count, levels, where, much)
    return count


def embed(
    first: int,
    last: int,
    rows: np.ndarray,
    cells: np.ndarray,
    shown: int,
    inside: int,
    levels: np.ndarray,
    where: np.ndarray,
    much: np.ndarray,
    weight: np.ndarray,
    out: np.ndarray,
) -> None:
    """Outputs of samples `first`, ..., `last - 1`, added to `out`; `where` and `much` have room for all features."""
    for s in range(first, last):
        for k in range(list_features(cells, rows[s], shown, inside, levels, where, much)):
            row, value = where[k], much[k]
            for h in range(weight.shape[1]):
                out[s, h] += value * weight[row, h]


def embed_backward(
    first: int,
    last: int,
    rows: np.ndarray,
    cells: np.ndarray,
    shown: int,
    inside: int,
    levels: np.ndarray,
    where: np.ndarray,
    much: np.ndarray,
    grad: np.ndarray,
    grad_weight: np.ndarray,
) -> None:
    """What samples `first`, ..., `last - 1` add to the gradient of the weights; one thread at a time."""
    for s in range(first, last):
        for k in range(list_features(cells, rows[s], shown, inside, levels, where, much)):
            row, value = where[k], much[k]
            for h in range(grad.shape[1]):
                grad_weight[row, h] += value * grad[s, h]
