"""What the strategy averages and the actor-critic step must satisfy for any game."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import StrategyActorCritic, StrategyDynamics
from pycrld_econ.environments import TensorGame


def random_game(seed: int, N: int, M: int, Z: int) -> TensorGame:
    rng = np.random.default_rng(seed)
    T = rng.dirichlet(np.ones(Z), size=(Z, *(M,) * N))
    return TensorGame(T, rng.normal(size=(N, Z, *(M,) * N, Z)))


def learner_in(env: object, seed: int = 0, **options: object) -> StrategyDynamics:
    rng = np.random.default_rng(seed)
    N = np.asarray(env.R).shape[0]
    parameters = (rng.uniform(0.01, 0.5, N), rng.uniform(0, 0.95, N), rng.uniform(0.5, 5, N))
    return StrategyDynamics(env, *parameters, **options)


sizes = st.sampled_from([(1, 3, 2), (2, 2, 1), (2, 2, 2), (2, 3, 4), (3, 2, 3), (3, 3, 3), (4, 2, 2)])
seeds = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize("N", range(1, 9))
def test_rows_sum_to_one_for_any_number_of_agents(N: int) -> None:
    learner = learner_in(random_game(N, N, 2, 2))
    X = learner.random_points(3, rng=N)
    np.testing.assert_allclose(learner.Tisas(X).sum(-1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(learner.Tss(X).sum(-1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(learner.step(X)[0].sum(-1), 1.0, rtol=1e-13)


@pytest.mark.parametrize("N", [2, 3, 4, 5])
def test_averages_equal_brute_force(N: int) -> None:
    env = random_game(7 + N, N, 2, 3)
    learner = learner_in(env)
    X = learner.random_points(1, rng=3)[0]
    Tisas, Risa = np.zeros((N, 3, 2, 3)), np.zeros((N, 3, 2))
    for s, actions in itertools.product(range(3), itertools.product(range(2), repeat=N)):
        for i in range(N):
            weight = np.prod([X[j, s, actions[j]] for j in range(N) if j != i])
            Tisas[i, s, actions[i]] += weight * env.T[(s, *actions)]
            Risa[i, s, actions[i]] += weight * env.T[(s, *actions)] @ env.R[(i, s, *actions)]
    np.testing.assert_allclose(learner.Tisas(X), Tisas, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(learner.Risa(X), Risa, rtol=1e-12, atol=1e-14)


@given(sizes, seeds)
def test_values_are_the_strategy_average_of_action_values(size: tuple[int, int, int], seed: int) -> None:
    learner = learner_in(random_game(seed, *size), seed)
    X = learner.random_points(2, rng=seed)
    np.testing.assert_allclose((X * learner.Qisa(X)).sum(-1), learner.Vis(X), rtol=1e-9, atol=1e-10)


@given(sizes, seeds)
def test_averages_from_averages(size: tuple[int, int, int], seed: int) -> None:
    learner = learner_in(random_game(seed, *size), seed, use_prefactor=bool(seed % 2))
    X = learner.random_points(2, rng=seed)
    same = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(learner.Ris(X, learner.Risa(X)), learner.Ris(X), **same)
    np.testing.assert_allclose(learner.Vis(X, Tss=learner.Tss(X)), learner.Vis(X), **same)
    np.testing.assert_allclose(learner.Vis(X, Risa=learner.Risa(X)), learner.Vis(X), **same)
    np.testing.assert_allclose(learner.Qisa(X, Vis=learner.Vis(X)), learner.Qisa(X), **same)
    np.testing.assert_allclose(learner.Qisa(X, Tisas=learner.Tisas(X)), learner.Qisa(X), **same)


@given(sizes, seeds)
def test_average_reward_is_the_stationary_mean(size: tuple[int, int, int], seed: int) -> None:
    learner = learner_in(random_game(seed, *size), seed)
    X = learner.random_points(2, rng=seed)
    p = learner.Ps(X)
    np.testing.assert_allclose(np.einsum("bs,bsy->by", p, learner.Tss(X)), p, rtol=1e-12)
    np.testing.assert_allclose(learner.Ri(X), np.einsum("bs,bis->bi", p, learner.Ris(X)), rtol=1e-12)


@given(sizes, seeds)
def test_permuting_agents_permutes_the_step(size: tuple[int, int, int], seed: int) -> None:
    N, M, Z = size
    env, order = random_game(seed, *size), np.random.default_rng(seed).permutation(N)
    learner = learner_in(env, seed)
    T = np.transpose(env.T, (0, *(1 + order), N + 1))
    R = np.transpose(env.R[order], (0, 1, *(2 + order), N + 2))
    rates = (learner.alpha[order], learner.gamma[order], learner.beta[order])
    X = learner.random_points(1, rng=seed)[0]
    permuted = StrategyDynamics(TensorGame(T, R), *rates)
    np.testing.assert_allclose(permuted.step(X[order])[0], learner.step(X)[0][order], rtol=1e-9, atol=1e-12)


@given(sizes, seeds)
def test_relabelling_states_relabels_the_step(size: tuple[int, int, int], seed: int) -> None:
    N, M, Z = size
    env, order = random_game(seed, *size), np.random.default_rng(seed).permutation(Z)
    learner = learner_in(env, seed)
    other = TensorGame(env.T[order][..., order], env.R[:, order][..., order])
    X = learner.random_points(1, rng=seed)[0]
    step = StrategyDynamics(other, learner.alpha, learner.gamma, learner.beta).step(X[:, order])[0]
    np.testing.assert_allclose(step, learner.step(X)[0][:, order], rtol=1e-9, atol=1e-12)


@given(sizes, seeds, st.floats(-5, 5))
def test_adding_a_constant_to_an_agents_rewards_changes_nothing(
    size: tuple[int, int, int], seed: int, constant: float
) -> None:
    env = random_game(seed, *size)
    learner = learner_in(env, seed)
    R = env.R.copy()
    R[0] += constant
    other = StrategyDynamics(TensorGame(env.T, R), learner.alpha, learner.gamma, learner.beta)
    X = learner.random_points(1, rng=seed)[0]
    np.testing.assert_allclose(other.step(X)[0], learner.step(X)[0], rtol=1e-7, atol=1e-10)


@given(sizes, seeds, st.floats(0.1, 10))
def test_scaling_rewards_scales_the_learning_rate(
    size: tuple[int, int, int], seed: int, factor: float
) -> None:
    env = random_game(seed, *size)
    learner = learner_in(env, seed)
    scaled = TensorGame(env.T, factor * env.R)
    other = StrategyDynamics(scaled, learner.alpha / factor, learner.gamma, learner.beta)
    X = learner.random_points(1, rng=seed)[0]
    np.testing.assert_allclose(other.step(X)[0], learner.step(X)[0], rtol=1e-8, atol=1e-11)


@given(sizes, seeds)
def test_a_batch_equals_single_points_bit_for_bit(size: tuple[int, int, int], seed: int) -> None:
    learner = learner_in(random_game(seed, *size), seed, forgetting=float(seed % 2))
    X = learner.random_points(6, rng=seed).reshape(2, 3, *learner.point_shape)
    steps, drives = learner.step(X)
    for place in np.ndindex(2, 3):
        step, drive = learner.step(X[place])
        assert np.array_equal(steps[place], step) and np.array_equal(drives[place], drive)
    for name in ("Tss", "Tisas", "Ris", "Risa", "Vis", "Qisa", "Ps", "Ri"):
        batch = getattr(learner, name)(X)
        assert np.array_equal(batch[1, 2], getattr(learner, name)(X[1, 2])), name


@given(sizes, seeds)
def test_a_trajectory_is_made_of_steps(size: tuple[int, int, int], seed: int) -> None:
    learner = learner_in(random_game(seed, *size), seed)
    X = learner.random_points(1, rng=seed)[0]
    points, reached = learner.trajectory(X, Tmax=40)
    assert points.shape == (40, *learner.point_shape) and reached is False
    assert np.array_equal(points[0], X) and np.array_equal(points[1], learner.step(X)[0])
    np.testing.assert_allclose(learner.step(points[:-1])[0], points[1:], rtol=1e-8, atol=1e-12)


def test_reverse_step_undoes_a_step_to_first_order() -> None:
    env = random_game(3, 2, 2, 2)
    errors = []
    for rate in (1e-2, 1e-3):
        learner = StrategyActorCritic(env, rate, 0.5)
        X = learner.random_points(1, rng=0)[0]
        errors.append(np.abs(learner.reverse_step(learner.step(X)[0])[0] - X).max())
    assert 50 < errors[0] / errors[1] < 200


def test_logits_are_coordinates() -> None:
    learner = learner_in(random_game(0, 2, 3, 2))
    X = learner.random_points(5, rng=0)
    np.testing.assert_allclose(learner.from_coordinates(learner.to_coordinates(X)), X, rtol=1e-14)
    np.testing.assert_allclose(learner.from_coordinates(7.0 + learner.to_coordinates(X)), X, rtol=1e-14)


@pytest.mark.parametrize("forgetting", [0.0, 1.0])
def test_pure_strategies_stay_pure(forgetting: float) -> None:
    learner = learner_in(random_game(1, 3, 3, 2), forgetting=forgetting)
    X = np.eye(3)[np.random.default_rng(0).integers(3, size=(10, 3, 2))]
    assert np.array_equal(learner.step(X)[0], X)
    points, reached = learner.trajectory(X[0], Tmax=100, tolerance=1e-12)
    assert reached and len(points) == 1
    assert not np.isnan(learner.RPEisa(X, norm=True)).any()


def test_a_fixed_agent_does_not_move() -> None:
    env = random_game(5, 3, 2, 2)
    learner = StrategyActorCritic(env, [0.1, 0.0, 0.2], 0.9)
    X = learner.random_points(1, rng=1)[0]
    step, _ = learner.step(X)
    np.testing.assert_allclose(step[1], X[1], rtol=1e-15)
    assert not np.allclose(step[0], X[0]) and not np.allclose(step[2], X[2])


def test_a_million_steps_stay_finite() -> None:
    learner = StrategyActorCritic(random_game(9, 2, 2, 2), 0.5, 0.9, choice_intensities=50.0)
    ends = learner.ensemble(learner.random_points(4, rng=0), Tmax=1_000_000)
    assert np.isfinite(ends.X).all() and (ends.length == 1_000_000).all()
    np.testing.assert_allclose(ends.X.sum(-1), 1.0)


@pytest.mark.parametrize("beta", [1e4, 1e150])
def test_extreme_intensities_saturate(beta: float) -> None:
    learner = StrategyDynamics(random_game(2, 2, 2, 2), 0.5, 0.9, beta, forgetting=1.0)
    points, _ = learner.trajectory(learner.random_points(1, rng=0)[0], Tmax=1000)
    assert np.isfinite(points).all()


def test_tiny_probabilities_are_kept() -> None:
    env = SimpleNamespace(T=np.ones((1, 2, 2, 1)), R=np.zeros((2, 1, 2, 2, 1)))
    env.R[:, 0, 0] = 1.0
    learner = StrategyActorCritic(env, 0.1, 0.0)
    X = np.array([[[1e-300, 1 - 1e-300]], [[0.5, 0.5]]])
    step, _ = learner.step(X)
    np.testing.assert_allclose(step[0, 0, 0], 1e-300 * np.exp(0.1), rtol=1e-12)


def test_absent_actions_stay_absent() -> None:
    env = random_game(4, 2, 3, 2)
    available = np.ones((2, 2, 3), bool)
    available[0, 1, 2] = False
    game = SimpleNamespace(T=env.T, R=env.R, available=available)
    for optimism in (0.0, 1.0):
        learner = StrategyDynamics(game, 0.1, 0.9, 3.0, forgetting=1.0, optimism=optimism)
        X = learner.random_points(4, rng=0)
        assert (X[:, 0, 1, 2] == 0).all() and learner.zero_intelligence_strategy()[0, 1].tolist() == [
            0.5,
            0.5,
            0,
        ]
        assert (learner.step(X)[0][:, 0, 1, 2] == 0).all()
    rewards = (
        env.R.copy()
    )  # what an absent action would pay must not matter, neither directly nor in a maximum
    rewards[:, 1, 2] += 100.0
    other = StrategyDynamics(SimpleNamespace(T=env.T, R=rewards, available=available), 0.1, 0.9, 3.0,
                             forgetting=1.0, optimism=1.0)  # fmt: skip
    ordinary = StrategyDynamics(game, 0.1, 0.9, 3.0, forgetting=1.0, optimism=1.0)
    np.testing.assert_allclose(other.step(X)[0], ordinary.step(X)[0], rtol=1e-12)
