"""What can be said by hand about exact shaping: thresholds, slopes at the uniform policy, ends of naive learning."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.shaping import (
    IdealPOLA,
    Preconditioned,
    TableGame,
    Tabular,
    contribution_game,
    matching_pennies,
    named,
    values,
)
from pycrld_econ.shaping.relatives import GradientRule

GAMMA = 0.96
UNIFORM = np.zeros((2, 5))


@pytest.mark.parametrize("gamma", [0.5, 0.96])
@pytest.mark.parametrize("side", [-1e-3, 1e-3])
def test_grim_trigger_deters_from_a_known_factor_on(gamma, side):
    game = contribution_game(2 / (1 + gamma) + side, gamma=gamma)
    defector = values(game, named(["GRIM", "ALLD"]))[1]
    assert (defector < game.cooperation_value) == (side > 0)


@pytest.mark.parametrize("side", [-1e-3, 1e-3])
def test_win_stay_lose_shift_is_safe_from_a_known_factor_on(side):
    game = contribution_game((1 + GAMMA) / (0.5 + GAMMA) + side)
    defector = values(game, named(["WSLS", "ALLD"]))[1]
    assert (defector < game.cooperation_value) == (side > 0)


def test_a_first_defection_echoes():
    pair = named(["TFT", "TFT"])
    pair[0, 4] = 0.0
    first = (1.33 / 2 + GAMMA * (1.33 / 2 - 1)) / (1 - GAMMA**2)
    second = (1.33 / 2 - 1 + GAMMA * 1.33 / 2) / (1 - GAMMA**2)
    np.testing.assert_allclose(values(contribution_game(1.33), pair), [first, second], rtol=1e-12)
    np.testing.assert_allclose([first, second], [4.38010204, 3.86989796], rtol=1e-8)


def test_slopes_at_the_uniform_policy():
    G = -TableGame(contribution_game(1.33)).gradients(UNIFORM)
    own, other = GAMMA / 16 * (1.33 / 2 - 1) / (1 - GAMMA), GAMMA / 16 * 1.33 / 2 / (1 - GAMMA)
    np.testing.assert_allclose(G[0, 0], [own] * 4 + [(1.33 / 2 - 1) / 4], rtol=1e-12)
    np.testing.assert_allclose(G[0, 1], [other] * 4 + [1.33 / 8], rtol=1e-12)
    np.testing.assert_allclose([own, other], [-0.5025, 0.9975], rtol=1e-12)


def test_equal_gains_leave_no_mixed_curvature_in_one_round():
    H = TableGame(contribution_game(1.33, gamma=0.0)).hessians(UNIFORM + 0.3)
    np.testing.assert_allclose(H[0, 0, 4, 1, 4], 0, atol=1e-15)
    H = TableGame(matching_pennies(gamma=0.0)).hessians(UNIFORM + 0.3)
    assert abs(H[0, 0, 4, 1, 4]) > 0.1


@pytest.mark.parametrize(("cf", "share"), [(1.6, 1.0), (1.9, 0.30)])
def test_where_naive_learners_end(cf, share):
    """Shares of full defection over 500 starts near the uniform policy are 1 and 0.30; here over 250."""
    game = TableGame(contribution_game(cf))
    x = np.random.default_rng(1).normal(0, 0.1, (250, 2, 5))
    last = GradientRule(game, "naive", 1.0).ensemble(x, 801).X
    V = -game.losses(last).mean(-1) / game.game.cooperation_value
    assert abs((V < 0.05).mean() - share) < 0.12


def test_ideal_pola_does_not_know_coordinates():
    """What it climbs is the same for a policy written in three ways; a gradient step would differ."""
    game, z = contribution_game(1.33), np.random.default_rng(2).normal(0, 0.3, (2, 5))
    ways = (Tabular(), Preconditioned(K="paper"), Preconditioned(K="head"))
    rule, written = IdealPOLA(game, 5.0, 5.0), [policy.logits(policy.parameters(z)) for policy in ways]
    climbs = [rule.objective(there[0] + 0.1, there, 0)[1] for there in written]
    np.testing.assert_allclose(climbs[1:], [climbs[0]] * 2, atol=1e-8)
    slope = -TableGame(game).gradients(z)[0, 0]
    moved = [K @ K.T @ slope for K in (policy.matrices(2)[0] for policy in ways)]
    assert min(np.abs(moved[0] - moved[1]).max(), np.abs(moved[0] - moved[2]).max()) > 0.5
