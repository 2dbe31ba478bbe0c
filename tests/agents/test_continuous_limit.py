"""Flows of slow learners: conserved quantities, agreement of integrators, faces, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from pycrld_econ.agents import (
    FAQ,
    ContinuousLimit,
    POStrategyActorCritic,
    StrategyActorCritic,
    StrategySARSA,
    ValueSARSA,
    multiagent_softmax_strategy,
    replicator,
)
from pycrld_econ.environments import SocialDilemma, from_bimatrix, random_game

seeds = st.integers(0, 2**31 - 1)
PENNIES = from_bimatrix([[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]])


def both(x: float, y: float) -> np.ndarray:
    return np.array([[[x, 1 - x]], [[y, 1 - y]]])


@given(seeds)
def test_the_field_is_the_classical_formula(seed: int) -> None:
    env = random_game(N=2, M=3, Z=2, rng=seed)
    X = replicator(env).random_points(3, rng=seed)
    Q = 2.0 * replicator(env, 0.7, 2.0).dynamics.Qisa(X)
    advantage = Q - (X * Q).sum(-1, keepdims=True)
    np.testing.assert_allclose(replicator(env, 0.7, 2.0).vector_field(X), X * advantage, atol=1e-10)
    entropic = X * (advantage - np.log(X) + (X * np.log(X)).sum(-1, keepdims=True))
    np.testing.assert_allclose(FAQ(env, 0.7, 2.0).vector_field(X), entropic, atol=1e-10)


def test_matching_pennies_go_round() -> None:
    flow = replicator(PENNIES)
    points = flow.flow(both(0.8, 0.4), np.linspace(0, 200 * np.pi, 301))
    constant = points[:, :, 0].prod((1, 2))
    np.testing.assert_allclose(constant, constant[0], rtol=1e-8)
    period = flow.flow(both(0.5 + 1e-4, 0.5), [0, 2 * np.pi])
    np.testing.assert_allclose(period[1], period[0], atol=1e-8)


def test_integrators_agree() -> None:
    env = random_game(N=3, M=2, Z=2, rng=1)
    for make in (replicator, FAQ):
        flow = make(env, 0.8, 2.0, time_step=0.01)
        start = flow.random_points(1, rng=0)[0]
        end = flow.flow(start, [1.0])[-1]
        steps, _ = flow.trajectory(start, Tmax=101)
        np.testing.assert_allclose(steps[-1], end, atol=1e-8)
        scipy = solve_ivp(flow, (0, 1), start.ravel(), rtol=1e-10, atol=1e-12).y[:, -1]
        np.testing.assert_allclose(scipy, end.ravel(), atol=1e-8)


def test_steps_can_be_taken_back() -> None:
    flow = FAQ(random_game(N=2, M=2, Z=2, rng=2), 0.8, 2.0, time_step=0.01)
    X = flow.random_points(3, rng=0)
    np.testing.assert_allclose(flow.reverse_step(flow.step(X)[0])[0], X, atol=1e-9)


def test_learners_converge_to_it() -> None:
    env = random_game(N=2, M=2, Z=2, rng=3)
    start = replicator(env).random_points(1, rng=0)[0]
    rates = np.array([1.0, 0.5])
    for kind in (StrategyActorCritic, StrategySARSA):
        end = ContinuousLimit(kind(env, 0.5 * rates, 0.8, 2.0)).flow(start, [1.0])[-1]
        errors = []
        for alpha in (0.01, 0.005):
            points, _ = kind(env, alpha * rates, 0.8, 2.0).trajectory(start, Tmax=round(1 / alpha) + 1)
            errors.append(np.abs(points[-1] - end).max())
        assert errors[1] < 0.02 and 1.8 < errors[0] / errors[1] < 2.2


def test_faces_are_invariant() -> None:
    for make in (replicator, FAQ):
        flow = make(random_game(N=2, M=3, Z=1, rng=4), 0.5)
        X = flow.random_points(1, rng=0)[0]
        X[0, 0] = [0.0, 0.3, 0.7]
        assert flow.vector_field(X)[0, 0, 0] == 0 and np.isfinite(flow.vector_field(X)).all()
        assert flow.step(X)[0][0, 0, 0] == 0 and (flow.flow(X, [0.0, 2.0])[:, 0, 0, 0] == 0).all()


def test_those_who_do_not_learn_stand_still() -> None:
    env = random_game(N=2, M=2, Z=1, rng=5)
    flow = ContinuousLimit(StrategyActorCritic(env, [0.2, 0.0], 0.5))
    X = flow.random_points(1, rng=0)[0]
    assert (flow.vector_field(X)[1] == 0).all() and (flow.vector_field(X)[0] != 0).all()
    assert (ContinuousLimit(StrategyActorCritic(env, 0.0, 0.5)).vector_field(X) == 0).all()


def test_trajectories_stop_at_rest() -> None:
    flow = FAQ(SocialDilemma(R=3, T=5, S=0, P=1), choice_intensities=1.0, time_step=0.05)
    points, at_rest = flow.trajectory(flow.random_points(1, rng=0)[0], Tmax=5000, tolerance=1e-6)
    assert at_rest and len(points) < 5000 and np.linalg.norm(flow.step(points[-1])[0] - points[-1]) < 1e-6
    assert flow.trajectory(points[0], Tmax=0)[0].shape == (0, 2, 1, 2)


def test_observers_have_limits_too() -> None:
    env = random_game(N=2, M=2, Z=3, Q=2, rng=6)
    flow = ContinuousLimit(POStrategyActorCritic(env, 0.1, 0.5))
    X = flow.random_points(2, rng=0)
    slow = POStrategyActorCritic(env, 1e-6, 0.5)
    np.testing.assert_allclose((slow.step(X)[0] - X) / 1e-6, flow.vector_field(X), atol=1e-4)


def test_bad_arguments_are_named() -> None:
    env = SocialDilemma(R=3, T=5, S=0, P=1)
    with pytest.raises(TypeError, match="dynamics must be a strategy learner, got ValueSARSA"):
        ContinuousLimit(ValueSARSA(env, 0.1, 0.5, multiagent_softmax_strategy(1.0, 2)))
    with pytest.raises(ValueError, match="time_step must be > 0, got 0"):
        replicator(env, time_step=0)
    with pytest.raises(ValueError, match="times must increase from 0"):
        replicator(env).flow(both(0.5, 0.5), [1.0, 0.5])
    with pytest.raises(ValueError, match="Xinit must be one point"):
        replicator(env).flow(both(0.5, 0.5)[None], [1.0])
