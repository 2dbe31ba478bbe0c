"""Batch learners equal a slow twin play by play; replicates depend neither on each other, nor threads, nor device."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.agents import (
    MixedPopulation,
    POStrategyActorCritic,
    POStrategyQLearning,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueDynamics,
    multiagent_epsilongreedy_strategy,
    multiagent_softmax_strategy,
)
from pycrld_econ.environments import EcologicalPublicGood, TensorGame, UncertainSocialDilemma
from pycrld_econ.validation.learners import BatchLearner
from reference_impl.batch_learning import online_table, plays, tables

ROOT = Path(__file__).parents[2]
ECO = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
ECO3 = EcologicalPublicGood(N=3, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
FINAL = TensorGame(ECO.T, ECO.R, F=np.array([0, 1]), state=1)
NOISE = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.5, 0.1)
RATES: dict[str, Any] = {
    "learning_rates": [0.1, 0.2], "discount_factors": [0.9, 0.6], "choice_intensities": [1.0, 3.0],
}  # fmt: skip
GREEDY = multiagent_epsilongreedy_strategy([0.1, 0.3])
SOFTMAX = multiagent_softmax_strategy([2.0, 5.0])
PLAIN = {"learning_rates": [0.1, 0.2], "discount_factors": [0.9, 0.6]}
LEARNERS = {
    "actor-critic": StrategyActorCritic(ECO, **RATES),
    "SARSA with prefactor": StrategySARSA(ECO, **RATES, use_prefactor=True),
    "Q": StrategyQLearning(ECO, **RATES),
    "final states": StrategyQLearning(FINAL, **RATES),
    "mixed": MixedPopulation(ECO, [StrategyActorCritic, StrategyQLearning], **RATES),
    "three agents": StrategySARSA(ECO3, 0.1, [0.9, 0.5, 0.0], 2.0),
    "observing actor-critic": POStrategyActorCritic(NOISE, **RATES),
    "observing SARSA": POStrategySARSA(NOISE, **RATES),
    "observing Q": POStrategyQLearning(NOISE, **RATES),
    "value SARSA": ValueDynamics(ECO, **PLAIN, strategy_function=GREEDY),
    "value Q": ValueDynamics(ECO, **PLAIN, strategy_function=SOFTMAX, optimism=1.0),
    "own table": ValueDynamics(
        ECO, **PLAIN, strategy_function=SOFTMAX, optimism=[1.0, 0.0], bootstrap="current"
    ),
    "frequency": ValueDynamics(ECO, **PLAIN, strategy_function=SOFTMAX, bootstrap="current", frequency=True),
}


def random_point(dynamics: Any) -> np.ndarray:
    return dynamics.random_points(1, 3)[0]


def explorer(dynamics: ValueDynamics, i: int) -> Callable[[np.ndarray], np.ndarray]:
    "From a table of one agent to the strategy it explores by"
    return lambda table: dynamics.strategy(np.stack([table] * dynamics.N))[i]


def twin(learner: BatchLearner, point: np.ndarray, lane: int, seed: int) -> np.ndarray:
    "One update of all agents, from lists of plays"
    d, values = learner.limit, isinstance(learner.limit, ValueDynamics)
    X = d.strategy(point) if values else point
    perfect = not hasattr(d, "Bios")
    N, S, M = point.shape
    goes_on = 1.0 - np.asarray(d.env.F, float) if perfect else np.ones(S)
    batch = plays(d.env, X, learner.batch_size, lane, seed, perfect)
    result = point.copy()
    for i in range(N):
        n, R, T = tables(batch, i, S, M)
        ahead = T * goes_on
        if learner.estimator == "lstd":
            own = np.einsum("sa,say->sy", X[i], ahead)
            V = np.linalg.solve(np.eye(S) - d.gamma[i] * own, d.pre[i] * (X[i] * R).sum(-1))
            Q = d.pre[i] * R + d.gamma[i] * ahead @ V
        else:
            first = point[i] if values else np.zeros((S, M))
            rate = d.alpha[i] if learner.estimator == "td" else None
            explore = explorer(d, i) if learner.continuation == "table" else None
            Q = online_table(batch, i, X, first, rate, d.gamma[i], d.pre[i], goes_on, explore)
            V = (X[i] * Q).sum(-1)
        plan = explorer(d, i)(Q) if learner.continuation == "table" else X[i]
        table = d.current[i] * point[i] + (1 - d.current[i]) * Q if values else Q
        worth = (1 - d.optimism[i]) * (plan * table).sum(-1) + d.optimism[i] * table.max(-1)
        aim = d.pre[i] * R + d.gamma[i] * ahead @ worth
        if values:
            share = n / learner.batch_size if d.frequency[i] else 1.0
            result[i] += np.where(n > 0, d.alpha[i] * share * (aim - point[i]), 0.0)
        else:
            logs = np.log(X[i])
            drive = d.beta[i] * (aim - V[:, None]) - d.forgetting[i] * (
                logs - (X[i] * logs).sum(-1, keepdims=True)
            )
            weights = X[i] * np.exp(d.alpha[i] * np.where(n > 0, drive, 0.0))
            result[i] = weights / weights.sum(-1, keepdims=True)
    return result


@pytest.mark.parametrize("estimator", ["lstd", "td", "td_average"])
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("K", [1, 7, 150])
def test_one_batch_is_that_of_the_slow_twin(name: str, estimator: str, K: int) -> None:
    learner = BatchLearner(LEARNERS[name], K, estimator=estimator)
    point = random_point(learner.limit)
    sampled = learner.run(point, 1, 4, seed=11, first=5).points[:, 1]
    for e in range(4):
        np.testing.assert_allclose(sampled[e], twin(learner, point, 5 + e, 11), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("estimator", ["td", "td_average"])
@pytest.mark.parametrize("name", ["value SARSA", "value Q"])
def test_learners_who_plan_by_the_table_equal_their_twin(name: str, estimator: str) -> None:
    learner = BatchLearner(LEARNERS[name], 60, estimator=estimator, continuation="table")
    point = random_point(learner.limit)
    sampled = learner.run(point, 1, 4, seed=11).points[:, 1]
    for e in range(4):
        np.testing.assert_allclose(sampled[e], twin(learner, point, e, 11), rtol=1e-10, atol=1e-12)
    acting = BatchLearner(LEARNERS[name], 60, estimator=estimator).run(point, 1, 4, seed=11).points[:, 1]
    assert np.abs(sampled - acting).max() > 1e-4  # the option does something


def test_replicates_replay_alone_and_in_any_number_of_threads() -> None:
    learner = BatchLearner(LEARNERS["mixed"], 50, threads=1)
    start = random_point(learner.limit)
    many = learner.run(start, 6, 20, seed=9)
    assert np.array_equal(
        BatchLearner(LEARNERS["mixed"], 50, threads=3).run(start, 6, 20, seed=9).points, many.points
    )
    assert np.array_equal(learner.run(start, 6, 1, seed=9, first=13).points[0], many.points[13])
    thinned = learner.run(start, 6, 20, seed=9, every=3)
    assert np.array_equal(thinned.points, many.points[:, ::3]) and thinned.batches.tolist() == [0, 3, 6]
    assert len(np.unique(many.points[:, -1, 0, 0, 0])) == 20
    each = learner.run(np.broadcast_to(start, (20, *start.shape)), 6, 20, seed=9)
    assert np.array_equal(each.points, many.points)


def test_cuda_simulator_learns_the_same() -> None:
    code = """
import numpy as np
from pycrld_econ.agents import StrategySARSA
from pycrld_econ.environments import EcologicalPublicGood
from pycrld_econ.validation.learners import BatchLearner
env = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
dynamics = StrategySARSA(env, 0.1, 0.9, 1.0)
runs = BatchLearner(dynamics, 10, device="cuda").run(dynamics.random_points(1, 3)[0], 2, 2, seed=4)
print(runs.points.tobytes().hex())
"""
    settings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONWARNINGS": "ignore",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, timeout=300
    )
    assert run.returncode == 0, run.stderr
    dynamics = StrategySARSA(ECO, 0.1, 0.9, 1.0)
    here = BatchLearner(dynamics, 10).run(dynamics.random_points(1, 3)[0], 2, 2, seed=4)
    found = np.frombuffer(bytes.fromhex(run.stdout.strip())).reshape(here.points.shape)
    np.testing.assert_allclose(found, here.points, rtol=1e-13)


def test_warm_tables_go_on() -> None:
    dynamics = StrategySARSA(ECO, 0.1, 0.9, 1.0)
    start = random_point(dynamics)
    cold, warm = (
        BatchLearner(dynamics, 40, estimator="td", warm_start=keep).run(start, 2, 3).points
        for keep in (False, True)
    )
    assert np.array_equal(cold[:, 1], warm[:, 1]) and not np.allclose(cold[:, 2], warm[:, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must be"),
        ({"estimator": "mc"}, "estimator must be one of lstd, td, td_average"),
        ({"dynamics": 3}, "dynamics must be a strategy-average learner"),
        (
            {"dynamics": StrategyQLearning(ECO, 0.1, 0.9, q_continuation="policy_average")},
            "no sampled learner does",
        ),
        ({"continuation": "best"}, "continuation must be one of acting, table"),
        ({"continuation": "table"}, "continuation 'table' needs values"),
        (
            {"dynamics": LEARNERS["own table"], "estimator": "td", "continuation": "table"},
            "continuation 'table' needs values",
        ),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    arguments = {"dynamics": LEARNERS["Q"], "batch_size": 5} | change
    with pytest.raises((TypeError, ValueError), match=message):
        BatchLearner(**arguments)


def test_wrong_runs_are_refused() -> None:
    learner = BatchLearner(LEARNERS["Q"], 5)
    start = random_point(learner.limit)
    for arguments, message in (
        ((start[:1], 3), "start must have shape"), ((start, -1), "batches must be"), ((start, 2**31), "below 2"),
        ((start, 10**8, 100), "too many"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            learner.run(*arguments)
