"""What cannot be answered is said: wrong points, missing preimages, parameters and fixed points that do not exist."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import StrategyActorCritic, StrategySARSA, ValueSARSA, multiagent_softmax_strategy
from pycrld_econ.analysis import (
    Motion,
    Proof,
    basins,
    bifurcation_diagram,
    certify,
    continuation,
    fixed_points,
    interior_fixed_points,
    inverse_step,
    lyapunov,
    manifolds,
    verdict,
)
from pycrld_econ.environments import SocialDilemma, from_bimatrix, matching_pennies

HUNT = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
LEARNER = StrategyActorCritic(HUNT, 0.1, 0.9)
HALF = np.full((2, 1, 2), 0.5)
FLAT = StrategyActorCritic(from_bimatrix(np.zeros((2, 2)), np.zeros((2, 2))), 0.1, 0.0)


def test_points_without_a_preimage_are_not_a_number() -> None:
    """A fast map folds: behind a fold of its image nothing was mapped."""
    fast = StrategySARSA(SocialDilemma(R=0.0, T=1.0, S=1.0, P=0.0), 0.5, 0.0, 40.0)
    everywhere = fast.random_points(400, rng=0)
    found = inverse_step(fast, everywhere)
    lost = np.isnan(found).any((1, 2, 3))
    assert lost.any() and not lost.all() and np.isnan(found[lost]).all()
    np.testing.assert_allclose(fast.step(found[~lost])[0], everywhere[~lost], atol=1e-9)


def test_degenerate_equations_are_reported_everywhere() -> None:
    assert not any(point.isolated for point in fixed_points(FLAT, starts=2))
    assert "not isolated" in interior_fixed_points(FLAT, starts=2).message
    with pytest.raises(ValueError, match="not isolated: the Jacobian of the equations is singular"):
        continuation(FLAT, "learning_rates", HALF, 0.1, (0.05, 0.2))
    certificate = certify(FLAT, HALF)
    assert certificate.proof is Proof.NOT_PROVED and "singular" in certificate.message
    assert np.isnan(certificate.radius) and np.isnan(certificate.error)


def test_points_that_are_no_fixed_points_are_refused() -> None:
    with pytest.raises(ValueError, match="X must be a fixed point"):
        manifolds(LEARNER, HALF)
    with pytest.raises(ValueError, match="pure joint strategy, which is a fixed point for every parameter"):
        continuation(LEARNER, "learning_rates", np.tile([1.0, 0.0], (2, 1, 1)), 0.1, (0.05, 0.2))
    away = StrategyActorCritic(SocialDilemma(R=1.0, T=1.5, S=-0.5, P=0.0), 0.1, 0.9)  # none in the interior
    with pytest.raises(ValueError, match="X leads to no fixed point"):
        continuation(away, "learning_rates", HALF, 0.1, (0.05, 0.2))
    searched = interior_fixed_points(away, starts=5)
    assert len(searched) == 0 and searched.failed == 5 and "5 Newton runs ended without" in searched.message
    assert repr(searched) == searched.message
    assert "too far from a zero" in certify(LEARNER, HALF).message


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (lambda: basins(LEARNER, 5, radius=0.0), "radius and tolerance must be > 0"),
        (lambda: verdict(LEARNER, HALF, horizon=3), "horizon must be >= 32"),
        (lambda: bifurcation_diagram(LEARNER, "learning_rates", [0.1], HALF, keep=4), "keep >= 32"),
        (lambda: bifurcation_diagram(LEARNER, "speed", [0.1], HALF), "unknown parameter 'speed'"),
        (lambda: continuation(LEARNER, "learning_rates", HALF, 0.1, (0.2, 0.05)), "start must lie within"),
        (lambda: continuation(LEARNER, "learning_rates", HALF[:1], 0.1, (0.05, 0.2)), "shape"),
        (lambda: lyapunov(LEARNER, HALF[None]), "one point of shape"),
        (lambda: interior_fixed_points(LEARNER, support=HALF == 1), "at least one action in each row"),
        (lambda: interior_fixed_points(LEARNER, starts=0), "starts must be >= 1"),
    ],
)
def test_arguments_out_of_range_are_named(task: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task()  # type: ignore[operator]


def test_numbers_that_are_lost_are_reported() -> None:
    huge = ValueSARSA(
        SocialDilemma(R=1e308, T=1e308, S=-1e308, P=0.0), 0.9, 0.9, multiagent_softmax_strategy(1.0, 2)
    )
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        verdict(huge, np.zeros((2, 1, 2)), horizon=32)


def test_a_cycle_too_long_to_be_seen_is_undecided_and_not_chaos() -> None:
    spiral = StrategySARSA(matching_pennies(), 0.001, 0.0, 1.0)
    told = verdict(spiral, np.tile([0.9, 0.1], (2, 1, 1)), horizon=40, longer=1, tolerance=1e-14)
    assert told.motion in (Motion.UNDECIDED, Motion.TORUS) and told.motion is not Motion.CHAOS
