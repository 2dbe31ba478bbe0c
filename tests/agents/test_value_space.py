"""Learners in value space and their exploration: brute force, fixed points, published bifurcations, errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from pycrld_econ.agents import (
    StrategySARSA,
    ValueDynamics,
    ValueQLearning,
    ValueSARSA,
    multiagent_epsilongreedy_strategy,
    multiagent_mixed_strategy,
    multiagent_softmax_strategy,
)
from pycrld_econ.environments import (
    ExchangeablePublicGood,
    SocialDilemma,
    memory_one,
    name_of,
    random_game,
)
from reference_impl import averages

seeds = st.integers(0, 2**31 - 1)
sizes = st.sampled_from([(1, 3, 2), (2, 2, 1), (2, 2, 3), (2, 3, 2), (3, 2, 2)])


@given(sizes, seeds)
def test_exploration_equals_plain_loops(size: tuple[int, int, int], seed: int) -> None:
    N, M, Z = size
    rng = np.random.default_rng(seed)
    q = rng.integers(-2, 3, (N, Z, M)).astype(float)  # with ties
    epsilons, betas = rng.uniform(0, 1, N), np.where(rng.random(N) < 0.5, np.inf, rng.uniform(0, 5, N))
    X = multiagent_mixed_strategy(epsilons, betas).action_probabilities(q)
    np.testing.assert_allclose(X, averages.explore(q, epsilons, betas), rtol=1e-12)
    np.testing.assert_allclose(X.sum(-1), 1.0, rtol=1e-14)


@given(sizes, seeds, st.booleans(), st.booleans(), st.booleans())
def test_a_step_equals_brute_force(
    size: tuple[int, int, int], seed: int, greedy: bool, current: bool, frequency: bool
) -> None:
    N, M, Z = size
    rng = np.random.default_rng(seed)
    env, alpha, gamma = random_game(N, M, Z, rng=seed), rng.uniform(0, 1, N), rng.uniform(0, 0.9, N)
    epsilons, betas = np.full(N, 0.1), np.full(N, np.inf if greedy else 2.0)
    explorer, options = multiagent_mixed_strategy(epsilons, betas), {"frequency": frequency}
    q, pre = rng.normal(size=(N, Z, M)), 1 - gamma
    X = averages.explore(q, epsilons, betas)
    table = q if current else averages.Qisa(env.T, env.R, X, gamma, pre)
    rewards, chain = averages.Risa(env.T, env.R, X), averages.Tisas(env.T, X)
    weight = averages.Ps(env.T, X)[:, None] * X if frequency else 1.0
    for kind, following in ((ValueSARSA, (X * table).sum(-1)), (ValueQLearning, table.max(-1))):
        bootstrap = "current" if current else "bellman"
        learner = kind(env, alpha, gamma, explorer, use_prefactor=True, bootstrap=bootstrap, **options)
        ahead = np.einsum("isay,iy->isa", chain, following)
        error = pre[:, None, None] * rewards + gamma[:, None, None] * ahead - q
        step, drive = learner.step(q)
        np.testing.assert_allclose(drive, error, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(step, q + alpha[:, None, None] * weight * error, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(learner.value_NextQisa(q), ahead, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(learner.valRisa(q), rewards, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(learner.strategy(q), X, rtol=1e-12)


@given(sizes, seeds)
def test_softmax_of_true_values_is_sarsa_in_strategy_space(size: tuple[int, int, int], seed: int) -> None:
    N, M, Z = size
    env, beta = random_game(N, M, Z, rng=seed), np.random.default_rng(seed).uniform(0.5, 5, N)
    learner = ValueSARSA(env, 0.3, 0.8, multiagent_softmax_strategy(beta))
    strategies = StrategySARSA(env, 0.3, 0.8, beta)
    q = learner.random_values(rng=seed)
    expected = strategies.step(learner.strategy(q))[0]
    np.testing.assert_allclose(learner.strategy(learner.step(q)[0]), expected, rtol=1e-9)


@given(seeds)
def test_entries_that_are_never_visited_never_change(seed: int) -> None:
    env = random_game(2, 2, 2, rng=seed)
    T = np.zeros_like(env.T)
    T[..., 0] = 1.0
    game = SimpleNamespace(T=T, R=env.R)
    learner = ValueSARSA(game, 0.5, 0.5, multiagent_softmax_strategy(1.0, 2), frequency=True)
    q = learner.random_values(rng=seed)
    assert (learner.step(q)[0][:, 1] == q[:, 1]).all() and (learner.step(q)[0][:, 0] != q[:, 0]).all()


def test_the_start_decides_where_the_long_run_does() -> None:
    env = random_game(1, 2, 2, rng=0)
    T = np.zeros_like(env.T)
    T[[0, 1], :, [0, 1]] = 1.0  # nothing ever changes
    game, soft = SimpleNamespace(T=T, R=env.R), multiagent_softmax_strategy(1.0, 1)
    q = np.ones((1, 2, 2))
    for start, moves in (([1, 0], [True, False]), ([0, 1], [False, True]), (None, [True, True])):
        learner = ValueSARSA(game, 0.5, 0.5, soft, frequency=True, start=start)
        assert (learner.step(q)[0] != q).any((0, 2)).tolist() == moves


def test_absent_actions_are_neither_taken_nor_learned() -> None:
    env = random_game(2, 3, 2, rng=1)
    available = np.ones((2, 2, 3), bool)
    available[0, 1, 2] = False
    for function in (multiagent_epsilongreedy_strategy(0.3, 2), multiagent_softmax_strategy(2.0, 2)):
        rewards = env.R.copy()
        steps = []
        for bonus in (0.0, 100.0):
            rewards[:, 1, 2] = env.R[:, 1, 2] + bonus
            game = SimpleNamespace(T=env.T, R=rewards, available=available)
            learner = ValueQLearning(game, 0.5, 0.9, function)
            q = learner.random_values(rng=0)
            assert learner.strategy(q)[0, 1, 2] == 0 and learner.step(q)[0][0, 1, 2] == q[0, 1, 2]
            assert learner.step(q)[1][0, 1, 2] == 0
            steps.append(learner.step(q)[0])
        np.testing.assert_allclose(*steps, rtol=1e-12)


DILEMMA = SocialDilemma(R=3.0, T=5.0, S=0.0, P=1.0)


def incremental(temperature: float, gamma: float, alpha: float = 0.01) -> ValueQLearning:
    explorer = multiagent_softmax_strategy(1 / temperature, 2)
    return ValueQLearning(DILEMMA, alpha, gamma, explorer, bootstrap="current", frequency=True)


def rest(temperature: float, gamma: float) -> np.ndarray:
    """The symmetric fixed point: values at rest are bootstrapped rewards."""
    p = brentq(lambda p: temperature * np.log(p / (1 - p)) + 1 + p, 1e-9, 1 - 1e-9)
    rewards = np.array([3 * p, 1 + 4 * p])
    best = rewards.max() / (1 - gamma)
    return np.tile(rewards + gamma * best, (2, 1, 1))


def multiplier(temperature: float, gamma: float) -> complex:
    """Leading eigenvalue at rest, by differences: largest modulus among the complex ones."""
    learner, q, h = incremental(temperature, gamma), rest(temperature, gamma), 1e-6
    moved = q + h * np.concatenate([np.eye(4), -np.eye(4)]).reshape(8, *q.shape)
    steps = learner.step(moved)[0].reshape(8, 4)
    eigenvalues = np.linalg.eigvals((steps[:4] - steps[4:]).T / (2 * h))
    return max(eigenvalues[eigenvalues.imag > 0], key=abs, default=eigenvalues[0])


@pytest.mark.parametrize(("temperature", "cooperation"), [(0.3, 0.031154), (1.0, 0.226751), (10.0, 0.463478)])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_incremental_learners_rest_where_published(
    temperature: float, cooperation: float, gamma: float
) -> None:
    q = rest(temperature, gamma)
    learner = incremental(temperature, gamma)
    np.testing.assert_allclose(learner.strategy(q)[:, 0, 0], cooperation, atol=1e-6)
    np.testing.assert_allclose(learner.step(q)[0], q, rtol=1e-12)


@pytest.mark.parametrize(("temperature", "critical"), [(0.3, 0.639320), (1.0, 0.745677)])
def test_incremental_learners_lose_stability_where_published(temperature: float, critical: float) -> None:
    excess = [abs(multiplier(temperature, critical + shift)) - 1 for shift in (-1e-4, 1e-4)]
    assert excess[0] < 0 < excess[1]
    crossing = critical - 1e-4 - 2e-4 * excess[0] / (excess[1] - excess[0])
    assert abs(crossing - critical) < 2e-6


def test_published_multipliers() -> None:
    assert abs(multiplier(1.0, 0.8)) - 1 == pytest.approx(2.096e-4, abs=2e-7)
    assert abs(multiplier(1.0, 0.9)) - 1 == pytest.approx(5.954e-4, abs=2e-7)
    assert abs(multiplier(10.0, 0.99)) < 1


def test_without_foresight_cooperation_settles() -> None:
    advantage = np.log(np.array([0.5, 0.48]) / np.array([0.5, 0.52]))
    q = np.stack([advantage, -advantage], -1)[:, None] / 2
    points, _ = incremental(1.0, 0.0).trajectory(q, Tmax=3001)
    np.testing.assert_allclose(incremental(1.0, 0.0).strategy(points[-1])[:, 0, 0], 0.2266, atol=2e-4)


def test_metastable_cooperation_lasts_as_long_as_published() -> None:
    advantage = np.log(np.array([0.9, 0.7]) / np.array([0.1, 0.3]))
    q = np.stack([advantage, -advantage], -1)[:, None] / 2
    learner = incremental(1.0, 0.8)
    run = learner.ensemble(q[None], Tmax=2_000_000, record=1000)
    cooperation = learner.strategy(run.records[0])[:, :, 0, 0]
    assert cooperation.max() == pytest.approx(0.9999998, abs=1e-7)
    together = (cooperation > 0.5).all(-1)
    assert abs(int(np.argmin(together)) - 1961) <= 3


def test_memory_one_learners_end_in_the_strict_pairs() -> None:
    game, explorer = (
        memory_one(SocialDilemma(R=3.0, T=4.0, S=0.0, P=1.0)),
        multiagent_epsilongreedy_strategy(0.01, 2),
    )
    found = {}
    for gamma in (0.2, 0.4, 0.8):  # below both thresholds 1/3 and 1/2, between them, above both
        learner = ValueSARSA(game, 0.2, gamma, explorer, use_prefactor=True)
        ends = learner.ensemble(200, Tmax=3000, tolerance=1e-9, rng=0)
        X = learner.strategy(ends.X[ends.converged])
        found[gamma] = {tuple(name_of(x, agent) for agent, x in enumerate(pair)) for pair in X}
    assert found[0.2] == {("AllD", "AllD")}
    assert found[0.4] == {("AllD", "AllD"), ("Grim", "Grim")}
    assert found[0.8] == {("AllD", "AllD"), ("Grim", "Grim"), ("WSLS", "WSLS")}


def test_exploration_can_be_changed_and_swept() -> None:
    learner = ValueSARSA(DILEMMA, 0.1, 0.5, multiagent_mixed_strategy(0.1, np.inf, N=2))
    learner.betas = [1.0, np.inf]
    assert learner.strategy_function.id == "softmax1-0.1_greedy0.1"
    learner.epsilon_greedys = 0.0
    assert learner.strategy_function.id == "softmax1_greedy0"
    sweep = learner.ensemble(learner.random_points(2, 0)[:, None], Tmax=10, betas=[[1.0], [np.inf]])
    other = learner.with_parameters(strategy_function=multiagent_epsilongreedy_strategy(0.0, 2))
    assert np.array_equal(sweep.X[:, 1], other.ensemble(learner.random_points(2, 0), Tmax=10).X)
    assert "softmax1_greedy0" in learner.id()


def test_values_to_begin_with() -> None:
    learner = ValueSARSA(DILEMMA, 0.1, 0.5, multiagent_softmax_strategy(1.0, 2))
    assert (learner.zero_intelligence_values(3.0) == np.full((2, 1, 2), 3.0)).all()
    np.random.seed(0)
    first = learner.random_values()
    np.random.seed(0)
    assert np.array_equal(first, np.random.standard_normal((2, 1, 2)))
    assert np.array_equal(learner.random_values(rng=3), np.random.default_rng(3).standard_normal((2, 1, 2)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: multiagent_epsilongreedy_strategy(1.1, 2),
            ValueError,
            r"epsilon_greedys must lie in \[0, 1\]",
        ),
        (lambda: multiagent_epsilongreedy_strategy([0.1, -0.1]), ValueError, "got -0.1"),
        (lambda: multiagent_epsilongreedy_strategy(0.1), ValueError, "must be one number, with N agents"),
        (lambda: multiagent_epsilongreedy_strategy(), ValueError, "epsilon_greedys must be given"),
        (
            lambda: multiagent_epsilongreedy_strategy([0.1, 0.2], 3),
            ValueError,
            "must hold N = 3 numbers, got 2",
        ),
        (
            lambda: multiagent_epsilongreedy_strategy("greedy", 2),
            TypeError,
            "epsilon_greedys must be numbers",
        ),
        (lambda: multiagent_softmax_strategy(-1.0, 2), ValueError, "betas must lie in"),
        (lambda: multiagent_softmax_strategy(np.nan, 2), ValueError, "betas must lie in"),
        (
            lambda: multiagent_mixed_strategy([0.1, 0.2], [1.0, 2.0, 3.0]),
            ValueError,
            "betas must hold N = 2 numbers",
        ),
        (
            lambda: multiagent_softmax_strategy(1.0, 2).action_probabilities(np.zeros((3, 1, 2))),
            ValueError,
            r"q must have shape \(\.\.\., 2, Z, M\), got \(3, 1, 2\)",
        ),
    ],
)
def test_bad_exploration_is_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"strategy_function": 0.1}, TypeError, "strategy_function must be an ExplorationStrategy, got 0.1"),
        (
            {"strategy_function": multiagent_softmax_strategy(1.0, 3)},
            ValueError,
            "strategy_function must be for N = 2 agents, got 3",
        ),
        ({"bootstrap": "own"}, ValueError, "bootstrap must be one of bellman, current"),
        (
            {"bootstrap": ["bellman"] * 3},
            ValueError,
            "bootstrap must be one of bellman, current, or 2 of them",
        ),
        ({"learning_rates": 1.5}, ValueError, r"learning_rates must lie in \[0, 1\], got 1.5"),
        ({"start": [0.5, 0.5]}, ValueError, r"start must have shape \(1,\), got \(2,\)"),
        ({"start": [0.5]}, ValueError, "start must hold probability distributions"),
        ({"optimism": 2.0}, ValueError, r"optimism must lie in \[0, 1\], got 2"),
        ({"env": ExchangeablePublicGood(2, 1.5)}, ValueError, r"env.to_tensor_game\(\)"),
    ],
)
def test_bad_value_learners_are_named(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    fine = {"env": DILEMMA, "learning_rates": 0.1, "discount_factors": 0.5}
    fine["strategy_function"] = multiagent_softmax_strategy(1.0, 2)
    with pytest.raises(error, match=message):
        ValueDynamics(**fine | changes)


def test_final_states_have_no_future() -> None:
    env = random_game(2, 2, 2, rng=3)
    learner = ValueSARSA(
        SimpleNamespace(T=env.T, R=env.R, F=[1, 1]), 0.1, 0.9, multiagent_softmax_strategy(1.0, 2)
    )
    q = learner.random_values(rng=0)
    np.testing.assert_allclose(learner.RPEisa(q), learner.valRisa(q) - q, rtol=1e-12)
