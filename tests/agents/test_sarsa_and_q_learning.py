"""SARSA and Q-learning: brute force, closed forms, limits, and published runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import StrategyActorCritic, StrategyQLearning, StrategySARSA
from pycrld_econ.environments import TwoStateMatchingPennies, TwoStatePD, from_bimatrix, random_game
from reference_impl import averages

seeds = st.integers(0, 2**31 - 1)
sizes = st.sampled_from([(1, 3, 2), (2, 2, 1), (2, 2, 3), (2, 3, 2), (3, 2, 2)])


def drawn(size: tuple[int, int, int], seed: int) -> tuple[object, dict[str, np.ndarray], np.ndarray]:
    N, M, Z = size
    rng = np.random.default_rng(seed)
    names = ("learning_rates", "discount_factors", "choice_intensities")
    numbers = [rng.uniform(0.01, 0.5, N), rng.uniform(0, 0.9, N), rng.uniform(0.5, 5, N)]
    return (
        random_game(N, M, Z, rng=seed),
        dict(zip(names, numbers, strict=True)),
        rng.dirichlet(np.ones(M), (N, Z)),
    )


def expected_step(X: np.ndarray, target: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    alpha, beta = (parameters[name][:, None, None] for name in ("learning_rates", "choice_intensities"))
    weights = X * np.exp(alpha * (beta * target - np.log(X)))
    return weights / weights.sum(-1, keepdims=True)


@given(sizes, seeds)
def test_sarsa_equals_brute_force(size: tuple[int, int, int], seed: int) -> None:
    env, parameters, X = drawn(size, seed)
    learner = StrategySARSA(env, **parameters)
    Q = averages.Qisa(env.T, env.R, X, learner.gamma, learner.pre)
    np.testing.assert_allclose(learner.step(X)[0], expected_step(X, Q, parameters), rtol=1e-9)


@given(sizes, seeds, st.sampled_from(["own_action", "policy_average"]))
def test_q_learning_equals_brute_force(size: tuple[int, int, int], seed: int, continuation: str) -> None:
    env, parameters, X = drawn(size, seed)
    learner = StrategyQLearning(env, **parameters, use_prefactor=True, q_continuation=continuation)
    gamma, pre = learner.gamma[:, None, None], learner.pre[:, None, None]
    chain, rewards = averages.Tisas(env.T, X), averages.Risa(env.T, env.R, X)
    V = averages.Vis(env.T, env.R, X, learner.gamma, learner.pre)
    Q = averages.Qisa(env.T, env.R, X, learner.gamma, learner.pre)
    if continuation == "policy_average":
        ahead = np.einsum("sy,iy->is", averages.Tss(env.T, X), V)
        Q = pre * rewards + gamma * ahead[:, :, None]
    target = pre * rewards + gamma * np.einsum("isay,iy->isa", chain, Q.max(-1))
    np.testing.assert_allclose(learner.step(X)[0], expected_step(X, target, parameters), rtol=1e-9)


@given(seeds)
def test_q_learning_with_one_state_is_sarsa(seed: int) -> None:
    env, parameters, X = drawn((3, 3, 1), seed)
    steps = [kind(env, **parameters).step(X)[0] for kind in (StrategyQLearning, StrategySARSA)]
    np.testing.assert_allclose(*steps, rtol=1e-9)


@given(sizes, seeds)
def test_fast_choice_and_slow_learning_turn_sarsa_into_actor_critic(
    size: tuple[int, int, int], seed: int
) -> None:
    env, parameters, X = drawn(size, seed)
    distances = []
    for alpha in (1e-4, 1e-5):
        fast = {**parameters, "learning_rates": alpha, "choice_intensities": 0.1 / alpha}
        steps = [kind(env, **fast).step(X)[0] for kind in (StrategySARSA, StrategyActorCritic)]
        distances.append(np.abs(steps[0] - steps[1]).max())
    assert 9 < distances[0] / distances[1] < 11


@given(sizes, seeds)
def test_slow_learning_is_the_flow(size: tuple[int, int, int], seed: int) -> None:
    env, parameters, X = drawn(size, seed)
    beta = parameters["choice_intensities"][:, None, None]
    for kind, entropy in ((StrategyActorCritic, 0.0), (StrategySARSA, 1.0)):
        learner = kind(env, **parameters)
        pull = beta * learner.Qisa(X) - entropy * np.log(X)
        flow = X * (pull - (X * pull).sum(-1, keepdims=True))
        errors = []
        for alpha in (1e-4, 1e-5):
            slow = learner.with_parameters(learning_rates=alpha)
            errors.append(np.abs((slow.step(X)[0] - X) / alpha - flow).max())
        assert errors[1] < 1e-2 * np.abs(flow).max() and 8 < errors[0] / errors[1] < 12


@given(st.tuples(*[st.floats(-3, 3)] * 4), st.floats(0.01, 0.9), st.floats(0.1, 5), st.floats(0, 0.95))
def test_logits_of_a_symmetric_game(
    payoffs: tuple[float, float, float, float], alpha: float, beta: float, gamma: float
) -> None:
    R, S, T, P = payoffs
    env = from_bimatrix([[R, S], [T, P]], [[R, T], [S, P]])
    x = np.array([0.3, 0.8])
    X, logit = np.stack([x, 1 - x], axis=-1)[:, None], np.log(x / (1 - x))
    gain = alpha * beta * (1 - gamma) * ((R - S - T + P) * x[::-1] + S - P)
    for kind, keep in (
        (StrategyActorCritic, 1.0),
        (StrategySARSA, 1 - alpha),
        (StrategyQLearning, 1 - alpha),
    ):
        step = kind(env, alpha, gamma, beta, use_prefactor=True).step(X)[0][:, 0]
        np.testing.assert_allclose(
            np.log(step[:, 0] / step[:, 1]), keep * logit + gain, rtol=1e-9, atol=1e-11
        )


PD2 = {"discount_factors": 0.45, "choice_intensities": 5.0, "use_prefactor": True}
STARTS = {"x": [[0.025, 0.7], [0.95, 0.3]], "y": [[0.6, 0.4], [0.4, 0.6]]}


@pytest.mark.parametrize(
    ("start", "alpha", "kind", "options", "length", "end"),
    [
        ("x", 0.02, StrategyQLearning, {"q_continuation": "policy_average"}, 682, [0, 0.8528, 0.5395, 0]),
        ("x", 0.02, StrategyQLearning, {}, 539, [0, 0.9795, 0.8399, 0.0001]),
        ("x", 0.02, StrategySARSA, {}, 500, [0, 0.9811, 0.8532, 0.0001]),
        ("x", 0.02, StrategyActorCritic, {}, 249, [0, 1, 1, 0]),
        (
            "y",
            0.02,
            StrategyQLearning,
            {"q_continuation": "policy_average"},
            1072,
            [0.02, 0.001, 0.0006, 0.2442],
        ),
        ("y", 0.02, StrategyQLearning, {}, 863, [0.8399, 0.0001, 0, 0.9795]),
        ("y", 0.02, StrategySARSA, {}, 763, [0.8532, 0.0001, 0, 0.9811]),
        ("y", 0.02, StrategyActorCritic, {}, 463, [0, 0, 0, 0]),
        ("x", 0.8, StrategyQLearning, {}, 24, [0, 0.9795, 0.8399, 0.0001]),
        ("x", 0.8, StrategySARSA, {}, 19, [0, 0.9811, 0.8532, 0.0001]),
        (
            "y",
            0.8,
            StrategyQLearning,
            {"q_continuation": "policy_average"},
            41,
            [0.02, 0.001, 0.0006, 0.2442],
        ),
        ("y", 0.8, StrategyQLearning, {}, 48, [0.8399, 0.0001, 0, 0.9795]),
        ("y", 0.8, StrategySARSA, {}, 38, [0.8532, 0.0001, 0, 0.9811]),
    ],
)
def test_published_two_state_dilemma(
    start: str, alpha: float, kind: type, options: dict[str, str], length: int, end: list[float]
) -> None:
    cooperation = np.array(STARTS[start])
    learner = kind(TwoStatePD(), alpha, **PD2, **options)
    points, reached = learner.trajectory(
        np.stack([cooperation, 1 - cooperation], -1), Tmax=3000, tolerance=1e-6
    )
    assert reached and abs(len(points) - length) <= 1
    np.testing.assert_allclose(points[-1, ..., 0].ravel(), end, atol=1.5e-4)


@pytest.mark.parametrize(
    ("kind", "options", "length"),
    [(StrategyQLearning, {"q_continuation": "policy_average"}, 609), (StrategySARSA, {}, 610)],
)
def test_published_matching_pennies(kind: type, options: dict[str, str], length: int) -> None:
    x = np.array([[0.01, 0.3], [0.99, 0.4]])
    learner = kind(TwoStateMatchingPennies(), 0.02, 0.1, 5.0, use_prefactor=True, **options)
    points, reached = learner.trajectory(np.stack([x, 1 - x], -1), Tmax=2000, tolerance=1e-6)
    assert reached and abs(len(points) - length) <= 1
    np.testing.assert_allclose(points[-1], 0.5, atol=1e-4)


@pytest.mark.parametrize(("gamma", "length"), [(0.1, 28), (0.9, 724)])
def test_rounding_freezes_actor_critics_on_a_corner(gamma: float, length: int) -> None:
    x = np.array([[0.01, 0.3], [0.99, 0.4]])
    start = np.stack([x, 1 - x], -1)
    env = TwoStateMatchingPennies()
    frozen = StrategyActorCritic(env, 0.8, gamma, 5.0, use_prefactor=True, rounding=9)
    points, reached = frozen.trajectory(start, Tmax=2000, tolerance=1e-6)
    assert reached and abs(len(points) - length) <= 1 and np.isin(points[-1].round(5), [0, 1]).all()
    free = StrategyActorCritic(env, 0.8, gamma, 5.0, use_prefactor=True)
    onwards, _ = free.trajectory(start, Tmax=5000)
    assert np.abs(onwards[length:] - onwards[length]).max() > 0.9  # leaves the corner, which repels


def test_zero_probability_is_a_limit() -> None:
    env, parameters, X = drawn((2, 3, 2), 0)
    for kind in (StrategySARSA, StrategyQLearning):
        learner = kind(env, **parameters)
        near, pure = X.copy(), X.copy()
        near[0, 0], pure[0, 0] = [1e-290, 0.4, 0.6], [0.0, 0.4, 0.6]
        np.testing.assert_allclose(learner.step(near)[0], learner.step(pure)[0], atol=1e-12)
        assert learner.step(pure)[0][0, 0, 0] == 0.0


def test_bad_options_are_named() -> None:
    env = TwoStatePD()
    with pytest.raises(
        ValueError, match="q_continuation must be one of own_action, policy_average, got 'best'"
    ):
        StrategyQLearning(env, 0.1, 0.9, q_continuation="best")
    with pytest.raises(ValueError, match="rounding must be a whole number from 0 to 15 or None, got 1.5"):
        StrategySARSA(env, 0.1, 0.9, rounding=1.5)
    with pytest.raises(ValueError, match=r"learning_rates must lie in \[0, 1\), got 1: agent 1 forgets"):
        StrategySARSA(env, [0.5, 1.0], 0.9)
