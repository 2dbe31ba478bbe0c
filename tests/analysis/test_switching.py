"""Branches that leave a branch: closed forms, exchange of stability, and crossings that are not simple."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from pycrld_econ.agents import StrategyActorCritic, StrategySARSA, replicator
from pycrld_econ.analysis import BifurcationKind, BranchStatus, branches, continuation
from pycrld_econ.environments import NormalForm, SocialDilemma, from_bimatrix

UNIFORM = np.full((2, 1, 2), 0.5)


def test_pitchfork_without_a_symmetry_of_the_place() -> None:
    """In the battle of the sexes conventions leave the point x = 1 - y at the temperature 3 x (1 - x)."""
    A, B = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])
    learner = StrategySARSA(from_bimatrix(A, B), 0.3, 0.0, 1.0)
    hot = learner.trajectory(UNIFORM, Tmax=2000, tolerance=1e-13)[0][-1]
    tree = branches(learner, "choice_intensities", hot, 1.0, (0.9, 2.5), step=0.05)
    x = brentq(lambda x: 3 * x * (1 - x) * np.log(x / (1 - x)) - (2 - 3 * x), 0.1, 0.9, xtol=1e-15)
    marks = [mark for mark in tree[0].bifurcations if mark.kind is BifurcationKind.PITCHFORK]
    assert [mark.parameter for mark in marks] == [pytest.approx(1 / (3 * x * (1 - x)), abs=1e-8)]
    np.testing.assert_allclose(marks[0].X[:, 0, 0], [x, 1 - x], atol=1e-8)
    assert tree.origin == (-1, -1, 0, 0) and all(branch.stable.all() for branch in tree.found[2:])
    ends = np.sort([branch.points[-1, 0, 0, 0] for branch in tree.found[2:]])
    assert ends[0] < x < ends[1]


@pytest.mark.parametrize(("place", "alpha"), [((0.4, 0.3), 0.2), ((0.6, 0.25), 0.9)])
def test_transcritical_points_exchange_stability(place: tuple[float, float], alpha: float) -> None:
    p, beta = np.array(place), 2.0

    def anchored(D: float) -> StrategySARSA:
        gain = np.log(p / (1 - p)) / beta - D * p[::-1]
        payoffs = np.zeros((2, 2, 2))
        payoffs[0, 0], payoffs[1, :, 0] = [gain[0] + D, gain[0]], [gain[1] + D, gain[1]]
        return StrategySARSA(NormalForm(payoffs), alpha, 0.0, beta)

    rest = np.stack([p, 1 - p], -1)[:, None]
    critical = 1 / (beta * np.sqrt((p * (1 - p)).prod()))
    tree = branches(anchored(1.0), anchored, rest, 1.0, (0.5, critical + 0.4), step=0.05)
    mark = tree[0].bifurcations[0]
    assert mark.kind is BifurcationKind.TRANSCRITICAL
    assert mark.parameter == pytest.approx(critical, abs=1e-8)
    for branch in tree.found[2:]:
        assert bool(branch.stable[1]) == bool(branch.parameter[1] > critical)
        x, y = branch.points[:, :, 0, 0].T
        gap = np.log(x / (1 - x)) - np.log(p[0] / (1 - p[0])) - beta * branch.parameter * (y - p[1])
        np.testing.assert_allclose(gap, 0, atol=1e-8)


def test_loops_are_closed() -> None:
    """The strength of coordination goes up and down: conventions come and go on one closed curve."""

    def coordination(t: float) -> StrategySARSA:
        return StrategySARSA(SocialDilemma(R=1.0, T=0.0, S=0.0, P=1.0), 0.5, 0.0, 3.0 - 8.0 * (t - 0.5) ** 2)

    tree = branches(coordination(0.5), coordination, UNIFORM, 0.02, (0.0, 1.0), step=0.04)
    np.testing.assert_allclose(
        [mark.parameter for mark in tree[0].bifurcations], 0.5 + np.sqrt([1 / 8, 1 / 8]) * [-1, 1]
    )
    assert [branch.status for branch in tree.found[2:]] == [BranchStatus.CLOSED] * (len(tree) - 2)
    assert len(tree) == 3 and len(tree.left) == 1  # the second crossing leads to the same curve


def test_crossings_of_more_than_two_branches_are_listed() -> None:
    """With three actions conventions leave the uniform point in a plane of directions."""
    learner = StrategySARSA(from_bimatrix(np.eye(3), np.eye(3)), 0.5, 0.0, 1.0)
    tree = branches(learner, "choice_intensities", np.full((2, 1, 3), 1 / 3), 1.0, (0.5, 4.0), step=0.1)
    assert len(tree) == 2 and len(tree.left) >= 1
    assert tree.left[0].parameter == pytest.approx(3.0, abs=1e-8)


def test_flows_switch_branches_too() -> None:
    """Without forgetting the mixed point never changes its stability: nothing leaves it."""
    flow = replicator(SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0), time_step=0.5)
    saddle = np.tile([5 / 7, 2 / 7], (2, 1, 1))
    tree = branches(flow, "choice_intensities", saddle, 1.0, (0.5, 2.0), step=0.2)
    assert len(tree) == 2 and not tree.bifurcations


def test_refusals_of_branches() -> None:
    learner = StrategyActorCritic(SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0), 0.1, 0.9)
    with pytest.raises(ValueError, match="start must lie within bounds"):
        branches(learner, "learning_rates", UNIFORM, 2.0, (0.1, 1.0))
    with pytest.raises(ValueError, match="0 < step <= 0.2"):
        branches(learner, "learning_rates", UNIFORM, 0.5, (0.1, 1.0), step=0.5)
    with pytest.raises(ValueError, match="direction must be 1 or -1, got 0"):
        continuation(learner, "learning_rates", UNIFORM, 0.5, (0.1, 1.0), direction=0)
