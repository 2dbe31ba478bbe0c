"""Samples converge to the theory at the rate of noise, scatter as predicted, and the wrong estimator is caught."""

from __future__ import annotations

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
from pycrld_econ.validation.bridge import LimitTest, limit_test, predicted_spread, update_covariance
from pycrld_econ.validation.learners import BatchLearner

GAMES = {N: EcologicalPublicGood(N=N, f=1.2, c=5, m=-5, qc=0.2, qr=0.1) for N in (2, 3, 4)}
FINAL = TensorGame(GAMES[2].T, GAMES[2].R, F=np.array([0, 1]), state=1)
NOISE = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.5, 0.1)
SIZES = (1000, 4000, 16000)


def build(kind: str, env: Any, gamma: float = 0.9) -> tuple[Any, np.ndarray]:
    "A learner of one kind with different agents, and a point from which all actions are taken now and then"
    N = env.N
    rates = {
        "learning_rates": np.linspace(0.05, 0.15, N),
        "discount_factors": np.linspace(gamma, 0.9 * gamma, N),
    }
    strong = rates | {"choice_intensities": np.linspace(1.0, 2.0, N), "use_prefactor": True}
    epsilons, betas = np.linspace(0.2, 0.4, N), np.linspace(0.5, 1.0, N)
    dynamics: Any = {
        "actor-critic": lambda: StrategyActorCritic(env, **strong),
        "SARSA": lambda: StrategySARSA(env, **strong),
        "Q": lambda: StrategyQLearning(env, **strong),
        "mixed": lambda: MixedPopulation(env, [StrategyActorCritic, *[StrategyQLearning] * (N - 1)], **strong),
        "value SARSA": lambda: ValueDynamics(
            env, **rates, strategy_function=multiagent_epsilongreedy_strategy(epsilons)
        ),
        "value Q": lambda: ValueDynamics(
            env, **rates, strategy_function=multiagent_softmax_strategy(betas), optimism=1.0, use_prefactor=True
        ),
        "value Q, own table": lambda: ValueDynamics(
            env, **rates, strategy_function=multiagent_softmax_strategy(betas), optimism=1.0, bootstrap="current"
        ),
        "value SARSA, by frequency": lambda: ValueDynamics(
            env, **rates, strategy_function=multiagent_softmax_strategy(betas), bootstrap="current", frequency=True
        ),
        "observing actor-critic": lambda: POStrategyActorCritic(env, **strong),
        "observing SARSA": lambda: POStrategySARSA(env, **strong),
        "observing Q": lambda: POStrategyQLearning(env, **strong),
    }[kind]()  # fmt: skip
    point = dynamics.random_points(1, 3)[0]
    if kind.startswith("value"):
        return dynamics, 0.5 * point
    return dynamics, 0.6 * point + 0.4 * dynamics.zero_intelligence_strategy()


FULL = ["actor-critic", "SARSA", "Q", "mixed", "value SARSA", "value Q", "value Q, own table"]
OBSERVING = ["observing actor-critic", "observing SARSA", "observing Q"]
CASES = [
    *[(kind, GAMES[N], N) for kind in [*FULL, "value SARSA, by frequency"] for N in GAMES],
    *[(kind, FINAL, "final") for kind in FULL[:4]],
    *[(kind, NOISE, "noise") for kind in OBSERVING],
]
NAMES = [f"{kind}-{name}" for kind, _, name in CASES]


@pytest.mark.parametrize(("kind", "env", "name"), CASES, ids=NAMES)
def test_samples_converge_to_the_dynamics(kind: str, env: Any, name: object) -> None:
    dynamics, point = build(kind, env)
    result = limit_test(lambda K: BatchLearner(dynamics, K), point, SIZES, replicates=60, seed=1)
    assert result.passed, f"\n{result}"


def test_naive_temporal_differences_do_not_converge() -> None:
    point = np.full((2, 2, 2), 0.2)
    point[..., 0] = 0.8  # cooperation makes states differ in value, which the naive table learns too slowly

    def result(estimator: str, gamma: float) -> LimitTest:
        dynamics = StrategySARSA(GAMES[2], 0.1, gamma, 0.2)
        return limit_test(
            lambda K: BatchLearner(dynamics, K, estimator=estimator),
            point,
            (2000, 8000, 32000),
            replicates=60,
            seed=1,
        )

    exact, naive, short = result("lstd", 0.9), result("td_average", 0.9), result("td_average", 0.3)
    assert exact.passed, f"\n{exact}"
    assert not naive.passed and naive.slope > exact.slope + 0.1 and naive.z > 8, f"\n{naive}"
    assert short.passed, f"\n{short}"  # where it is known to converge: gamma below 1/2


def test_a_wrong_dynamics_is_caught() -> None:
    dynamics, point = build("SARSA", GAMES[2])
    other = dynamics.with_parameters(discount_factors=0.8)

    class Mutant:
        def __init__(self, K: int) -> None:
            self.limit, self._learner = other, BatchLearner(dynamics, K)

        def one_update(self, X: np.ndarray, replicates: int, seed: int) -> np.ndarray:
            return self._learner.one_update(X, replicates, seed)

    result = limit_test(Mutant, point, (1000, 8000, 64000), replicates=60)
    assert not result.passed, f"\n{result}"


@pytest.mark.parametrize("kind", FULL)
def test_spread_of_an_update_is_predicted(kind: str) -> None:
    for env in (GAMES[2], GAMES[3], FINAL):
        dynamics, point = build(kind, env)
        K, replicates = 4000, 300
        sample = BatchLearner(dynamics, K).one_update(point, replicates, seed=5).reshape(replicates, -1)
        expected, found = update_covariance(dynamics, point) / K, np.cov(sample.T)
        scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        # entries of a sample covariance scatter by at most sqrt(2 / E); 5 of that, and terms of order 1 / sqrt(K)
        assert np.abs((found - expected) / scale).max() < 5 * np.sqrt(2 / replicates) + 0.05, kind


def test_spread_along_a_path_is_predicted() -> None:
    dynamics, point = build("SARSA", GAMES[2])
    K, batches, replicates = 2000, 15, 300
    runs = BatchLearner(dynamics, K).run(point, batches, replicates, seed=2)
    expected, found = predicted_spread(dynamics, point, K, batches), runs.points.std(0)
    ratio = found[1:] / expected[1:]
    assert np.abs(ratio - 1).max() < 5 / np.sqrt(2 * replicates) + 0.05


def test_spread_is_refused_where_it_would_be_wrong() -> None:
    dynamics, point = build("observing SARSA", NOISE)
    with pytest.raises(TypeError, match="learners who see states"):
        update_covariance(dynamics, point)
    dynamics, point = build("value SARSA, by frequency", GAMES[2])
    with pytest.raises(ValueError, match="by frequency"):
        update_covariance(dynamics, point)


def test_batch_sizes_are_checked() -> None:
    dynamics, point = build("SARSA", GAMES[2])
    for sizes in ((10, 20), (10, 20, 20)):
        with pytest.raises(ValueError, match="batch_sizes must be"):
            limit_test(lambda K: BatchLearner(dynamics, K), point, sizes)
