"""Runs of a learner beside a trajectory of a dynamics: distances, attractors, passages, each with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.validation.bridge.intervals import LEVEL, Interval, bootstrap, exact_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def total_variation(X: np.ndarray, Y: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """Mean over agents of the total variation between strategies (..., N, S, M), weighted by `occupancy` (..., S)."""
    apart = 0.5 * np.abs(X - Y).sum(-1)  # (..., N, S)
    return (apart * occupancy[..., None, :]).sum(-1).mean(-1)


@dataclass(frozen=True)
class Comparison:
    """Sampled runs against a deterministic trajectory.

    Attributes
    ----------
    times : (L,) int array
        Updates, at which both were recorded.
    runs : (E, L, N, S, M) array
        Strategies of the replicates.
    theory : (L, N, S, M) array
        The trajectory.
    occupancy : (S,) or (L, S) array
        How much each state counts in distances.
    distance : (E, L) array
        Total variation, weighted by occupancy, mean over agents: 0 equal, 1 disjoint.
    attractors : (A, N, S, M) array
        Points that tell basins apart; empty if none were given.
    labels : (E, L) int array
        The nearest attractor, -1 where none is within the radius.
    theory_labels : (L,) int array
        The same for the trajectory.
    level : float
        Coverage of all intervals.
    """

    times: np.ndarray
    runs: np.ndarray
    theory: np.ndarray
    occupancy: np.ndarray
    distance: np.ndarray
    attractors: np.ndarray
    labels: np.ndarray
    theory_labels: np.ndarray
    level: float = LEVEL

    def mean_distance(self, index: int = -1) -> Interval:
        """Mean distance of replicates at one of the recorded times."""
        return self._mean(self.distance[:, index])

    def path_distance(self) -> Interval:
        """Mean distance over all times."""
        return self._mean(self.distance.mean(1))

    def bias(self) -> Interval:
        """Mean over times of the distance of the mean of all replicates: what no number of replicates averages out.

        Weighted as `distance`, so never larger than `path_distance`. Distances of resampled means are biased away from
        zero, so the interval comes from the triangle inequality: the true value differs from the one found by at most
        the distance between the true mean and the one found, which resampling estimates. It may reach 0.
        """
        mean = self.runs.mean(0)
        value = float(total_variation(mean, self.theory, self.occupancy).mean())
        generator = np.random.default_rng(0)
        resampled = [
            self.runs[generator.integers(len(self.runs), size=len(self.runs))].mean(0) for _ in range(300)
        ]
        apart = [total_variation(other, mean, self.occupancy).mean() for other in resampled]
        reach = float(np.quantile(apart, self.level))
        return Interval(value, max(0.0, value - reach), value + reach)

    def agreement(self) -> Interval:
        """Share of replicates that end at the attractor of the trajectory (exact interval)."""
        self._need_attractors()
        same = (self.labels[:, -1] == self.theory_labels[-1]) & (self.theory_labels[-1] >= 0)
        return exact_share(int(same.sum()), len(same), self.level)

    def first_passage(self, attractor: int) -> tuple[Interval, Interval]:
        """Share of replicates that come near an attractor, and the median time; infinite if fewer than half do."""
        self._need_attractors()
        there = self.labels == attractor
        when = np.where(there.any(1), self.times[there.argmax(1)], np.inf)
        share = exact_share(int(there.any(1).sum()), len(there), self.level)

        def median(rows: np.ndarray) -> np.ndarray:
            return np.sort(rows)[(len(rows) - 1) // 2]  # an order statistic: infinite times are allowed

        value, low, high = _quantile_bootstrap(when, median, self.level)
        return share, Interval(value, low, high)

    def switches(self) -> Interval:
        """Mean number of changes from one attractor to another in a replicate; times near none do not count."""
        return self._mean(np.array([len(times) for times in self.switching_times()], dtype=float))

    def switching_times(self) -> list[np.ndarray]:
        """For each replicate the times at which it first was near an attractor other than the last one it was near."""
        self._need_attractors()
        found = []
        for row in self.labels:
            near = np.flatnonzero(row >= 0)
            changed = np.flatnonzero(np.diff(row[near]) != 0) + 1
            found.append(self.times[near[changed]])
        return found

    def table(self) -> str:
        """All statistics as lines of text."""
        lines = [
            f"replicates {len(self.runs)}, updates {self.times[-1]}, intervals {100 * self.level:g} %",
            f"distance at the end     {self.mean_distance()}",
            f"distance over the path  {self.path_distance()}",
            f"distance of the mean    {self.bias()}",
        ]
        if len(self.attractors):
            lines += [
                f"same attractor          {self.agreement()}",
                f"switches a replicate    {self.switches()}",
            ]
            for k in range(len(self.attractors)):
                share, median = self.first_passage(k)
                lines.append(f"reach attractor {k}       {share}, median time {median}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def plot(
        self, entry: tuple[int, int, int] = (0, 0, 0), ax: Axes | None = None, share: float = 0.9
    ) -> Axes:
        """Draw one probability over time: the trajectory, and the band that holds a share of the replicates.

        Parameters
        ----------
        entry : (agent, state, action)
            Which probability.
        ax : matplotlib axes, optional
            Where to draw. Default: a new figure.
        share : float in (0, 1)
            Of the replicates within the band at each time.

        Returns
        -------
        matplotlib axes
            To work on with.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must be in (0, 1), got {share}")
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(4, 3), layout="constrained")[1]
        values = self.runs[(slice(None), slice(None), *entry)]
        low, middle, high = np.quantile(values, [(1 - share) / 2, 0.5, (1 + share) / 2], axis=0)
        ax.fill_between(
            self.times, low, high, alpha=0.25, color="C0", label=f"{100 * share:g} % of replicates"
        )
        ax.plot(self.times, middle, color="C0", lw=1, label="median")
        ax.plot(self.times, self.theory[(slice(None), *entry)], color="black", ls="--", label="theory")
        ax.set(xlabel="updates", ylabel=f"probability of {entry}", ylim=(-0.02, 1.02))
        return ax

    def _mean(self, values: np.ndarray) -> Interval:
        value, low, high = bootstrap(values, lambda rows: rows.mean(0), level=self.level)
        return Interval(float(value), float(low), float(high))

    def _need_attractors(self) -> None:
        if not len(self.attractors):
            raise ValueError("no attractors were given to compare with")


def _quantile_bootstrap(values: np.ndarray, statistic: Any, level: float) -> tuple[float, float, float]:
    """Percentile interval for statistics that may be infinite."""
    generator = np.random.default_rng(0)
    draws = np.sort(
        [statistic(values[generator.integers(len(values), size=len(values))]) for _ in range(1000)]
    )
    low, high = (int(q * (len(draws) - 1)) for q in ((1 - level) / 2, (1 + level) / 2))
    return float(statistic(values)), float(draws[low]), float(draws[high])


def nearest(points: np.ndarray, attractors: np.ndarray, occupancy: np.ndarray, radius: float) -> np.ndarray:
    """The nearest attractor of points (..., N, S, M), -1 where none is within `radius`."""
    if not len(attractors):
        return np.full(points.shape[:-3], -1)
    apart = np.array([total_variation(points, attractor, occupancy) for attractor in attractors])
    return np.where(apart.min(0) <= radius, apart.argmin(0), -1)


def compare(
    runs: ArrayLike,
    theory: ArrayLike,
    times: ArrayLike | None = None,
    *,
    occupancy: ArrayLike | None = None,
    attractors: ArrayLike = (),
    radius: float = 0.1,
    level: float = LEVEL,
) -> Comparison:
    """Compare replicates with a trajectory recorded at the same times.

    Parameters
    ----------
    runs : (E, L, N, S, M) array
        Strategies of replicates.
    theory : (L, N, S, M) array
        The trajectory.
    times : (L,) array, optional
        Updates made. Default: 0, 1, ...
    occupancy : (S,) or (L, S) array, optional
        How much each state counts, such as its long-run share under the trajectory. Default: all the same.
    attractors : (A, N, S, M) array, optional
        Points that tell basins apart.
    radius : float
        How far from an attractor a strategy still belongs to it, in total variation over all states.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Comparison
        All statistics, a table and a plot.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    sampled, path = np.asarray(runs, dtype=float), np.asarray(theory, dtype=float)
    if sampled.ndim != 5 or path.shape != sampled.shape[1:]:
        raise ValueError(
            f"theory must have the shape of one of the runs {sampled.shape[1:]}, got {path.shape}"
        )
    L, S = sampled.shape[1], sampled.shape[3]
    when = np.arange(L) if times is None else np.asarray(times)
    if when.shape != (L,):
        raise ValueError(f"times must have shape {(L,)}, got {when.shape}")
    uniform = np.full(S, 1 / S)
    weights = uniform if occupancy is None else np.asarray(occupancy, dtype=float)
    if (
        weights.shape not in ((S,), (L, S))
        or (weights < 0).any()
        or (np.abs(weights.sum(-1) - 1) > 1e-6).any()
    ):
        raise ValueError(
            f"occupancy must be distributions of shape {(S,)} or {(L, S)}, got shape {weights.shape}"
        )
    points = np.asarray(attractors, dtype=float).reshape(-1, *sampled.shape[2:])
    return Comparison(
        times=when, runs=sampled, theory=path, occupancy=weights,
        distance=total_variation(sampled, path, weights), attractors=points,
        labels=nearest(sampled, points, uniform, radius), theory_labels=nearest(path, points, uniform, radius),
        level=level,
    )  # fmt: skip


def compare_learner(
    runs: Any, *, attractors: ArrayLike = (), radius: float = 0.1, level: float = LEVEL
) -> Comparison:
    """Compare runs of a learner with the trajectory of its limit from the same start.

    Parameters
    ----------
    runs : LearningRuns
        All replicates from one start.
    attractors, radius, level
        As for `compare`.

    Returns
    -------
    Comparison
        States count by their long-run share under the trajectory; observations count equally.

    Raises
    ------
    ValueError
        If replicates started at different points.
    """
    if (runs.points[:, 0] != runs.points[0, 0]).any():
        raise ValueError("runs must all start at the same point to be compared with one trajectory")
    limit = runs.learner.limit
    points, _ = limit.trajectory(runs.points[0, 0], Tmax=int(runs.batches[-1]) + 1)
    points = points[runs.batches]
    theory = limit.strategy(points) if hasattr(limit, "strategy") else points
    sees_states = theory.shape[-2] == limit.Z and not hasattr(limit, "Bios")
    return compare(
        runs.strategies, theory, runs.batches, occupancy=limit.Ps(theory) if sees_states else None,
        attractors=attractors, radius=radius, level=level,
    )  # fmt: skip
