"""The reactive square: a dynamics whose derivative, fixed points and basins are what they are called."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents.base import Dynamics
from pycrld_econ.analysis import basins, fixed_points
from pycrld_econ.plots import plot_strategy_flow
from pycrld_econ.shaping import LOLA, Naive, Network, OpponentModel, OpponentShaping, contribution_game
from pycrld_econ.shaping.portraits import (
    ReactiveSlice,
    TitForTatPlane,
    basin_of_tit_for_tat,
    slice_fixed_points,
)

GAME = contribution_game(1.33)


def test_slice_is_a_dynamics():
    flow = ReactiveSlice(OpponentShaping(GAME, LOLA(1.0, 0.5)))
    assert isinstance(flow, Dynamics)
    X = flow.points(np.random.default_rng(0).normal(size=(3, 2)))
    after, drive = flow.step(X)
    assert after.shape == drive.shape == (3, 1, 2, 2)
    np.testing.assert_allclose(flow.logits(flow.points([0.3, -2.0])), [0.3, -2.0], rtol=1e-12)


@pytest.mark.parametrize("rule", [Naive(0.5), LOLA(1.0, 0.5)], ids=["naive", "lola"])
@pytest.mark.parametrize("kind", [ReactiveSlice, TitForTatPlane])
def test_slice_derivative(kind, rule):
    flow, z, h = kind(OpponentShaping(GAME, rule)), np.array([0.4, -0.7]), 1e-5
    images = [flow.logits(flow.step(flow.points(z + s * d))[0]) for d in h * np.eye(2) for s in (1, -1)]
    central = np.stack([images[0] - images[1], images[2] - images[3]], -1) / (2 * h)
    np.testing.assert_allclose(flow.jacobian(z), central, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("cf", [1.25, 1.5])
def test_naive_learners_rest_where_answers_pay_for_costs(cf):
    flow = ReactiveSlice(OpponentShaping(contribution_game(cf), Naive(0.3)))
    found = slice_fixed_points(flow, [[0.7, 0.2], [0.9, 0.4]])
    np.testing.assert_allclose([f.p - f.q for f in found], (2 - cf) / (0.96 * cf), atol=1e-8)


def test_basin_shrinks_with_the_contribution_factor():
    games = [contribution_game(cf) for cf in (1.6, 1.1)]
    dynamics = OpponentShaping(GAME, LOLA(1.0, 1.0))
    shares = basin_of_tit_for_tat(dynamics, [0.1, 0.5, 0.9], 8, games=games).mean((0, 1))
    assert shares[0] > shares[1]


def test_the_plane_keeps_players_apart():
    flow = TitForTatPlane(OpponentShaping(GAME, [LOLA(1.0, 0.5), Naive(0.5)]), 0.1)
    assert isinstance(flow, Dynamics)
    policies = flow.dynamics.points(flow.full_parameters(np.array([0.3, -0.6])))[..., 0]
    x, y = 1 / (1 + np.exp([-0.3, 0.6]))
    np.testing.assert_allclose(policies, [[0.1, x, 0.1, x, x], [0.1, 0.1, y, y, y]])
    X = flow.points(np.random.default_rng(1).normal(size=(2, 2)))
    after = flow.step(X)[0]
    assert after.shape == (2, 2, 1, 2)
    swapped = TitForTatPlane(OpponentShaping(GAME, [Naive(0.5), LOLA(1.0, 0.5)]), 0.1).step(X[:, ::-1])[0]
    np.testing.assert_allclose(swapped[:, ::-1], after, rtol=1e-10)


def test_slices_are_followed_as_they_step():
    flow = TitForTatPlane(OpponentShaping(GAME, LOLA(1.0, 0.5)))
    run = flow.ensemble(3, 4, rng=2, record="all")
    for start, points in zip(run.start, run.records, strict=True):
        np.testing.assert_array_equal(points[0], start)
        np.testing.assert_array_equal(points[1], flow.step(start)[0])
        np.testing.assert_array_equal(flow.trajectory(start, 4)[0], points)
    with pytest.raises(ValueError, match="X must hold"):
        flow.ensemble(np.ones((2, 2)))


def test_the_tools_of_analysis_work_on_slices():
    flow = ReactiveSlice(OpponentShaping(contribution_game(1.5), Naive(2.0)))
    found = basins(flow, flow.points(np.array([[3.0, -1.0], [-3.0, -3.0]])), 60, 1e-2, radius=0.5)
    assert found.label.tolist() == [0, 1] or found.label.tolist() == [1, 0]
    resting = fixed_points(flow, starts=1)
    p, q = resting[0].X[0, :, 0]
    np.testing.assert_allclose(p - q, (2 - 1.5) / (0.96 * 1.5), atol=1e-6)


def test_full_dynamics_can_be_drawn():
    dynamics = OpponentShaping(GAME, LOLA(1.0, 0.5))
    axes = plot_strategy_flow(dynamics, ([0], [0], [0]), ([0], [3], [0]), [0.2, 0.8], NrRandom=2)
    assert len(np.ravel(axes)) == 1


def test_slices_refuse_networks_and_borders():
    with pytest.raises(ValueError, match="two players"):
        ReactiveSlice(OpponentShaping(GAME, LOLA(), Network(2)))
    with pytest.raises(ValueError, match="a slice needs known opponents"):
        ReactiveSlice(OpponentShaping(GAME, LOLA(), opponent_model=OpponentModel()))
    with pytest.raises(ValueError, match="X must hold"):
        ReactiveSlice(OpponentShaping(GAME, LOLA())).step(7.0)
    with pytest.raises(ValueError, match="forgiveness must"):
        TitForTatPlane(OpponentShaping(GAME, LOLA()), 0.0)
    with pytest.raises(ValueError, match="inside"):
        basin_of_tit_for_tat(OpponentShaping(GAME, LOLA()), [0.0, 0.5], 1)
