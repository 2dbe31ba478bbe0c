"""Small rules on which the backend is tested."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.backend.philox import philox, uniform


def scramble(first: int, last: int, counter: np.ndarray, key: np.ndarray, out: np.ndarray) -> None:
    for e in range(first, last):
        out[e, 0], out[e, 1], out[e, 2], out[e, 3] = philox(
            counter[e, 0], counter[e, 1], counter[e, 2], counter[e, 3], key[0], key[1]
        )


def add_draws(first: int, last: int, key: np.ndarray, steps: int, out: np.ndarray) -> None:
    for e in range(first, last):
        for t in range(steps):
            out[e] += uniform(e, t, 0, 1, key[0], key[1]) - uniform(e, t, 1, 0, key[0], key[1])


def add_to_all(first: int, last: int, amount: float, arrays: tuple[np.ndarray, ...]) -> None:
    for k in range(len(arrays)):
        for e in range(first, last):
            arrays[k][e] += amount
