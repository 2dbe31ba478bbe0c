"""Learners whose expected update is a strategy-average dynamics: play a batch, estimate, update once."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.agents import POStrategyDynamics, StrategyDynamics, ValueDynamics
from pycrld_econ.validation.backend import Lanes, check_device, split_seed, to_device, to_host
from pycrld_econ.validation.learners import tabular_rules
from pycrld_econ.validation.learners.tabular_rules import (
    LSTD,
    STRATEGIES,
    TD,
    TD_AVERAGE,
    VALUES,
    Learning,
    Room,
)
from pycrld_econ.validation.simulators.finite import tables_of

ESTIMATORS = {"lstd": LSTD, "td": TD, "td_average": TD_AVERAGE}
CONTINUATIONS = ("acting", "table")
RECORD_BYTES = 2**31  # largest recording


@dataclass(frozen=True)
class LearningRuns:
    """Replicates of a learner from one start.

    Attributes
    ----------
    points : (E, L, *point_shape) array
        What each replicate was at the batches recorded.
    batches : (L,) int array
        How many batches each had learned from.
    learner : BatchLearner
        Who learned.
    seed : int
        Key of the random numbers.
    """

    points: np.ndarray
    batches: np.ndarray
    learner: BatchLearner
    seed: int

    @property
    def strategies(self) -> np.ndarray:
        """Joint strategies, (E, L, N, S, M): the points, or what follows from values."""
        limit = self.learner.limit
        return limit.strategy(self.points) if isinstance(limit, ValueDynamics) else self.points


class BatchLearner:
    """The sampled learner that a strategy-average dynamics idealises.

    Parameters
    ----------
    dynamics : StrategyDynamics, ValueDynamics or POStrategyDynamics
        The rule, its parameters for each agent, and the game.
    batch_size : int
        K, plays between two updates.
    estimator : "lstd", "td" or "td_average"
        How values are estimated: by solving the Bellman equation with the frequencies of the batch, or by a table that
        learns at every play with steps alpha, or with steps 1/(n + 1) after n visits. Only the first has the dynamics
        as its limit for every discount factor.
    warm_start : bool
        Whether that table goes on from batch to batch. False: it starts from the values acted upon, or from 0 where the
        learner keeps strategies.
    continuation : "acting" or "table"
        What the next state is worth in that table and in the update: what the strategy of the batch earns there, or
        what exploring by the table itself would earn (for learners who keep values; W. Barfuss and J. M. Meylahn, Sci.
        Rep. 13, 1309 (2023)). With the second, no dynamics is the limit: it plans a step ahead of what it does.
    start : (Z,) array, optional
        Initial distribution of states. Default: the initial state of the game. States carry over between batches.
    device : "cpu" or "cuda"
        Where to learn.
    threads : int, optional
        Number of processor threads. Default: all.

    Attributes
    ----------
    limit : dynamics
        What the learner becomes as K grows: `dynamics`, except that learners who see observations predict from what
        they do after what they see (the conditional closure), whatever closure `dynamics` has.

    Raises
    ------
    TypeError, ValueError
        If the dynamics is of another kind or rounds or averages continuations (which no sampled learner does), or a
        parameter leaves its range.

    Notes
    -----
    Pairs that were not visited have reward 0 and no successor in the estimate, and are left alone by the update; in
    strategy space that means: as an average action. Final states end what is added up; play goes on from them as the
    transition tensor says. W. Barfuss, Neural Comput. Appl. 34, 1653 (2022).
    """

    def __init__(
        self,
        dynamics: Any,
        batch_size: int,
        *,
        estimator: str = "lstd",
        warm_start: bool = False,
        continuation: str = "acting",
        start: ArrayLike | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if not isinstance(dynamics, StrategyDynamics | ValueDynamics | POStrategyDynamics):
            raise TypeError(f"dynamics must be a strategy-average learner, got {type(dynamics).__name__}")
        if int(batch_size) != batch_size or not 1 <= batch_size < 2**32:
            raise ValueError(f"batch_size must be a whole number in [1, 2**32), got {batch_size!r}")
        if estimator not in ESTIMATORS:
            raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {estimator!r}")
        if getattr(dynamics, "rounding", None) is not None or np.any(getattr(dynamics, "averaging", 0.0)):
            raise ValueError(
                "dynamics must not round strategies nor average continuations: no sampled learner does"
            )
        if continuation not in CONTINUATIONS:
            raise ValueError(f"continuation must be one of {', '.join(CONTINUATIONS)}, got {continuation!r}")
        if continuation == "table" and (
            estimator == "lstd" or not isinstance(dynamics, ValueDynamics) or np.any(dynamics.current)
        ):
            raise ValueError(
                "continuation 'table' needs values with bootstrap='bellman' and the estimator td or td_average"
            )
        self.limit, self.batch_size, self.estimator = limit_of(dynamics), int(batch_size), estimator
        self.continuation = continuation
        self.warm_start, self.device = bool(warm_start), check_device(device)
        self.tables = tables_of(dynamics.env, start)
        self._rule = Lanes(tabular_rules, "learn", device, threads)

    def _learning(self) -> Learning:
        """The rule as numbers."""
        limit, N = self.limit, self.limit.N
        values = isinstance(limit, ValueDynamics)
        function = getattr(limit, "strategy_function", None)
        numbers = {
            "alpha": limit.alpha, "beta": limit.beta, "gamma": limit.gamma, "pre": limit.pre,
            "forgetting": getattr(limit, "forgetting", 0.0), "optimism": limit.optimism,
            "current": getattr(limit, "current", 0.0), "frequency": getattr(limit, "frequency", 0.0),
            "epsilon": getattr(function, "epsilon_greedys", 0.0), "intensity": getattr(function, "betas", 0.0),
        }  # fmt: skip
        vectors = {
            name: np.array(np.broadcast_to(value, (1, N)), dtype=float) for name, value in numbers.items()
        }
        seen = isinstance(limit, POStrategyDynamics)
        return Learning(
            **{name: to_device(vector, self.device) for name, vector in vectors.items()},
            available=to_device(np.ascontiguousarray(limit.game.available[:1]), self.device),
            continues=to_device(np.ones(limit.Q) if seen else limit.game.continues[0].copy(), self.device),
            estimator=ESTIMATORS[self.estimator], warm=int(self.warm_start),
            replan=int(self.continuation == "table"),
            space=VALUES if values else STRATEGIES, perfect=0 if seen else 1,
        )  # fmt: skip

    def _room(self, points: np.ndarray, first: int) -> Room:
        """Replicates at given points (E, N, S, M)."""
        E, N, S, M = points.shape
        values = isinstance(self.limit, ValueDynamics)
        chart = points if values else self.limit.to_coordinates(points)
        table = np.zeros((E, N, S, M))
        arrays = Room(
            chart=chart.copy(), X=self.limit.strategy(points) if values else points.copy(),
            state=np.zeros(E, np.int64), clock=np.zeros(E, np.int64), lane=np.arange(first, first + E),
            seen=np.zeros((E, N), np.int64), chosen=np.zeros((E, N), np.int64),
            visits=table, reward=table.copy(), follows=np.zeros((E, N, S, M, S)),
            online=chart.copy() if values else table.copy(), value=np.zeros((E, S)), ahead=np.zeros((E, S)),
            table=np.zeros((E, S, M)), linear=np.zeros((E, S, S)),
        )  # fmt: skip
        return Room(*(to_device(np.ascontiguousarray(array), self.device) for array in arrays))

    def run(
        self,
        start: ArrayLike,
        batches: int,
        replicates: int = 1,
        seed: int = 0,
        *,
        every: int = 1,
        first: int = 0,
        progress: bool = True,
    ) -> LearningRuns:
        """Learn in many independent replicates.

        Parameters
        ----------
        start : point_shape array, or (replicates, *point_shape) array
            Where all, or each, of the replicates start.
        batches : int
            How many batches to learn from.
        replicates : int
            Number of replicates.
        seed : int in [0, 2**64)
            Key of the random numbers.
        every : int
            Record the start and every so many batches.
        first : int
            Number of the first replicate: a replicate has the same draws, whichever others run beside it.
        progress : bool
            Whether to show a bar after two seconds.

        Returns
        -------
        LearningRuns
            The points recorded.

        Raises
        ------
        ValueError
            If a number leaves its range, the start is no point, or the recording would be too large.
        """
        for name, value, least in (
            ("batches", batches, 0),
            ("replicates", replicates, 1),
            ("every", every, 1),
        ):
            if int(value) != value or value < least:
                raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
        if batches * self.batch_size >= 2**32:
            raise ValueError(f"batches * batch_size must be below 2**32, got {batches * self.batch_size}")
        if not 0 <= first or first + replicates >= 2**32:
            raise ValueError(f"first must be in [0, 2**32 - replicates), got {first}")
        shape = self.limit.point_shape
        points = self.limit.check_point(start, "start")
        if points.shape not in (shape, (replicates, *shape)):
            raise ValueError(f"start must have shape {shape} or {(replicates, *shape)}, got {points.shape}")
        length = batches // every + 1
        if replicates * length * int(np.prod(shape)) * 8 > RECORD_BYTES:
            raise ValueError(
                f"{replicates} replicates of {length} records are too many; raise every (now {every})"
            )
        room = self._room(np.array(np.broadcast_to(points, (replicates, *shape))), first)
        records = to_device(np.empty((replicates, length, *shape)), self.device)
        key = to_device(np.array(split_seed(seed), dtype=np.int64), self.device)
        self._rule(
            replicates, self.tables, self._learning(), room, key, self.batch_size, batches, every, records,
            progress=progress,
        )  # fmt: skip
        return LearningRuns(to_host(records), np.arange(length) * every, self, seed)

    def one_update(self, X: ArrayLike, replicates: int, seed: int = 0) -> np.ndarray:
        """Where one batch leads from a point, (replicates, *point_shape)."""
        return self.run(X, 1, replicates, seed, progress=False).points[:, 1]


def limit_of(dynamics: Any) -> Any:
    """The dynamics that a sampled learner of the same rule has as its limit."""
    if not isinstance(dynamics, POStrategyDynamics) or dynamics.closure == "conditional":
        return dynamics
    conditional = copy.copy(dynamics)
    conditional.closure = "conditional"
    return conditional
