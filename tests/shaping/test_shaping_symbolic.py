"""Formulas of values against numbers: the linear solve, closed-form slopes, and the kernel's Taylor form."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.shaping import (
    LOLA,
    IteratedGame,
    OpponentShaping,
    TableGame,
    contribution_game,
    matching_pennies,
    prisoners_dilemma,
    values,
)

sympy = pytest.importorskip("sympy")
from pycrld_econ.shaping.symbolic import determinant, symbolic_value, taylor_lola_field  # noqa: E402

RNG = np.random.default_rng(0)
P = RNG.random((20, 2, 5))


def columns(p, gamma):
    return [*np.moveaxis(p.reshape(len(p), 10), -1, 0), gamma]


def test_all_slopes_of_memory_one_values():
    game = prisoners_dilemma()
    slopes = symbolic_value(game).function(gradients=True)(*columns(P, game.gamma)).reshape(20, 2, 2, 5)
    z = np.log(P) - np.log1p(-P)
    expected = -TableGame(game).gradients(z)
    np.testing.assert_allclose(slopes * (P * (1 - P))[:, None], expected, rtol=1e-9, atol=1e-9)


def test_values_for_any_discount():
    form = symbolic_value([["a", "b", "c", 1], [0, 2, "d", 0.5]])
    assert {str(s) for s in form.denominator.ring.symbols} >= {"a", "b", "c", "d", "gamma"}
    numbers = {"a": 0.3, "b": -1.0, "c": 2.0, "d": 0.7, "gamma": 0.5}
    numbers |= dict(zip(form.names, P[0].ravel(), strict=True))
    given = [float(form.expression(k).subs(numbers)) for k in range(2)]
    game = IteratedGame([[0.3, -1.0, 2.0, 1.0], [0.0, 2.0, 0.7, 0.5]], 0.5)
    np.testing.assert_allclose(given, values(game, P[0]), rtol=1e-11)


def test_every_probability_enters_as_a_ratio_of_affine_functions():
    form = symbolic_value(matching_pennies())
    for polynomial in (*form.numerators, form.denominator):
        assert all(max(powers[:10]) <= 1 for powers in polynomial.monoms())


def test_symmetric_and_reactive_forms_are_the_general_one():
    game = contribution_game(1.33)
    c = RNG.random((6, 5))
    both = np.stack([c, c[:, [0, 2, 1, 3, 4]]], 1)
    given = symbolic_value(game, "symmetric").function()(*c.T, game.gamma)
    np.testing.assert_allclose(given, values(game, both), rtol=1e-11)
    x, p, q, y, u, v = RNG.random((6, 6))
    both = np.stack([np.stack([q, p, q, p, x], 1), np.stack([v, v, u, u, y], 1)], 1)
    given = symbolic_value(game, "reactive").function()(x, p, q, y, u, v, game.gamma)
    np.testing.assert_allclose(given, values(game, both), rtol=1e-11)


@pytest.mark.slow
def test_taylor_field_is_the_kernel():
    game = prisoners_dilemma()
    form, p = symbolic_value(game), P[0]
    field = taylor_lola_field(form, ["p_DD", "p_start"], sympy.Symbol("eta"))
    numbers = dict(zip((*form.names, "gamma", "eta"), (*p.ravel(), game.gamma, 0.5), strict=True))
    given = sympy.lambdify([sympy.Symbol(name) for name in numbers], field, "numpy")(*numbers.values())
    z = np.log(p) - np.log1p(-p)
    step = OpponentShaping(game, LOLA(0.5, 1.0, "taylor")).learn(z).parameters - z
    np.testing.assert_allclose(given, step[0, [0, 4]], rtol=1e-9)


def test_reactive_taylor_field_is_a_derivative():
    """Of V_1 + eta dV_1/dw . dV_2/dw, by central differences of differences."""
    game, eta, h = contribution_game(1.4, gamma=0.9), 0.7, 1e-4
    form = symbolic_value(game, "reactive")
    field = taylor_lola_field(form, ["x", "p", "q"], eta)
    V, z = form.function(), np.array([0.3, -0.2, 0.8, 0.1, 0.5, -0.6])
    sigma = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731

    def goal(z):
        slopes = [(V(*sigma(z + d), 0.9) - V(*sigma(z - d), 0.9)) / (2 * h) for d in h * np.eye(6)[3:]]
        return V(*sigma(z), 0.9)[0] + eta * sum(slope[0] * slope[1] for slope in slopes)

    central = [(goal(z + d) - goal(z - d)) / (2 * h) for d in h * np.eye(6)[:3]]
    numbers = dict(zip((*form.names, "gamma"), (*sigma(z), 0.9), strict=True))
    given = sympy.lambdify([sympy.Symbol(name) for name in numbers], field, "numpy")(*numbers.values())
    np.testing.assert_allclose(given, central, rtol=1e-5, atol=1e-6)


def test_determinants():
    a = RNG.random((4, 4))
    np.testing.assert_allclose(determinant(a.tolist()), np.linalg.det(a), rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: symbolic_value(contribution_game(1.8, 3)), "game must have 2 players"),
        (lambda: symbolic_value(prisoners_dilemma(), "two"), "memory must be"),
        (lambda: symbolic_value([["p", 0, 0, 1], [0, 0, 0, 1]], "reactive"), "game must not name"),
        (lambda: symbolic_value([["gamma", 0, 0, 1], [0, 0, 0, 1]]), "game must not name"),
        (
            lambda: taylor_lola_field(symbolic_value(prisoners_dilemma(), "symmetric"), ["c_DD"]),
            "value must tell the players apart",
        ),
        (
            lambda: taylor_lola_field(symbolic_value(prisoners_dilemma(), "reactive"), ["u"]),
            "names must be among",
        ),
        (lambda: symbolic_value(prisoners_dilemma(), "reactive").second(0, "a", "p"), "name must be one of"),
    ],
)
def test_formulas_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()
