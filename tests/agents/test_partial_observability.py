"""Learners that see observations: brute force, perfect eyes, both closures, starts, published rewards, errors."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import (
    POStrategyActorCritic,
    POStrategyDynamics,
    POStrategyQLearning,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
)
from pycrld_econ.environments import (
    ExchangeablePublicGood,
    TwoStateCoordination,
    UncertainSocialDilemma,
    alias_observation,
    noisy_observation,
    random_game,
    with_observation,
)
from reference_impl import averages

seeds = st.integers(0, 2**31 - 1)
sizes = st.sampled_from([(1, 3, 2, 2), (2, 2, 3, 2), (2, 3, 2, 3), (3, 2, 2, 2)])
closures = st.sampled_from(["mean_field", "conditional"])
KINDS = {
    StrategyActorCritic: POStrategyActorCritic,
    StrategySARSA: POStrategySARSA,
    StrategyQLearning: POStrategyQLearning,
}


def drawn(size: tuple[int, int, int, int], seed: int) -> tuple[Any, dict[str, np.ndarray], np.ndarray]:
    N, M, Z, Q = size
    rng = np.random.default_rng(seed)
    names = ("learning_rates", "discount_factors", "choice_intensities")
    numbers = [rng.uniform(0.01, 0.5, N), rng.uniform(0, 0.9, N), rng.uniform(0.5, 5, N)]
    env, X = random_game(N, M, Z, Q, rng=seed), rng.dirichlet(np.ones(M), (N, Q))
    return env, dict(zip(names, numbers, strict=True)), X


@given(sizes, seeds, closures)
def test_averages_equal_brute_force(size: tuple[int, int, int, int], seed: int, closure: str) -> None:
    env, parameters, X = drawn(size, seed)
    learner = POStrategyActorCritic(env, **parameters, use_prefactor=True, closure=closure)
    tensors, game = (env.T, env.O, X), (env.T, env.R, env.O, X)
    values = (*game, learner.gamma, learner.pre, closure)
    expected = {
        "Xisa": averages.Xisa(env.O, X),
        "Bios": averages.Bios(*tensors),
        "Tioao": averages.Tioao(*tensors),
        "Tioo": averages.Tioo(*tensors, closure),
        "Rioa": averages.Rioa(*game),
        "Qioa": averages.Qioa(*values),
        "Ps": averages.Ps(env.T, averages.Xisa(env.O, X)),
    }
    for name, array in expected.items():
        np.testing.assert_allclose(getattr(learner, name)(X), array, rtol=1e-8, atol=1e-10, err_msg=name)
    own = learner.Vio(X, learner.Rio(X, learner.Rioa(X)))
    np.testing.assert_allclose(own, averages.Vio(*values), rtol=1e-8, atol=1e-10)


@given(sizes, seeds, closures)
def test_drives_equal_brute_force(size: tuple[int, int, int, int], seed: int, closure: str) -> None:
    env, parameters, X = drawn(size, seed)
    alpha, beta = (parameters[name][:, None, None] for name in ("learning_rates", "choice_intensities"))
    gamma, pre = parameters["discount_factors"], np.ones(len(X))
    values = (env.T, env.R, env.O, X, gamma, pre, closure)
    V, Q = averages.Vio(*values), averages.Qioa(*values)
    rewards, chain = averages.Rioa(env.T, env.R, env.O, X), averages.Tioao(env.T, env.O, X)
    for kind, following in (
        (POStrategyActorCritic, V),
        (POStrategySARSA, (X * Q).sum(-1)),
        (POStrategyQLearning, Q.max(-1)),
    ):
        learner = kind(env, **parameters, closure=closure)
        ahead = np.einsum("ioap,ip->ioa", chain, following)
        target = rewards + gamma[:, None, None] * ahead
        drive = beta * (target - V[..., None]) if kind is POStrategyActorCritic else beta * target - np.log(X)
        weights = X * np.exp(alpha * drive)
        step, found = learner.step(X)
        np.testing.assert_allclose(found, drive, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(step, weights / weights.sum(-1, keepdims=True), rtol=1e-8)
        np.testing.assert_allclose(learner.NextQioa(X), ahead, rtol=1e-8, atol=1e-10)


@given(st.sampled_from([(1, 3, 2), (2, 2, 3), (3, 2, 2)]), seeds, closures)
def test_perfect_eyes_see_states(size: tuple[int, int, int], seed: int, closure: str) -> None:
    N, M, Z = size
    env, parameters, X = drawn((N, M, Z, Z), seed)
    seen = SimpleNamespace(T=env.T, R=env.R)
    for kind, observing in KINDS.items():
        full, partial = kind(seen, **parameters), observing(seen, **parameters, closure=closure)
        np.testing.assert_allclose(partial.step(X)[0], full.step(X)[0], rtol=1e-9)
        for name, other in (
            ("Qioa", "Qisa"),
            ("Vio", "Vis"),
            ("Rioa", "Risa"),
            ("Tioao", "Tisas"),
            ("Ri", "Ri"),
        ):
            found, expected = getattr(partial, name)(X), getattr(full, other)(X)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@given(sizes, seeds)
def test_what_is_stationary(size: tuple[int, int, int, int], seed: int) -> None:
    env, parameters, X = drawn(size, seed)
    for closure in ("mean_field", "conditional"):
        learner = POStrategySARSA(env, **parameters, closure=closure)
        visits = learner.obsdist(X)
        np.testing.assert_allclose(
            np.einsum("io,iop->ip", visits, learner.Tioo(X)), visits, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose((visits * learner.Rio(X)).sum(-1), learner.Ri(X), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(learner.Bios(X).sum(-1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(learner.Tioo(X).sum(-1), 1.0, rtol=1e-12)


@given(seeds)
def test_conditional_values_are_averages_of_action_values(seed: int) -> None:
    env, parameters, X = drawn((2, 2, 3, 2), seed)
    learner = POStrategyActorCritic(env, **parameters, closure="conditional")
    np.testing.assert_allclose((X * learner.Qioa(X)).sum(-1), learner.Vio(X), rtol=1e-9, atol=1e-11)


@given(seeds)
def test_closures_agree_where_they_should(seed: int) -> None:
    rng = np.random.default_rng(seed)
    env, parameters, X = drawn((2, 2, 3, 2), seed)
    aliased = with_observation(env, alias_observation([[0, 2], [1]]))
    ignoring = np.broadcast_to(rng.dirichlet(np.ones(3), 3)[:, None, None], env.T.shape)
    fate = SimpleNamespace(T=ignoring, R=env.R, O=env.O)
    for game in (aliased, fate):
        for kind in KINDS.values():
            steps = [
                kind(game, **parameters, closure=closure).step(X)[0]
                for closure in ("mean_field", "conditional")
            ]
            np.testing.assert_allclose(*steps, rtol=1e-9)


def test_closures_differ_elsewhere() -> None:
    """By how much depends on the game; near pure strategies it is next to nothing."""
    env, parameters, X = drawn((2, 2, 3, 2), 7)
    mean_field, conditional = (
        POStrategyActorCritic(env, **parameters, closure=c).step(X)[0] for c in ("mean_field", "conditional")
    )
    assert np.abs(mean_field - conditional).max() > 1e-5


def test_the_start_decides_where_the_long_run_does() -> None:
    env = random_game(1, 2, 2, rng=0)
    T = np.zeros_like(env.T)
    T[[0, 1], :, [0, 1]] = 1.0  # nothing ever changes
    game = SimpleNamespace(T=T, R=env.R, O=np.full((1, 2, 1), 1.0))
    for start, belief in (([1, 0], [1, 0]), ([0.25, 0.75], [0.25, 0.75]), (None, [0.5, 0.5])):
        learner = POStrategyActorCritic(game, 0.1, 0.9, start=start)
        X = learner.zero_intelligence_policy()
        np.testing.assert_allclose(learner.Bios(X)[0, 0], belief)
        np.testing.assert_allclose(learner.Ps(X), belief)
    np.testing.assert_allclose(learner.Ps(X, start=[0.1, 0.9]), [0.1, 0.9])


def test_what_is_never_seen_is_not_believed() -> None:
    env = random_game(2, 2, 2, rng=1)
    O = np.zeros((2, 2, 3))  # noqa: E741
    O[:, [0, 1], [0, 1]] = 1.0
    learner = POStrategyActorCritic(SimpleNamespace(T=env.T, R=env.R, O=O), 0.3, 0.9)
    X = learner.random_softmax_policy(rng=0)
    assert (learner.Bios(X)[:, 2] == 0).all() and (learner.Qioa(X)[:, 2] == 0).all()
    np.testing.assert_allclose(learner.step(X)[0][:, 2], X[:, 2], rtol=1e-15)


def test_points_are_about_observations() -> None:
    learner = POStrategyActorCritic(random_game(2, 2, 3, 2, rng=2), 0.1, 0.9)
    assert learner.point_shape == learner.random_softmax_strategy(rng=0).shape == (2, 2, 2)
    assert np.array_equal(learner.random_softmax_policy(rng=0), learner.random_softmax_strategy(rng=0))
    assert (learner.zero_intelligence_policy() == 0.5).all()
    assert "jPOStrategyActorCritic_PartObs_[0.1 0.1]" in learner.id()


def test_actions_must_exist_in_all_states_that_look_alike() -> None:
    env = random_game(1, 3, 2, rng=3)
    available = np.array([[[True, True, False], [True, False, True]]])
    game = SimpleNamespace(T=env.T, R=env.R, O=np.ones((1, 2, 1)), available=available)
    learner = POStrategySARSA(game, 0.1, 0.9)
    assert learner.zero_intelligence_strategy().tolist() == [[[1.0, 0.0, 0.0]]]
    game.available = np.array([[[True, False, False], [False, True, True]]])
    with pytest.raises(
        ValueError, match="agent 0 has no action that exists in all states in which it can make obs"
    ):
        POStrategySARSA(game, 0.1, 0.9)
    game.O = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    assert POStrategySARSA(game, 0.1, 0.9).available.tolist() == game.available.tolist()


@pytest.mark.parametrize(("noise", "reward"), [(0.0, 1.0), (0.25, 0.5)])
def test_published_two_state_coordination(noise: float, reward: float) -> None:
    env = with_observation(TwoStateCoordination(), noisy_observation(2, 1 - noise))
    learner = POStrategyActorCritic(env, 0.01, 0.9, choice_intensities=400.0)
    ends = learner.ensemble(50, Tmax=1000, tolerance=1e-5, rng=0)
    assert ends.converged.all()
    np.testing.assert_allclose(learner.Ri(ends.X)[:, 0], reward, atol=1e-3)


@pytest.mark.parametrize(
    ("noise", "agents", "share"),
    [(0.1, (2.32, 2.32), 0.85), (0.2, (2.18, 2.18), 0.77), ([0.2, 0.0], (2.5, 2.1), 0.87)],
)
def test_published_uncertain_dilemma(noise: Any, agents: tuple[float, float], share: float) -> None:
    env = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.5, noise)
    learner = POStrategyActorCritic(env, 0.01, 0.5, choice_intensities=100.0)
    ends = learner.ensemble(200, Tmax=10_000, tolerance=1e-5, rng=0)
    reached = np.isclose(learner.Ri(ends.X), agents, atol=0.02).all(-1) | np.isclose(
        learner.Ri(ends.X), agents[::-1], atol=0.02
    ).all(-1)
    assert abs(reached.mean() - share) < 0.12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"closure": "open"}, "closure must be one of mean_field, conditional, got 'open'"),
        ({"start": [1.0]}, r"start must have shape \(2,\), got \(1,\)"),
        ({"start": [0.7, 0.7]}, "start must hold probability distributions"),
        ({"expecting": -1.0}, r"expecting must lie in \[0, 1\], got -1"),
        ({"forgetting": 1.0, "learning_rates": 1.0}, r"learning_rates must lie in \[0, 1\), got 1"),
    ],
)
def test_bad_observers_are_named(changes: dict[str, Any], message: str) -> None:
    fine = {"env": random_game(2, 2, 2, rng=0), "learning_rates": 0.1, "discount_factors": 0.5}
    with pytest.raises(ValueError, match=message):
        POStrategyDynamics(**fine | changes)


def test_games_without_a_long_run_are_refused() -> None:
    env = random_game(2, 2, 2, rng=0)
    with pytest.raises(ValueError, match=r"env has final states \(F\)"):
        POStrategyActorCritic(SimpleNamespace(T=env.T, R=env.R, F=[0, 1]), 0.1, 0.9)
    with pytest.raises(ValueError, match=r"env.to_tensor_game\(\)"):
        POStrategyActorCritic(ExchangeablePublicGood(3, 1.5), 0.1, 0.9)
