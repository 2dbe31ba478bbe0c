"""Charts, exponents, continuation, basins, verdicts and certificates: invariants and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import (
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueSARSA,
    multiagent_softmax_strategy,
)
from pycrld_econ.analysis import (
    BranchStatus,
    Motion,
    Proof,
    basin_image,
    basins,
    boundary,
    certify,
    chart_of,
    complex_step,
    continuation,
    fixed_points,
    inverse_step,
    lyapunov,
    slice_starts,
    verdict,
)
from pycrld_econ.analysis.basins import cluster
from pycrld_econ.analysis.lyapunov import _Matrices
from pycrld_econ.environments import (
    EcologicalPublicGood,
    RockPaperScissors,
    SocialDilemma,
    TwoStateMatchingPennies,
)

HUNT = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
GOOD = EcologicalPublicGood(N=3, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
KINDS = [StrategyActorCritic, StrategySARSA, StrategyQLearning]


@pytest.mark.parametrize("kind", KINDS)
def test_chart_jacobian_is_the_complex_step_of_its_step(kind: type) -> None:
    dynamics = kind(GOOD, [0.1, 0.2, 0.3], 0.9, 2.0)
    chart = chart_of(dynamics)
    u = np.random.default_rng(1).normal(size=chart.size)
    slope = complex_step(dynamics, chart.back(u))["next"]
    X, following = chart.back(u), dynamics.step(chart.back(u))[0]
    by_logit = X[..., None] * (np.eye(2) - X[..., None, :])
    pushed = np.einsum("isajrc,jrcd->isajrd", slope, by_logit)[..., 0]  # by the logit of action 0
    found = (
        pushed[:, :, 0] / following[:, :, 0, None, None] - pushed[:, :, 1] / following[:, :, 1, None, None]
    )
    np.testing.assert_allclose(found.reshape(6, 6), chart.jacobian(u), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_and_matrices_give_the_same_exponents(kind: type) -> None:
    dynamics = kind(TwoStateMatchingPennies(), 0.8, 0.3, 5.0, use_prefactor=True)
    start = dynamics.random_softmax_strategy(3)
    spectrum = lyapunov(dynamics, start, steps=40, transient=0, blocks=4)
    matrices = _Matrices(chart_of(dynamics), start)
    growth, _ = matrices.advance(40)
    np.testing.assert_allclose(np.sort(spectrum.exponents), np.sort(growth / 40), atol=1e-9)


def test_sum_of_exponents_is_the_mean_logarithm_of_the_determinant() -> None:
    dynamics = StrategySARSA(GOOD, 0.3, 0.9, 3.0)
    start, chart = dynamics.random_softmax_strategy(0), chart_of(dynamics)
    spectrum = lyapunov(dynamics, start, steps=20, transient=0, blocks=4)
    orbit = dynamics.trajectory(start, Tmax=20)[0]
    logarithms = np.linalg.slogdet(chart.jacobian(chart.to(orbit)))[1]
    assert spectrum.exponents.sum() == pytest.approx(logarithms.mean(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_inverse_step_inverts(kind: type, alpha: float) -> None:
    dynamics = kind(HUNT, alpha, 0.5, 2.0)
    X = dynamics.random_points(20, rng=0)
    np.testing.assert_allclose(inverse_step(dynamics, dynamics.step(X)[0]), X, atol=1e-10)


def test_clusters_do_not_depend_on_the_order() -> None:
    ends = np.random.default_rng(0).integers(0, 3, (50, 1)) + 1e-5 * np.random.default_rng(1).normal(
        size=(50, 1)
    )
    first, label = cluster(ends)
    order = np.random.default_rng(2).permutation(50)
    second, other = cluster(ends[order])
    assert len(first) == len(second) == 3
    np.testing.assert_allclose(first[label][order], second[other], atol=1e-3)


def test_image_agrees_with_every_start_followed() -> None:
    dynamics = StrategyActorCritic(HUNT, 0.1, 0.9)
    half, grid = np.full((2, 1, 2), 0.5), np.linspace(0.01, 0.99, 40)
    image = basin_image(dynamics, half, (0, 0, 0), (1, 0, 0), grid)
    whole = basins(dynamics, slice_starts(dynamics, half, (0, 0, 0), (1, 0, 0), grid))
    cooperates = [attractors[:, 0, 0, 0] > 0.5 for attractors in (image.attractors, whole.attractors)]
    np.testing.assert_array_equal(cooperates[0][image.label], cooperates[1][whole.label])
    assert image.wrong == 0 and image.followed < whole.label.size


def test_unsettled_starts_are_counted_apart() -> None:
    dynamics = StrategySARSA(TwoStateMatchingPennies(), 0.8, 0.3, 5.0, use_prefactor=True)
    found = basins(dynamics, 20, Tmax=300)
    assert found.unsettled == 20 and len(found.attractors) == 0
    assert "20 of 20 starts did not come to rest" in found.message


def test_branch_of_a_payoff() -> None:
    dynamics = StrategyActorCritic(HUNT, 0.1, 0.9)

    def with_temptation(T: float) -> StrategyActorCritic:
        return dynamics.with_parameters(env=SocialDilemma(R=1.0, T=T, S=-0.5, P=0.0))

    X = np.tile([5 / 7, 2 / 7], (2, 1, 1))
    branch = continuation(dynamics, with_temptation, X, 0.8, (0.2, 0.95))
    expected = 0.5 / (1.0 + 0.5 - branch.parameter)
    np.testing.assert_allclose(branch.points[:, 0, 0, 0], expected, atol=1e-10)
    assert branch.status is BranchStatus.BOUND and not branch.stable.any() and not branch.bifurcations


@pytest.mark.parametrize("seed", range(3))
def test_certificates_of_random_games(seed: int) -> None:
    from pycrld_econ.environments import NormalForm

    payoffs = np.random.default_rng(seed).normal(size=(2, 2, 2))
    dynamics = StrategySARSA(NormalForm(payoffs), 0.2, 0.0, 2.0)
    for point in fixed_points(dynamics):
        proof = certify(dynamics, point.X)
        assert proof.proof is Proof.PROVED and proof.error < 1e-9


def test_saddles_are_not_called_rest() -> None:
    dynamics = StrategyActorCritic(HUNT, 0.1, 0.9)
    told = verdict(dynamics, np.tile([5 / 7, 2 / 7], (2, 1, 1)), horizon=100)
    assert told.motion is not Motion.TRANSIENT
    assert np.abs(told.multipliers).max(initial=0) > 1 or told.motion is Motion.DRIFT


def test_chaos_is_called_chaos() -> None:
    """SARSA learners in rock, paper, scissors with asymmetric ties: a bounded orbit with a settled exponent."""
    dynamics = StrategySARSA(RockPaperScissors(0.5, -0.3), 0.02, 0.0, 20.0)
    told = verdict(dynamics, dynamics.random_softmax_strategy(1))
    assert told.motion is Motion.CHAOS and told.period == 0 and told.spectrum is not None
    exponents, error = told.spectrum.exponents, told.spectrum.error
    assert exponents[0] > 20 * error[0] and abs(exponents[1]) < 1e-3 and told.spectrum.peaks.max() < 10
    assert 2 < told.spectrum.dimension < 4
    assert exponents.sum() < -0.02  # volumes shrink: an attractor


def test_refusals() -> None:
    dynamics = StrategyActorCritic(HUNT, 0.1, 0.9)
    corner, half = np.tile([1.0, 0.0], (2, 1, 1)), np.full((2, 1, 2), 0.5)
    with pytest.raises(ValueError, match="pure joint strategy"):
        lyapunov(dynamics, corner)
    with pytest.raises(ValueError, match="steps must be >= 20"):
        lyapunov(dynamics, half, steps=3)
    with pytest.raises(ValueError, match="unknown parameter 'temperature'"):
        continuation(dynamics, "temperature", half, 0.5, (0.0, 0.9))
    with pytest.raises(ValueError, match="same attractor"):
        boundary(dynamics, half * 1.0, half * 1.0)
    with pytest.raises(ValueError, match="different rows"):
        slice_starts(dynamics, half, (0, 0, 0), (0, 0, 1), [0.5])
    with pytest.raises(ValueError, match="smooth map"):
        certify(StrategyQLearning(HUNT, 0.1, 0.9), half)
    values = ValueSARSA(HUNT, 0.1, 0.9, multiagent_softmax_strategy(1.0, 2))
    with pytest.raises(ValueError, match="support must be None"):
        chart_of(values, np.array([[[True, False]], [[True, True]]]))


def test_continua_are_reported() -> None:
    good = StrategyActorCritic(EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), 0.1, 0.75)
    X = np.tile([0.95, 0.05], (2, 2, 1))
    X[:, 1] = [0.614899566630043, 1 - 0.614899566630043]
    with pytest.raises(ValueError, match="not isolated"):
        continuation(good, "discount_factors", X, 0.75, (0.7, 0.8))
