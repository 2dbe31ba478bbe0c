"""Fixed points and their classes: closed forms, equilibria, and what cannot be searched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import StrategyActorCritic, StrategyDynamics, StrategyQLearning, StrategySARSA
from pycrld_econ.agents.jacobian import jacobian, logit_jacobian
from pycrld_econ.analysis import FixedPointClass, fixed_points
from pycrld_econ.environments import (
    NormalForm,
    SocialDilemma,
    matching_pennies,
    random_bimatrix,
    random_game,
)

payoff = st.integers(-20, 20).map(lambda k: k / 10)


def cooperation(points: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(point[:, 0, 0].round(8)) for point in points]


@given(st.tuples(payoff, payoff, payoff, payoff))
def test_classes_of_two_by_two_games(game: tuple[float, float, float, float]) -> None:
    R, T, S, P = game
    eta, D = 0.2, R - S - T + P
    found = fixed_points(StrategyActorCritic(SocialDilemma(R=R, T=T, S=S, P=P), eta, 0.5))
    kinds = dict(zip(cooperation(found.points), found.classes, strict=True))

    def expected(*multipliers: float) -> str:
        if max(multipliers) > 1:
            return "source" if min(multipliers) > 1 else "saddle" if min(multipliers) < 1 else "source"
        return "sink" if max(multipliers) < 1 else "neutral"

    greed, fear = np.exp(eta * (T - R)), np.exp(eta * (S - P))
    assert kinds[1, 1] == expected(greed, greed) and kinds[0, 0] == expected(fear, fear)
    assert kinds[1, 0] == kinds[0, 1] == expected(1 / fear, 1 / greed)
    x = (P - S) / D if D != 0 else -1.0
    if 1e-6 < x < 1 - 1e-6:
        assert kinds[round(x, 8), round(x, 8)] == "saddle"
        saddle = next(point for point in found if abs(point.X[0, 0, 0] - x) < 1e-9 and not point.is_pure)
        moduli = 1 + eta * D * x * (1 - x) * np.array([-1, 1])
        np.testing.assert_allclose(np.sort(saddle.multipliers.real), np.sort(moduli), rtol=1e-9)


@given(st.integers(0, 10_000), st.sampled_from([(2, 2), (3, 3)]))
def test_no_agent_gains_on_the_support_and_steps_stand_still(seed: int, size: tuple[int, int]) -> None:
    learner = StrategyActorCritic(random_bimatrix(size[0], rng=seed), 0.1, 0.0)
    found = fixed_points(learner)
    assert len(found) >= size[0] * size[1]
    for point in found:
        assert point.residual < 1e-9
        drive = learner.step(point.X)[1]
        assert np.abs(drive[point.X > 0]).max() < 1e-9


@given(st.integers(0, 10_000))
def test_sinks_are_strict_equilibria(seed: int) -> None:
    learner = StrategyActorCritic(random_bimatrix(3, rng=seed), 0.05, 0.0)
    for point in fixed_points(learner):
        if point.kind == FixedPointClass.SINK:
            assert point.is_pure and (learner.step(point.X)[1][point.X == 0] < 0).all()


@given(st.integers(0, 10_000))
def test_forgetting_learners_rest_at_quantal_responses(seed: int) -> None:
    beta = 1.5
    learner = StrategySARSA(random_bimatrix(3, rng=seed), 0.2, 0.0, beta)
    found = fixed_points(learner)
    assert len(found) >= 1
    for X in found.points:
        weights = np.exp(beta * learner.Qisa(X))
        np.testing.assert_allclose(X, weights / weights.sum(-1, keepdims=True), rtol=1e-8)


def test_stability_tells_where_trajectories_go() -> None:
    learner = StrategyQLearning(random_game(N=2, M=2, Z=2, rng=5), 0.2, 0.8, 4.0)
    found = fixed_points(learner, starts=30)
    ends = learner.ensemble(50, Tmax=20_000, tolerance=1e-13, rng=0)
    sinks = np.array([point.X for point in found if point.kind == "sink"])
    for X in ends.X[ends.converged]:
        assert np.abs(sinks - X).max(axis=(1, 2, 3)).min() < 1e-8


def test_multipliers_agree_with_the_jacobian_in_strategies() -> None:
    learner = StrategySARSA(random_game(N=3, M=2, Z=1, rng=2), 0.3, 0.5, 2.0)
    (point, *_) = fixed_points(learner)
    full = jacobian(learner, point.X)
    tangent = (full[..., :-1] - full[..., -1:])[:, :, :-1].reshape(3, 3)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(tangent)), np.sort_complex(point.multipliers), rtol=1e-8
    )
    logits = logit_jacobian(learner, point.X).reshape(3, 3)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(logits)), np.sort_complex(point.multipliers))


def test_jacobians_take_batches() -> None:
    learner = StrategyActorCritic(random_game(N=2, M=3, Z=2, rng=2), 0.3, 0.5, 2.0)
    X = learner.random_points(6, rng=0).reshape(2, 3, *learner.point_shape)
    for function in (jacobian, logit_jacobian):
        batch = function(learner, X)
        np.testing.assert_allclose(batch[1, 2], function(learner, X[1, 2]), rtol=1e-12, atol=1e-15)


def test_indifference_is_reported() -> None:
    found = fixed_points(StrategyActorCritic(NormalForm(np.zeros((2, 2, 2))), 0.1, 0.0))
    assert not any(point.isolated for point in found) and "not isolated" in found.message
    assert set(found.classes) == {"neutral"}


def test_same_seed_same_points() -> None:
    learner = StrategyActorCritic(matching_pennies(), 0.1, 0.0)
    assert np.array_equal(fixed_points(learner, rng=3).points, fixed_points(learner, rng=3).points)


def test_what_cannot_be_searched() -> None:
    env = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
    learner = StrategyActorCritic(env, 0.1, 0.9)
    with pytest.raises(
        TypeError, match="a chart needs a dynamics, with step and coordinates, got SocialDilemma"
    ):
        fixed_points(env)
    with pytest.raises(ValueError, match="agent 1 never learns"):
        fixed_points(StrategyActorCritic(env, [0.1, 0.0], 0.9))
    with pytest.raises(ValueError, match="9 supports, more than max_supports = 5"):
        fixed_points(learner, max_supports=5)
    with pytest.raises(ValueError, match="starts must be >= 1"):
        fixed_points(learner, starts=0)
    with pytest.raises(ValueError, match="rounding must be None"):
        fixed_points(StrategyDynamics(env, 0.1, 0.9, rounding=9))
