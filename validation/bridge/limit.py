"""Does one batch lead where the dynamics lead, up to noise that shrinks as one over the root of the batch size?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

SLOPES = (-0.6, -0.4)
STANDARD_ERRORS = 4.0


@dataclass(frozen=True)
class LimitTest:
    """Errors of one sampled update by batch size.

    Attributes
    ----------
    batch_sizes : (k,) int array
        K.
    rms : (k,) array
        Root-mean-square error of the next point, over replicates and entries.
    slope, slope_error : float
        Of log rms by log K, and its standard error.
    bias : (k,) array
        Mean error of the next point, root mean square over entries.
    z : float
        Largest mean error of an entry at the largest batch size, in standard errors, beyond the systematic error of
        order 1/K that the smaller batch sizes allow for.
    """

    batch_sizes: np.ndarray
    rms: np.ndarray
    slope: float
    slope_error: float
    bias: np.ndarray
    z: float

    @property
    def passed(self) -> bool:
        """Whether the slope is that of noise and the mean error is none."""
        return SLOPES[0] <= self.slope <= SLOPES[1] and self.z <= STANDARD_ERRORS

    def __str__(self) -> str:
        rows = [f"{'K':>8} {'rms':>10} {'rms sqrt(K)':>12} {'mean error':>11}"]
        rows += [
            f"{K:>8} {rms:>10.3e} {rms * K**0.5:>12.4g} {bias:>11.2e}"
            for K, rms, bias in zip(self.batch_sizes, self.rms, self.bias, strict=True)
        ]
        verdict = "passed" if self.passed else "failed"
        return "\n".join(
            [*rows, f"slope {self.slope:.3f} +- {self.slope_error:.3f}, z {self.z:.2f}: {verdict}"]
        )


def limit_test(
    learner_of: Callable[[int], Any],
    X: ArrayLike,
    batch_sizes: Sequence[int] = (250, 1000, 4000, 16000),
    replicates: int = 60,
    seed: int = 0,
) -> LimitTest:
    """Compare one sampled update with one step of the dynamics, for several batch sizes.

    Parameters
    ----------
    learner_of : callable
        From a batch size to a learner with `limit` (a dynamics) and `one_update(X, replicates, seed)`.
    X : point
        Where to update from.
    batch_sizes : sequence of at least 3 increasing int
        K.
    replicates : int
        Independent updates for each batch size; at least 50 for a meaningful slope.
    seed : int
        Of the samples; every batch size has its own.

    Returns
    -------
    LimitTest
        The error of each size, the slope (accepted in [-0.6, -0.4]) and the mean error (accepted within 4 standard
        errors + c/K, with c from the mean error at the smallest batch size).

    Raises
    ------
    ValueError
        If there are fewer than 3 batch sizes, or they do not increase.
    """
    sizes = np.asarray(batch_sizes, dtype=np.int64)
    if len(sizes) < 3 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"batch_sizes must be at least 3 increasing numbers, got {batch_sizes!r}")
    point = np.asarray(X, dtype=float)
    errors = []
    for k, K in enumerate(sizes):
        learner = learner_of(int(K))
        errors.append(learner.one_update(point, replicates, seed + k) - learner.limit.step(point)[0])
    rms = np.array([np.sqrt((error**2).mean()) for error in errors])
    fit, covariance = np.polyfit(np.log(sizes), np.log(rms), 1, cov="unscaled")
    # the relative error of an rms over E replicates is at least 1/sqrt(2 E)
    slope_error = float(np.sqrt(covariance[0, 0] / (2 * replicates)))
    means = [error.mean(0) for error in errors]
    standard = [error.std(0, ddof=1) / np.sqrt(replicates) for error in errors]
    allowed = sizes[0] * (np.abs(means[0]) + standard[0]) / sizes[-1]
    beyond = np.maximum(np.abs(means[-1]) - allowed, 0.0)
    moved = standard[-1] > 0
    z = float((beyond[moved] / standard[-1][moved]).max()) if moved.any() else 0.0
    if (beyond[~moved] > 1e-12).any():
        z = np.inf
    return LimitTest(
        sizes, rms, float(fit[0]), slope_error, np.array([np.sqrt((mean**2).mean()) for mean in means]), z
    )  # fmt: skip
