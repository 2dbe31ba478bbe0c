"""Which deterministic dynamics does a sampler follow? Candidates by name, and the distance of the samples to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.agents import (
    StrategyQLearning,
    StrategySARSA,
    ValueQLearning,
    ValueSARSA,
    multiagent_softmax_strategy,
)
from pycrld_econ.validation.bridge.intervals import LEVEL, Interval, bootstrap


@dataclass(frozen=True)
class WhichLimit:
    """Distances of sampled runs to candidate dynamics.

    Attributes
    ----------
    distances : dict of Interval
        By name: root-mean-square distance of the replicates to the trajectory, with bootstrap interval.
    mean_distances : dict of Interval
        The same for the mean over replicates: what remains when fluctuations average out.
    best : str
        The candidate to which the mean is closest.
    support : float
        Share of bootstrap samples that agree.
    """

    distances: dict[str, Interval]
    mean_distances: dict[str, Interval]
    best: str
    support: float

    def __str__(self) -> str:
        width = max(len(name) for name in self.distances)
        rows = [f"{'':{width}}  {'of replicates':28}  of their mean"]
        rows += [
            f"{name:{width}}  {self.distances[name]!s:28}  {self.mean_distances[name]}"
            for name in self.distances
        ]
        return "\n".join([*rows, f"follows {self.best} ({100 * self.support:.0f} % of resamples)"])


def which_limit(
    strategies: ArrayLike, candidates: Mapping[str, ArrayLike], resamples: int = 500, level: float = LEVEL
) -> WhichLimit:
    """Find the trajectory that sampled runs follow.

    Parameters
    ----------
    strategies : (E, L, ...) array
        Replicates at L times.
    candidates : mapping from names to (L, ...) arrays
        Trajectories at the same times.
    resamples, level : int, float
        Of the bootstrap over replicates.

    Returns
    -------
    WhichLimit
        Distances and the closest candidate.

    Raises
    ------
    ValueError
        If shapes differ or there are fewer than two candidates.
    """
    runs = np.asarray(strategies, dtype=float)
    if len(candidates) < 2:
        raise ValueError(f"candidates must be at least two, got {list(candidates)}")
    paths = {name: np.asarray(path, dtype=float) for name, path in candidates.items()}
    for name, path in paths.items():
        if path.shape != runs.shape[1:]:
            raise ValueError(f"candidates[{name!r}] must have shape {runs.shape[1:]}, got {path.shape}")
    names, stack = list(paths), np.array(list(paths.values()))
    squares = np.array(
        [((runs - path) ** 2).reshape(len(runs), -1).mean(-1) for path in stack]
    ).T  # (E, candidates)
    value, low, high = bootstrap(squares, lambda rows: np.sqrt(rows.mean(0)), resamples, level=level)

    def of_mean(indices: np.ndarray) -> np.ndarray:
        gap = runs[indices[:, 0]].mean(0) - stack
        return np.sqrt((gap**2).reshape(len(stack), -1).mean(-1))

    order = np.arange(len(runs))[:, None]
    mean_value, mean_low, mean_high = bootstrap(order, of_mean, resamples, level=level)
    winners = [int(of_mean(row).argmin()) for row in _resampled(order, resamples)]
    best = int(mean_value.argmin())
    return WhichLimit(
        {name: Interval(float(value[k]), float(low[k]), float(high[k])) for k, name in enumerate(names)},
        {
            name: Interval(float(mean_value[k]), float(mean_low[k]), float(mean_high[k]))
            for k, name in enumerate(names)
        },
        names[best],
        float(np.mean(np.array(winners) == best)),
    )


def _resampled(rows: np.ndarray, resamples: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [rows[generator.integers(len(rows), size=len(rows))] for _ in range(resamples)]


def named_limits(
    env: Any,
    algorithm: str,
    learning_rates: ArrayLike,
    discount_factors: ArrayLike,
    choice_intensities: ArrayLike,
    use_prefactor: bool = False,
) -> dict[str, Any]:
    """The dynamics that have been proposed for a softmax learner, by name.

    Parameters
    ----------
    env : environment
        The game.
    algorithm : "q_learning" or "sarsa"
        The learner.
    learning_rates, discount_factors, choice_intensities, use_prefactor
        Its parameters.

    Returns
    -------
    dict of dynamics
        "frequency_adjusted": every action as often as every other, or batches; strategies move.
        "policy_average" (Q-learning): the same with the continuation of historical code.
        "incremental": values move one visit at a time, so in proportion to how often an action is taken, and look the
        next state up in themselves. "value_space": values move everywhere, with true continuations.
    """
    known = {"q_learning": (StrategyQLearning, ValueQLearning), "sarsa": (StrategySARSA, ValueSARSA)}
    if algorithm not in known:
        raise ValueError(f"algorithm must be one of {', '.join(known)}, got {algorithm!r}")
    strategy_class, value_class = known[algorithm]
    shared: dict[str, Any] = {
        "learning_rates": learning_rates,
        "discount_factors": discount_factors,
        "use_prefactor": use_prefactor,
    }
    explore = multiagent_softmax_strategy(
        choice_intensities, N=None if np.ndim(choice_intensities) else env.N
    )
    limits: dict[str, Any] = {
        "frequency_adjusted": strategy_class(env, choice_intensities=choice_intensities, **shared),
        "incremental": value_class(
            env, strategy_function=explore, bootstrap="current", frequency=True, **shared
        ),
        "value_space": value_class(env, strategy_function=explore, **shared),
    }
    if algorithm == "q_learning":
        limits["policy_average"] = StrategyQLearning(
            env, choice_intensities=choice_intensities, q_continuation="policy_average", **shared
        )  # fmt: skip
    return limits
