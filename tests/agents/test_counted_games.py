"""Games in which agents count each other: equal to their tensors, symmetric, accurate and quick for a hundred."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import MixedPopulation, StrategyActorCritic, StrategyQLearning, StrategySARSA
from pycrld_econ.environments import (
    EcologicalPublicGood,
    ExchangeableEcologicalPublicGood,
    ExchangeableGame,
    ExchangeablePublicGood,
    PublicGood,
)

seeds = st.integers(0, 2**31 - 1)


def drawn(seed: int, N: int, Z: int) -> ExchangeableGame:
    rng = np.random.default_rng(seed)
    R, T = rng.normal(size=(Z, 2, N, Z)), rng.dirichlet(np.ones(Z), (Z, N + 1))
    return ExchangeableGame(N, R, T, F=(rng.random(Z) < 0.2).astype(int))


@given(seeds, st.integers(1, 6), st.integers(1, 3))
def test_counting_equals_enumerating(seed: int, N: int, Z: int) -> None:
    env, rng = drawn(seed, N, Z), np.random.default_rng(seed)
    rates = (rng.uniform(0, 0.5, N), rng.uniform(0, 0.9, N), rng.uniform(0, 3, N))
    for kind in (StrategyActorCritic, StrategySARSA, StrategyQLearning):
        counting, enumerating = kind(env, *rates), kind(env.to_tensor_game(), *rates)
        X = counting.random_points(2, rng=seed)
        X[0, 0, 0] = [1.0, 0.0]
        for name in ("Tisas", "Risa", "Tss", "Ris", "Vis", "Qisa", "NextQisa", "Ps"):
            one, other = getattr(counting, name)(X), getattr(enumerating, name)(X)
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(counting.step(X)[0], enumerating.step(X)[0], rtol=1e-9, atol=1e-300)


def test_named_games_equal_their_tensors() -> None:
    pairs = [
        (ExchangeablePublicGood(4, 2.0, 3.0), PublicGood(4, 2.0, 3.0)),
        (
            ExchangeableEcologicalPublicGood(4, 1.2, 5.0, -5.0, 0.2, 0.1),
            EcologicalPublicGood(N=4, f=1.2, c=5.0, m=-5.0, qc=0.2, qr=0.1),
        ),
    ]
    for counted, tensors in pairs:
        X = StrategyActorCritic(counted, 0.1, 0.8).random_points(3, rng=0)
        steps = [StrategySARSA(env, 0.1, 0.8, 2.0).step(X)[0] for env in (counted, tensors)]
        np.testing.assert_allclose(*steps, rtol=1e-12)


@given(seeds)
def test_who_is_who_does_not_matter(seed: int) -> None:
    env, order = drawn(seed, 20, 2), np.random.default_rng(seed).permutation(20)
    learner = StrategyActorCritic(env, np.linspace(0.1, 0.3, 20), 0.8)
    X = learner.random_points(1, rng=seed)[0]
    other = learner.with_parameters(learning_rates=learner.alpha[order])
    np.testing.assert_allclose(other.step(X[order])[0], learner.step(X)[0][order], rtol=1e-9)


@pytest.mark.parametrize("edge", [0.5, 1e-12, 1e-300, 0.0])
def test_a_hundred_agents_are_averaged_accurately(edge: float) -> None:
    env = ExchangeableEcologicalPublicGood(100, 1.2, 5.0, -500.0, 0.02, 1e-4)
    learner = StrategyActorCritic(env, 0.1, 0.9)
    X = learner.random_points(1, rng=0)[0]
    X[::3, :, 0], X[::3, :, 1] = edge, 1 - edge
    X[1::3, :, 0], X[1::3, :, 1] = 1 - edge, edge
    np.testing.assert_allclose(learner.Tisas(X).sum(-1), 1.0, rtol=1e-13)
    givers = X[:, 1, 0].sum() - X[:, 1, 0]
    collapse = 0.02 * (1 - (givers[:, None] + [1, 0]) / 100)
    np.testing.assert_allclose(learner.Tisas(X)[:, 1, :, 0], collapse, rtol=1e-12)


def test_a_hundred_agents_are_quick() -> None:
    env = ExchangeableEcologicalPublicGood(100, 1.2, 5.0, -500.0, 0.02, 1e-4)
    learner = StrategyActorCritic(env, 0.1, 0.9)
    start = learner.random_points(1, rng=0)[0]
    learner.trajectory(start, Tmax=100)  # compiles
    begin = time.process_time()
    points, _ = learner.trajectory(start, Tmax=1000)
    assert len(points) == 1000 and time.process_time() - begin < 1.0


def test_counted_populations_can_be_mixed() -> None:
    env = ExchangeablePublicGood(30, 3.0)
    giver = np.array([[1.0, 0.0]])
    mixed = MixedPopulation(env, [giver] * 10 + [StrategySARSA] * 20, 0.5, 0.0, 2.0)
    points, at_rest = mixed.trajectory(mixed.random_softmax_strategy(rng=0), Tmax=500, tolerance=1e-10)
    assert at_rest and (points[-1, :10, 0, 0] == 1).all()
    np.testing.assert_allclose(points[-1, 10:, 0, 0], 1 / (1 + np.exp(2.0 * (1 - 0.1))), rtol=1e-6)


def test_tensors_are_not_asked_for() -> None:
    learner = StrategyActorCritic(ExchangeablePublicGood(50, 3.0), 0.1, 0.0)
    with pytest.raises(AttributeError, match="a game that counts agents has no T"):
        _ = learner.T
    games = [ExchangeablePublicGood(3, 2.0).to_tensor_game()]
    small = StrategyActorCritic(ExchangeablePublicGood(3, 2.0), 0.1, 0.0)
    with pytest.raises(ValueError, match="games must all be tensors or all count agents"):
        small.ensemble(2, games=games)
