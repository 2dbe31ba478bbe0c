"""Every closed form of the theory of these learners, at random numbers, against what the analysis computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import brentq

from pycrld_econ.agents import StrategyActorCritic, StrategyQLearning, StrategySARSA, replicator
from pycrld_econ.analysis import BifurcationKind, chart_of, continuation, fixed_points
from pycrld_econ.environments import (
    EcologicalPublicGood,
    RiskReward,
    SocialDilemma,
    TwoStateMatchingPennies,
    from_bimatrix,
    memory_one,
)

SEEDS = range(3)


def logistic(z: float) -> float:
    return float(1 / (1 + np.exp(-z)))


def pure(first_action: list[list[float]]) -> np.ndarray:
    p = np.asarray(first_action, dtype=float)
    return np.stack([p, 1 - p], -1)


def gains(learner: StrategyActorCritic, X: np.ndarray) -> np.ndarray:
    "What the action that is not played would gain, (N, Z)"
    return np.where(X == 0, learner.step(X)[1], 0.0).sum(-1)


# Games with one state and two actions


def interior_bimatrix(seed: int, zero_sum: bool) -> tuple[np.ndarray, np.ndarray, float, float]:
    "Payoffs with an interior equilibrium (x, y)"
    rng = np.random.default_rng(seed)
    while True:
        A, B = rng.normal(size=(2, 2, 2))
        B = -A if zero_sum else B
        D_A, D_B = (M[0, 0] - M[0, 1] - M[1, 0] + M[1, 1] for M in (A, B))
        y, x = (A[1, 1] - A[0, 1]) / D_A, (B[1, 1] - B[1, 0]) / D_B
        if 0.1 < x < 0.9 and 0.1 < y < 0.9:
            return A, B, x, y


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("zero_sum", [False, True])
def test_multipliers_of_mixed_equilibria(seed: int, zero_sum: bool) -> None:
    A, B, x, y = interior_bimatrix(seed, zero_sum)
    alpha, beta = [0.1, 0.3], [1.5, 0.7]
    found = fixed_points(StrategyActorCritic(from_bimatrix(A, B), alpha, 0.0, beta))
    (point,) = (point for point in found if point.X.max() < 1)
    D_A, D_B = (M[0, 0] - M[0, 1] - M[1, 0] + M[1, 1] for M in (A, B))
    square = 0.1 * 1.5 * 0.3 * 0.7 * D_A * D_B * x * (1 - x) * y * (1 - y)
    expected = 1 + np.sqrt(complex(square)) * np.array([-1, 1])
    np.testing.assert_allclose(np.sort_complex(point.multipliers), np.sort_complex(expected), atol=1e-12)
    if zero_sum:
        assert (np.abs(point.multipliers) > 1).all() and point.kind == "source"


@pytest.mark.parametrize("seed", SEEDS)
def test_divergence_is_conserved_in_continuous_time_and_grows_in_steps(seed: int) -> None:
    A, B, x, y = interior_bimatrix(seed, zero_sum=True)
    game, centre = from_bimatrix(A, B), pure([[x], [y]])

    def divergence(points: np.ndarray) -> np.ndarray:
        return (centre * np.log(centre / points)).sum((-3, -2, -1))

    start = centre + np.array([[[0.05, -0.05]], [[-0.04, 0.04]]])
    flow = divergence(replicator(game).flow(start, np.linspace(0, 5, 11)))
    np.testing.assert_allclose(flow, flow[0], rtol=1e-7)
    steps = divergence(StrategyActorCritic(game, 0.2, 0.0).trajectory(start, Tmax=50)[0])
    assert (np.diff(steps) > 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_dominance_without_interaction(seed: int) -> None:
    """D = 0: the logit is beta (S - P), and both multipliers are those of forgetting."""
    gap, beta, alpha = np.random.default_rng(seed).normal(), 1.7, 0.35
    learner = StrategySARSA(SocialDilemma(R=1.0, T=1.0 - gap, S=gap, P=0.0), alpha, 0.0, beta)
    (point,) = fixed_points(learner)
    np.testing.assert_allclose(point.X[:, 0, 0], logistic(beta * gap), rtol=1e-12)
    np.testing.assert_allclose(point.multipliers, 1 - alpha, atol=1e-7)  # a double eigenvalue


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_of_coordination(seed: int) -> None:
    """At a fold beta D y (1 - y) = 1 and ln(y / (1 - y)) = beta (D y + S - P)."""
    s = -np.random.default_rng(seed).uniform(1.2, 1.8)
    game = SocialDilemma(R=1.0, T=0.0, S=s, P=0.0)  # R - T = 1 > 0 > s: a stag hunt
    D = 1.0 - s

    def excess(y: float) -> float:
        return float(np.log(y / (1 - y)) - (D * y + s) / (D * y * (1 - y)))

    y = brentq(excess, 0.51, 1 - 1e-6, xtol=1e-15)
    expected = 1 / (D * y * (1 - y))
    np.testing.assert_allclose(y, 0.5 * (1 + np.sqrt(1 - 4 / (expected * D))), atol=1e-12)
    cold = StrategySARSA(game, 0.3, 0.0, 2 * expected)
    cooperative = cold.trajectory(pure([[0.999], [0.999]]), 3000, 1e-14)[0][-1]
    bounds = (0.5 * expected, 2 * expected)
    branch = continuation(
        cold, "choice_intensities", cooperative, 2 * expected, bounds, direction=-1, step=0.1
    )
    fold = branch.bifurcations[0]
    assert fold.kind is BifurcationKind.FOLD and fold.parameter == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(fold.X[:, 0, 0], y, atol=1e-6)  # a square root at the fold


@pytest.mark.parametrize("seed", SEEDS)
def test_flips_of_anticoordination(seed: int) -> None:
    """|mu| = (2 - alpha) / alpha with mu = beta D x (1 - x), before which at mu = -1 the symmetry breaks."""
    rng = np.random.default_rng(seed)
    alpha, s, D = rng.uniform(0.75, 0.9), rng.uniform(0.45, 0.6), -1.0

    def share(beta: float) -> float:
        return brentq(lambda x: np.log(x / (1 - x)) - beta * (D * x + s), 1e-9, 1 - 1e-9, xtol=1e-15)

    def where(mu: float) -> float:
        return brentq(lambda beta: -beta * D * share(beta) * (1 - share(beta)) - mu, 0.5, 30.0, xtol=1e-13)

    learner = StrategySARSA(SocialDilemma(R=0.0, T=1.0 - s, S=s, P=0.0), alpha, 0.0, 1.0)
    start = learner.trajectory(pure([[0.5], [0.5]]), 3000, 1e-14)[0][-1]
    flip = where((2 - alpha) / alpha)
    branch = continuation(learner, "choice_intensities", start, 1.0, (0.9, flip + 1), step=0.1)
    found = {mark.kind: mark.parameter for mark in branch.bifurcations}
    assert found[BifurcationKind.PITCHFORK] == pytest.approx(where(1.0), abs=1e-8)
    assert found[BifurcationKind.FLIP] == pytest.approx(flip, abs=1e-8)


@pytest.mark.parametrize(("alpha", "beta"), [(0.8, 5.0), (0.5, 4.0), (0.3, 9.0)])
def test_rings_of_two_state_pennies(alpha: float, beta: float) -> None:
    learner = StrategySARSA(TwoStateMatchingPennies(), alpha, 0.95, beta, use_prefactor=True)
    uniform = np.full((2, 2, 2), 0.5)
    branch = continuation(learner, "discount_factors", uniform, 0.95, (0.05, 0.95), direction=-1, step=0.1)
    (ring,) = branch.bifurcations
    assert ring.kind is BifurcationKind.NEIMARK_SACKER
    assert ring.parameter == pytest.approx(1 - 2 / beta * np.sqrt((2 - alpha) / alpha), abs=1e-8)
    multipliers = np.linalg.eigvals(chart_of(learner).jacobian(np.zeros(4)))
    turn = alpha * beta * 0.05 / 2
    np.testing.assert_allclose(multipliers.real, 1 - alpha, atol=1e-7)
    np.testing.assert_allclose(np.abs(multipliers.imag), turn, atol=1e-7)


# The ecological public good


GOOD = {"f": 1.2, "c": 5.0, "qc": 0.02, "qr": 1e-4}


def critical_m(N: int, f: float, c: float, qc: float, qr: float, gamma: float) -> tuple[float, float, float]:
    A, scale = 1 - gamma + gamma * qr, qc * (1 + gamma * qr)
    greed = f * c * (N - 1) / N - c * (1 - f / N) * (N * A + gamma * qc) / scale
    fear = -c * (1 - f / N) * (N - (N - 1) * qc) * (A + gamma * qc) / scale
    return greed, fear, (f - 1) * c * (A + gamma * qc) / scale


def critical_gamma(N: int, f: float, c: float, m: float, qc: float, qr: float) -> tuple[float, float]:
    delta, q1, r_T = c * (1 - f / N), qc / N, f * c * (N - 1) / N
    kappa = N - (N - 1) * qc
    greed = (delta - (r_T - m) * q1) / (delta * (1 - q1 - qr) + (r_T - m) * q1 * qr)
    fear = (delta * kappa + m * qc) / (delta * kappa * (1 - qr - qc) - m * qc * qr)
    return greed, fear


def corner(N: int, cooperates: float) -> np.ndarray:
    "Everybody cooperates in the degraded state, and in prosperity with this probability"
    return pure([[1.0, cooperates]] * N)


@pytest.mark.parametrize("N", [2, 3, 4])
@pytest.mark.parametrize("gamma", [0.8, 0.97])
def test_multipliers_of_corners_are_one_on_the_critical_curves(N: int, gamma: float) -> None:
    for m, cooperates in zip(critical_m(N, **GOOD, gamma=gamma)[:2], (1.0, 0.0), strict=True):
        env = EcologicalPublicGood(N=N, m=m, **GOOD)
        for shift, sign in ((0.0, 0), (0.1, 1), (-0.1, -1)):  # above the curve of greed or below that of fear
            near = EcologicalPublicGood(N=N, m=m + shift, **GOOD) if shift else env
            learner = StrategyActorCritic(near, 0.1, gamma, use_prefactor=True)
            gain = gains(learner, corner(N, cooperates))[:, 1]
            multipliers = np.exp(0.1 * gain)
            if sign == 0:
                np.testing.assert_allclose(multipliers, 1, atol=1e-12)
            else:  # defection pays above m_greed, cooperation pays below m_fear
                assert (np.sign(gain) == (sign if cooperates else -sign)).all()


@pytest.mark.parametrize(
    ("m", "qc", "qr", "greed", "fear"),
    [
        (-6, 0.02, 1e-4, 0.964740, 0.989585),
        (-3, 0.02, 1e-4, 0.979894, None),
        (-1, 0.02, 1e-4, 0.989997, None),
        (-5, 0.2, 0.01, 0.671141, 0.911002),
    ],
)
def test_published_critical_discount_factors(
    m: float, qc: float, qr: float, greed: float, fear: float | None
) -> None:
    found = critical_gamma(2, 1.2, 5.0, m, qc, qr)
    assert found[0] == pytest.approx(greed, abs=5e-7)
    if fear is None:
        assert not 0 <= found[1] < 1  # defection holds for all discount factors
    else:
        assert found[1] == pytest.approx(fear, abs=5e-7)
    for gamma, which in zip(found, (0, 1), strict=True):
        if 0 <= gamma < 1:
            assert critical_m(2, 1.2, 5.0, qc, qr, gamma)[which] == pytest.approx(m, rel=1e-9)


@pytest.mark.parametrize("N", [2, 3, 5])
def test_value_of_prosperity(N: int) -> None:
    """V = (1 - w) r + w m with w = q (1 + gamma qr) / (1 - gamma + gamma (q + qr))."""
    f, c, m, qc, qr, gamma = 1.3, 4.0, -3.0, 0.15, 0.05, 0.9
    learner = StrategyActorCritic(
        EcologicalPublicGood(N=N, f=f, c=c, m=m, qc=qc, qr=qr), 0.1, gamma, use_prefactor=True
    )
    for defectors in range(N + 1):
        X = corner(N, 1.0)
        X[:defectors, 1] = [0.0, 1.0]
        q = qc * defectors / N
        w = q * (1 + gamma * qr) / (1 - gamma + gamma * (q + qr))
        share = f * c * (N - defectors) / N
        rewards = np.where(np.arange(N) < defectors, share, share - c)
        np.testing.assert_allclose(learner.Vis(X)[:, 1], (1 - w) * rewards + w * m, rtol=1e-11)


def test_many_agents_do_not_care_about_the_return() -> None:
    gamma, qc, qr = 0.99, GOOD["qc"], GOOD["qr"]
    A, scale = 1 - gamma + gamma * qr, qc * (1 + gamma * qr)
    limits = -5.0 * A / scale, -5.0 * (1 - qc) * (A + gamma * qc) / scale
    for f in (0.0, 1.2, 2.4):
        large = critical_m(10**8, f, 5.0, qc, qr, gamma)[:2]
        np.testing.assert_allclose(np.array(large) / 1e8, limits, rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.3, 0.9])
def test_risk_and_caution_tie_by_the_same_formula(gamma: float) -> None:
    pc, pr, rr, rd = 0.2, 0.1, 1.0, -0.5
    w = pc * (1 + gamma * pr) / (1 - gamma + gamma * (pc + pr))
    learner = StrategyActorCritic(RiskReward(pc, pr, (1 - w) * rr + w * rd, rr, rd), 0.1, gamma)
    np.testing.assert_allclose(gains(learner, pure([[1.0, 1.0]]))[0, 0], 0, atol=1e-13)
    np.testing.assert_allclose(gains(learner, pure([[0.0, 1.0]]))[0, 0], 0, atol=1e-13)


def test_learning_backwards_leads_to_the_saddle() -> None:
    learner = StrategyActorCritic(EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), 0.1, 0.75)
    X = pure([[0.95, 0.5], [0.95, 0.5]])
    for _ in range(1000):
        X = learner.reverse_step(X)[0]
    np.testing.assert_allclose(X[:, 1, 0], 0.614899566630043, atol=1e-12)


# Memory of one round


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ([1, 0, 0, 0], lambda R, T, P: (T - R) / (T - P)),
        ([1, 0, 0, 1], lambda R, T, P: (T - R) / (R - P)),
        ([0, 0, 0, 0], lambda R, T, P: 0.0),
    ],
    ids=["grim trigger", "win-stay lose-shift", "all defect"],
)
def test_memory_one_equilibria_are_strict_beyond_their_threshold(
    rule: list[float], threshold: Callable[[float, float, float], float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    R, P = 1.0, 0.0
    T, S = R + rng.uniform(0.1, 0.7), -rng.uniform(0.1, 0.7)
    env, critical = memory_one(SocialDilemma(R=R, T=T, S=S, P=P)), threshold(R, T, P)
    X = pure([rule, rule])
    beyond = StrategyActorCritic(env, 0.1, min(critical + 0.05, 0.999))
    assert (gains(beyond, X) < 0).all()
    if critical > 0:
        assert (gains(StrategyActorCritic(env, 0.1, critical - 0.05), X) > 0).any()
        largest = gains(StrategyActorCritic(env, 0.1, critical), X).max()
        assert largest == pytest.approx(0, abs=1e-12)  # exactly weak


# Where there is no derivative


def test_kinks_are_reported() -> None:
    """The best actions of Q-learners are tied at the uniform point of pennies: the map has a kink there."""
    env = TwoStateMatchingPennies()
    kinked = fixed_points(StrategyQLearning(env, 0.3, 0.5, 2.0, use_prefactor=True), starts=20)
    uniform = min(kinked, key=lambda point: np.abs(point.X - 0.5).max())
    assert np.abs(uniform.X - 0.5).max() < 1e-9 and not uniform.smooth and "kink" in kinked.message
    one_state = fixed_points(StrategyQLearning(SocialDilemma(R=1.0, T=1.5, S=-0.5, P=0.0), 0.3, 0.5, 2.0))
    assert all(point.smooth for point in one_state)
    assert all(point.smooth for point in fixed_points(StrategySARSA(env, 0.3, 0.5, 2.0), starts=4))
