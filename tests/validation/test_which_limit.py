"""Samplers are told apart by the deterministic dynamics they follow, with published numbers."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import ValueQLearning, multiagent_softmax_strategy
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma
from pycrld_econ.validation.bridge import named_limits, which_limit
from pycrld_econ.validation.learners import BatchLearner

ECO = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1, degraded_choice=True)
ALPHA, BETA, GAMMA = 0.04, 25.0, 0.9
PLAIN = {
    "learning_rates": ALPHA,
    "discount_factors": GAMMA,
    "choice_intensities": BETA,
    "use_prefactor": True,
}
COOPERATION = np.array([[0.1, 0.8], [0.4, 0.1]])  # agent, (degraded, prosperous)
START = np.stack([COOPERATION, 1 - COOPERATION], axis=-1)


def batch_q(K: int, replicates: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    "Batch Q-learning of 2021 and the trajectories of both deterministic candidates, over steps 0 to 100"
    limits = named_limits(ECO, "q_learning", ALPHA, GAMMA, BETA, use_prefactor=True)
    table = np.log(START) / BETA
    explore = multiagent_softmax_strategy(BETA, N=2)
    dynamics = ValueQLearning(ECO, ALPHA, GAMMA, strategy_function=explore, use_prefactor=True)
    runs = BatchLearner(dynamics, K, estimator="td").run(table, 100, replicates, seed=8)
    names = ("frequency_adjusted", "policy_average")
    return runs.strategies, {name: limits[name].trajectory(START, Tmax=101)[0] for name in names}


def test_deterministic_q_learning_has_its_published_numbers() -> None:
    _, paths = batch_q(5, 1)
    own, average = (path[..., 0] for path in (paths["frequency_adjusted"], paths["policy_average"]))
    np.testing.assert_allclose(own[20].ravel(), [0.5675, 0.7932, 0.8242, 0.6835], atol=1e-4)
    np.testing.assert_allclose(own[100].ravel(), [0.9659, 0.9786, 0.9677, 0.9785], atol=1e-4)
    np.testing.assert_allclose(average[100].ravel(), [0.9708, 0.9844, 0.9723, 0.9842], atol=1e-4)


@pytest.mark.parametrize(
    ("K", "own", "average"), [(50, 0.327, 0.338), (500, 0.103, 0.113), (5000, 0.021, 0.025)]
)
def test_distances_of_batch_learning_are_the_published_ones(K: int, own: float, average: float) -> None:
    strategies, paths = batch_q(K, 40 if K < 5000 else 20)
    found = which_limit(strategies[..., 0], {name: path[..., 0] for name, path in paths.items()}, 100)
    assert abs(found.distances["frequency_adjusted"].value / own - 1) < 0.15, f"\n{found}"
    assert abs(found.distances["policy_average"].value / average - 1) < 0.15, f"\n{found}"


def test_large_batches_follow_the_own_action() -> None:
    strategies, paths = batch_q(50_000, 4)
    found = which_limit(strategies[..., 0], {name: path[..., 0] for name, path in paths.items()})
    assert found.best == "frequency_adjusted" and found.support > 0.95, f"\n{found}"
    assert found.distances["frequency_adjusted"].high < found.distances["policy_average"].low, f"\n{found}"


def test_incremental_q_learning_follows_the_incremental_limit() -> None:
    env = SocialDilemma(R=3, T=5, S=0, P=1)
    alpha, gamma, steps, every = 0.01, 0.8, 1500, 50
    limits = named_limits(env, "q_learning", alpha, gamma, 1.0)
    logit = np.log(np.array([0.9, 0.7]) / (1 - np.array([0.9, 0.7])))
    table = np.stack([logit / 2, -logit / 2], axis=-1)[:, None]
    limits = {name: limits[name] for name in ("frequency_adjusted", "incremental", "value_space")}
    sampler = limits["incremental"]
    runs = BatchLearner(sampler, 1).run(table, steps, 200, seed=3, every=every)
    paths = {}
    for name, dynamics in limits.items():
        start = sampler.strategy(table) if name == "frequency_adjusted" else table
        points = dynamics.trajectory(start, Tmax=steps + 1)[0][::every]
        paths[name] = points if name == "frequency_adjusted" else dynamics.strategy(points)
    found = which_limit(runs.strategies, paths)
    assert found.best == "incremental" and found.support > 0.95, f"\n{found}"
    others = [found.mean_distances[name].low for name in paths if name != "incremental"]
    assert found.mean_distances["incremental"].high < min(others), f"\n{found}"


def test_candidates_must_fit() -> None:
    runs = np.zeros((3, 4, 2))
    with pytest.raises(ValueError, match="at least two"):
        which_limit(runs, {"one": runs[0]})
    with pytest.raises(ValueError, match="must have shape"):
        which_limit(runs, {"one": runs[0], "two": runs[0, :2]})
    with pytest.raises(ValueError, match="algorithm must be"):
        named_limits(ECO, "td", 0.1, 0.5, 1.0)
