"""Payments by rank and the start cells that go with them."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig

SAMPLES = 100_000


def ranked_payments(config: GTBConfig, rng: np.random.RandomState | None = None) -> np.ndarray:
    """Mean payments of the worst, second worst, ... of n builders, in ascending order (n,).

    Parameters
    ----------
    config : GTBConfig
        Number of agents and payments.
    rng : numpy RandomState, optional
        None: seed 1, as the original.
    """
    draws = (np.random.RandomState(1) if rng is None else rng).pareto(4, size=(SAMPLES, config.n_agents))
    most = config.build.payment_max_skill_multiplier
    skills = np.minimum(most, (most - 1) * draws + 1)
    return np.sort(skills, axis=1).mean(axis=0) * config.build.payment


def ranked_cells(n: int, world_size: tuple[int, int], by_width: bool = False) -> np.ndarray:
    """Start cells by rank (n, 2): corners with wood, stone, both, and nothing, for the worst to the best quarter.

    Parameters
    ----------
    n : int
        Number of agents.
    world_size : (int, int)
        Rows and columns.
    by_width : bool
        Take the row of the bottom right corner from the width, as the original does.
    """
    height, width = world_size
    bottom = width if by_width else height
    cells, inside = [], [0, 0, 0, 0]
    for rank in range(n):
        group = 4 * rank // n
        down, along = divmod(inside[group], 4)
        inside[group] += 1
        cells.append(
            [
                (down, width - 1 - along),
                (height - 1 - down, along),
                (down, along),
                (bottom - 1 - down, width - 1 - along),
            ][group]
        )
    return np.array(cells, dtype=np.int16)
