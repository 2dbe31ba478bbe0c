"""Confidence intervals: bootstrap over replicates, and exact ones for shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate and the interval around it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def bootstrap(
    rows: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    resamples: int = 1000,
    rng: int | np.random.Generator | None = 0,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A statistic of independent rows with the percentile interval of resampled rows.

    Parameters
    ----------
    rows : (E, ...) array
        One row for each replicate.
    statistic : callable
        From an array of rows to an array of any shape.
    resamples : int
        Number of bootstrap samples.
    rng : None, int or Generator
        Of the resampling.
    level : float in (0, 1)
        Coverage.

    Returns
    -------
    value, low, high : arrays
        Of the shape of the statistic.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    generator = np.random.default_rng(rng)
    draws = np.array(
        [statistic(rows[generator.integers(len(rows), size=len(rows))]) for _ in range(resamples)]
    )
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(statistic(rows)), low, high


def exact_share(count: int, total: int, level: float = LEVEL) -> Interval:
    """A share with its Clopper-Pearson interval, which covers at least `level` for every true share."""
    from scipy.stats import beta

    if not 0 <= count <= total or total < 1:
        raise ValueError(f"count must be in 0 ... total with total >= 1, got {count} of {total}")
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, total - count + 1))
    high = 1.0 if count == total else float(beta.ppf(1 - tail, count + 1, total - count))
    return Interval(count / total, low, high)
