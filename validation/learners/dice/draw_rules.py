"""Random numbers of sampled games: the rule of one lane (one game of one update), for threads and CUDA."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.backend.philox import philox

BORROWED = True  # no array is made or kept

FRACTION = 2.0**-24  # a single-precision number in [0, 1) holds 24 bits


def draw(first: int, last: int, out: np.ndarray, keys: np.ndarray, counters: np.ndarray) -> None:
    """Fill out[e, u, t] for lanes u * B + e with three numbers for the step t of the game e of the update u.

    Parameters
    ----------
    first, last : int
        Lanes.
    out : (T + 1, U, B, 3) float32 array
        Filled with numbers in [0, 1): for the two players' actions and for the world.
    keys : (U, 2) int64 array
        Words of the seeds.
    counters : (U, 2) int64 array
        Which stream, and how many batches it gave before.
    """
    games = out.shape[2]
    for lane in range(first, last):
        u, e = lane // games, lane % games
        for t in range(out.shape[0]):
            a, b, c, _ = philox(e, t, counters[u, 0], counters[u, 1], keys[u, 0], keys[u, 1])
            out[t, u, e, 0] = (a >> 8) * FRACTION
            out[t, u, e, 1] = (b >> 8) * FRACTION
            out[t, u, e, 2] = (c >> 8) * FRACTION
