"""A linear layer on maps that are mostly empty: what is not zero is looked up and added.

A cell is two words of eight bytes: `shown` features in the first, and two in the second. The last of the shown
features is 1 almost everywhere (inside the world), so its complement is looked up instead. No feature is negative, and
bytes that are no features are 0.
"""

from __future__ import annotations

import numpy as np

BYTE = 255
MARKS = 2  # features in the second word


def add_row(s: int, row: int, value: float, weight: np.ndarray, out: np.ndarray) -> None:
    """Add a multiple of a row of weights."""
    for h in range(weight.shape[1]):
        out[s, h] += value * weight[row, h]


def embed(
    first: int,
    last: int,
    rows: np.ndarray,
    cells: np.ndarray,
    shown: int,
    inside: int,
    levels: np.ndarray,
    weight: np.ndarray,
    out: np.ndarray,
) -> None:
    """Outputs of samples `first`, ..., `last - 1`, added to `out`."""
    features = shown + MARKS
    for s in range(first, last):
        r = rows[s]
        for p in range(cells.shape[1]):
            word, f = cells[r, p, 0] ^ inside, 0
            while word != 0:
                byte = word & BYTE
                if byte != 0:
                    value = -levels[byte] if inside != 0 and f == shown - 1 else levels[byte]
                    add_row(s, p * features + f, value, weight, out)
                word, f = word >> 8, f + 1
            word, f = cells[r, p, 1], shown
            while word != 0:
                if word & BYTE != 0:
                    add_row(s, p * features + f, levels[word & BYTE], weight, out)
                word, f = word >> 8, f + 1


def collect_row(s: int, row: int, value: float, grad: np.ndarray, grad_weight: np.ndarray) -> None:
    """Add a multiple of a gradient to a row."""
    for h in range(grad.shape[1]):
        grad_weight[row, h] += value * grad[s, h]


def embed_backward(
    first: int,
    last: int,
    rows: np.ndarray,
    cells: np.ndarray,
    shown: int,
    inside: int,
    levels: np.ndarray,
    grad: np.ndarray,
    grad_weight: np.ndarray,
) -> None:
    """What samples `first`, ..., `last - 1` add to the gradient of the weights; one thread at a time."""
    features = shown + MARKS
    for s in range(first, last):
        r = rows[s]
        for p in range(cells.shape[1]):
            word, f = cells[r, p, 0] ^ inside, 0
            while word != 0:
                byte = word & BYTE
                if byte != 0:
                    value = -levels[byte] if inside != 0 and f == shown - 1 else levels[byte]
                    collect_row(s, p * features + f, value, grad, grad_weight)
                word, f = word >> 8, f + 1
            word, f = cells[r, p, 1], shown
            while word != 0:
                if word & BYTE != 0:
                    collect_row(s, p * features + f, levels[word & BYTE], grad, grad_weight)
                word, f = word >> 8, f + 1
