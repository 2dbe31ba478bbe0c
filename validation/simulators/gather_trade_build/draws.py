"""The random numbers of steps and resets: a function of (seed, environment, clock, purpose, number).

They are written to arrays first, and the rules read these. So a recorded stream replays by filling the arrays.
"""

from __future__ import annotations

import math

import numpy as np

from pycrld_econ.validation.backend.philox import philox
from pycrld_econ.validation.simulators.gather_trade_build.state import Draws

# Purposes: the third word of the counter.
ORDER, BONUS, REGENERATION, RATES, RESET = 1, 2, 3, 5, 6
SCALE = 1.0 / 4294967296.0


def one(e: int, clock: int, purpose: int, number: int, key: np.ndarray) -> float:
    """A uniform number of 32 bits in [0, 1)."""
    w0, _, _, _ = philox(e, clock, purpose, number, int(key[0]), int(key[1]))
    return w0 * SCALE


def uniforms(
    row: np.ndarray, first: int, last: int, e: int, clock: int, purpose: int, key: np.ndarray
) -> None:
    """Fill `row[first], ..., row[last - 1]`, where four divides `first`: a counter gives four numbers."""
    for k in range(first, last, 4):
        w0, w1, w2, w3 = philox(e, clock, purpose, k, int(key[0]), int(key[1]))
        row[k] = w0 * SCALE
        if k + 1 < last:
            row[k + 1] = w1 * SCALE
        if k + 2 < last:
            row[k + 2] = w2 * SCALE
        if k + 3 < last:
            row[k + 3] = w3 * SCALE


def permutation(row: np.ndarray, e: int, clock: int, purpose: int, first: int, key: np.ndarray) -> None:
    """Fill `row` with a random order of its places."""
    n = row.shape[0]
    for i in range(n):
        row[i] = i
    for i in range(n - 1, 0, -1):
        j = int(one(e, clock, purpose, first + i, key) * (i + 1))
        other = row[j]
        row[j] = row[i]
        row[i] = other


def normal(e: int, clock: int, purpose: int, number: int, key: np.ndarray) -> float:
    """A number of the standard normal distribution (Box-Muller)."""
    w0, w1, _, _ = philox(e, clock, purpose, number, int(key[0]), int(key[1]))
    return math.sqrt(-2.0 * math.log((w0 + 1.0) * SCALE)) * math.cos(2.0 * math.pi * w1 * SCALE)


def draw(e: int, clock: int, needs_rates: int, key: np.ndarray, d: Draws) -> None:
    """The numbers of a step of one environment, but for those of sources, which are drawn where one lacks a unit."""
    n = d.order.shape[2]
    permutation(d.order[e, 0], e, clock, ORDER, 0, key)
    permutation(d.order[e, 1], e, clock, ORDER, n, key)
    uniforms(d.bonus[e], 0, 2 * n, e, clock, BONUS, key)
    if needs_rates:
        uniforms(d.rates[e], 0, d.rates.shape[1], e, clock, RATES, key)
