"""Ideal POLA: solved problems, agreement with long descent, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.shaping import ImplicitPOLA, OpponentShaping, contribution_game
from pycrld_econ.shaping.ideal import IdealPOLA

GAME = contribution_game(1.33)
Z = np.random.default_rng(0).normal(0, 0.3, (2, 5))


def test_first_slope_is_that_of_the_implicit_rule():
    run = OpponentShaping(GAME, ImplicitPOLA(0.2, 1.0, 5.0, inner_tol=1e-11, inner_max_iters=2000)).learn(Z)
    for i in range(2):
        slope = IdealPOLA(GAME, 5.0, 1.0).objective(Z[i], Z, i)[1]
        np.testing.assert_allclose(run.parameters[i] - Z[i], -slope, rtol=1e-8, atol=1e-8)


def test_the_solution_is_a_minimum():
    rule = IdealPOLA(GAME, 20.0, 40.0)
    result = rule.step(Z)
    assert result.converged and result.message == ""
    best = rule.objective(result.z[0], Z, 0)[0]
    for nudge in 1e-3 * np.concatenate([np.eye(5), -np.eye(5)]):
        assert rule.objective(result.z[0] + nudge, Z, 0)[0] > best


def test_swapping_players_commutes_with_ideal_steps():
    swap = np.array([0, 2, 1, 3, 4])
    rule = IdealPOLA(GAME, 5.0, 5.0)
    swapped = rule.step(Z[::-1][:, swap]).z
    np.testing.assert_allclose(swapped[::-1][:, swap], rule.step(Z).z, atol=1e-5)


def test_an_unsolved_ideal_problem_says_so():
    result = IdealPOLA(GAME, 5.0, 5.0, tolerance=1e-15).step(Z)
    assert not result.converged and "not solved" in result.message and (result.residual < 1e-4).all()


def test_an_unsolved_answer_says_so():
    class Standing(IdealPOLA):
        def answer(self, z, base, j):
            return base[j]

    rule = Standing(GAME, 5.0, 5.0, tolerance=0.05)
    result = rule.step(Z)
    assert (result.residual < rule.tolerance).all() and not result.converged
    assert (result.inner_residual > rule.tolerance).all()
    assert (IdealPOLA(GAME, 5.0, 5.0).step(Z).inner_residual < 1e-7).all()


def test_ideal_steps_follow_each_other():
    rule = IdealPOLA(GAME, 20.0, 40.0, tolerance=1e-5)
    points, rest = rule.trajectory(Z, 2)
    np.testing.assert_array_equal(points, [Z, rule.step(Z).z])
    assert not rest and rule.ensemble(np.stack([Z, Z]), 1).X.shape == (2, 2, 5)
    with pytest.warns(RuntimeWarning, match="not solved"):
        IdealPOLA(GAME, 20.0, 40.0, tolerance=1e-15).trajectory(Z, 2)
    with pytest.raises(ValueError, match="z0 must have shape"):
        rule.trajectory(Z[None])
    with pytest.raises(ValueError, match="z0 must hold finite"):
        rule.ensemble(Z[:, :4])


def test_ideal_refuses():
    with pytest.raises(ValueError, match="z must hold finite"):
        IdealPOLA(GAME).step(np.full((2, 5), np.nan))
    with pytest.raises(ValueError, match="inner_beta must be"):
        IdealPOLA(GAME, 0.0)
    with pytest.raises(ValueError, match="z must have shape"):
        IdealPOLA(GAME).step(np.zeros((2, 4)))
