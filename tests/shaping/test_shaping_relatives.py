"""Games as losses and the relatives of LOLA: derivatives, closed forms, higher orders, consistency."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents.base import Dynamics
from pycrld_econ.agents.results import Status
from pycrld_econ.analysis import bifurcation_diagram
from pycrld_econ.shaping import LOLA, Naive, OpponentShaping, chicken, contribution_game, prisoners_dilemma
from pycrld_econ.shaping.consistency import consistent, consistent_on_box, higher_order, next_level
from pycrld_econ.shaping.losses import (
    LogisticGame,
    QuadraticGame,
    TableGame,
    balduzzi,
    hamiltonian,
    one_shot,
    one_shot_matching_pennies,
    tandem,
    ultimatum,
)
from pycrld_econ.shaping.relatives import DIRECTIONS, EXTRA, GradientRule

LOSSES = {
    "tandem": tandem(),
    "hamiltonian": hamiltonian(),
    "balduzzi": balduzzi(),
    "pennies": one_shot_matching_pennies(),
    "ultimatum": ultimatum(),
    "chicken": one_shot(chicken()),
    "logistic": LogisticGame(0.01),
    "dilemma": TableGame(prisoners_dilemma()),
    "three": TableGame(contribution_game(1.8, 3)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives(name):
    game, h = LOSSES[name], 1e-6
    x = np.random.default_rng(0).normal(0, 0.7, (game.N, game.d))
    nudges = h * np.eye(x.size).reshape(-1, *x.shape)
    slopes = (game.losses(x + nudges) - game.losses(x - nudges)) / (2 * h)
    np.testing.assert_allclose(game.gradients(x).reshape(game.N, -1), slopes.T, rtol=1e-6, atol=1e-7)
    bends = (game.gradients(x + nudges) - game.gradients(x - nudges)) / (2 * h)
    expected = np.moveaxis(bends, 0, -1).reshape(game.N, game.N, game.d, game.N, game.d)
    np.testing.assert_allclose(game.hessians(x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", [*DIRECTIONS, *EXTRA])
def test_batches_are_single_runs(rule):
    game = TableGame(prisoners_dilemma())
    x = np.random.default_rng(1).normal(size=(3, 2, 5))
    dynamics = GradientRule(game, rule, 0.3)
    np.testing.assert_allclose(dynamics.step(x)[0][1], dynamics.step(x[1])[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("rule", "twin"),
    [
        ("naive", Naive(0.3)),
        ("lola_lookahead", LOLA(0.3, 0.3)),
        ("lola_taylor", LOLA(0.3, 0.3, "taylor")),
        ("lola_shaping", LOLA(0.3, 0.3, "shaping")),
        ("look_ahead", LOLA(0.3, 0.3, "look-ahead term")),
    ],
)
@pytest.mark.parametrize("game", [contribution_game(1.33), contribution_game(1.8, 3)], ids=["two", "three"])
def test_relatives_equal_the_kernels(game, rule, twin):
    x = np.random.default_rng(2).normal(0, 0.5, (game.N, game.S))
    step = GradientRule(TableGame(game), rule, 0.3).step(x)[0]
    np.testing.assert_allclose(step, OpponentShaping(game, twin).learn(x).parameters, rtol=1e-11, atol=1e-12)


def test_consistency_is_the_limit_of_higher_orders():
    limit, field = higher_order(tandem(), 400, 0.2), consistent(tandem(), 0.2)
    np.testing.assert_allclose(limit.M, field.M, atol=1e-9)
    M, c = next_level(tandem(), field.M, field.c, 0.2)
    np.testing.assert_allclose(np.c_[M, c], np.c_[field.M, field.c], atol=1e-10)
    assert not higher_order(tandem(), 50, 0.5).converged


def test_relatives_report_divergence():
    result = GradientRule(balduzzi(), "naive", 1.0).ensemble(np.ones((2, 2, 1)), 500)
    assert (result.status == 3).all()


class Kinked(QuadraticGame):
    "A quadratic game whose mixed second derivatives make competitive descent singular where x_1 > 0"

    def hessians(self, x):
        full = super().hessians(x).copy()
        full[..., 0, 0, 0, 1, 0] = full[..., 1, 1, 0, 0, 0] = np.where(x[..., 0, 0] > 0, 1.0, 0.0)
        return full


@pytest.mark.parametrize("rule", ["competitive", "lss"])
def test_one_lost_start_does_not_end_the_others(rule):
    game = Kinked(np.stack([np.eye(2)] * 2), np.zeros((2, 2)))
    x0 = np.array([[[1.0], [1.0]], [[-1.0], [-0.5]]])
    if rule == "lss":
        x0[0] = np.nan
    run = GradientRule(game, rule, 1.0 if rule == "competitive" else 0.5).ensemble(x0, 4)
    assert run.status[0] == Status.NOT_A_NUMBER and run.status[1] != Status.NOT_A_NUMBER
    alone = GradientRule(game, rule, 1.0 if rule == "competitive" else 0.5).ensemble(x0[1], 4)
    np.testing.assert_array_equal(run.X[1], alone.X)


def test_relatives_have_bifurcation_diagrams():
    """The rest point of LOLA's shaping form in tandem moves as 1 / (1 - 2 alpha)."""
    rates = np.array([0.05, 0.1, 0.2])
    one = GradientRule(tandem(), "lola_shaping", 0.1)
    diagram = bifurcation_diagram(
        one, lambda a: GradientRule(tandem(), "lola_shaping", a), rates, np.zeros((2, 1)), 300, 32
    )
    assert (diagram.period == 1).all()
    np.testing.assert_allclose(diagram.points[:, 0, 0].sum((-2, -1)), 1 / (1 - 2 * rates), rtol=1e-8)
    paths = one.ensemble(2, 5, rng=0, record="all")
    np.testing.assert_array_equal(paths.records[1], one.run(paths.start[1], 4))


def test_mean_losses_of_the_dilemma():
    game = TableGame(prisoners_dilemma())
    x = np.random.default_rng(3).normal(size=(200, 2, 5))
    expected = {"naive": 1.99, "lola_taylor": 1.05, "lola_shaping": 1.045, "sos": 1.06}
    for rule, mean in expected.items():
        last = GradientRule(game, rule, 1.0).run(x, 100)[-1]
        assert abs((0.04 * game.losses(last)).mean() - mean) < 0.045, rule


CLOSED = [rule for rule in (*DIRECTIONS, *EXTRA) if rule not in ("hola", "optimistic")]


@pytest.mark.parametrize("rule", CLOSED)
def test_relatives_are_dynamics_with_exact_derivatives(rule):
    dynamics, h = GradientRule(TableGame(prisoners_dilemma(0.5)), rule, 0.2), 1e-6
    assert isinstance(dynamics, Dynamics)
    x = np.random.default_rng(4).normal(size=(2, 5))
    nudges = h * np.eye(10).reshape(10, 2, 5)
    central = (dynamics.step(x + nudges)[0] - dynamics.step(x - nudges)[0]) / (2 * h)
    expected = np.moveaxis(central, 0, -1).reshape(2, 5, 2, 5)
    np.testing.assert_allclose(dynamics.jacobian(x), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "three"])
def test_first_higher_order_is_exact_look_ahead(name):
    pytest.importorskip("torch")
    game = LOSSES[name]
    x = np.random.default_rng(5).normal(0, 0.7, (3, game.N, game.d))
    for rule, order in (("naive", 0), ("lola_lookahead", 1)):
        given = GradientRule(game, "hola", 0.3, {"order": order}).step(x)[1]
        np.testing.assert_allclose(given, GradientRule(game, rule, 0.3).step(x)[1], rtol=1e-11, atol=1e-12)


def test_any_order_of_a_quadratic_game():
    pytest.importorskip("torch")
    x = np.random.default_rng(6).normal(size=(4, 2, 1))
    for order in range(5):
        given = GradientRule(balduzzi(), "hola", 0.1, {"order": order, "beta": 0.02}).step(x)[1]
        np.testing.assert_allclose(given, higher_order(balduzzi(), order, 0.02)(x), rtol=1e-11, atol=1e-11)


def test_higher_orders_approach_consistency_on_a_box():
    """The gap to COLA's field shrinks as beta^(order + 1)."""
    pytest.importorskip("torch")
    game, x = one_shot_matching_pennies(), np.random.default_rng(7).uniform(-1, 1, (20, 2, 1))
    gaps = {}
    for beta in (0.1, 0.2):
        field = consistent_on_box(game, beta, 1.5, 14)
        assert field.converged and field.between < 1e-7
        for order in (0, 1, 2):
            step = GradientRule(game, "hola", 0.1, {"order": order, "beta": beta}).step(x)[1]
            gaps[order, beta] = np.abs(step - field(x)).max()
    for order in (0, 1, 2):
        growth = np.log2(gaps[order, 0.2] / gaps[order, 0.1])
        assert abs(growth - (order + 1)) < 0.35, (order, growth)


def test_consistency_on_a_box_equals_the_affine_field():
    x = np.random.default_rng(8).uniform(-1, 1, (5, 2, 1))
    for game in (tandem(), hamiltonian()):
        box = consistent_on_box(game, 0.2, 1.0, 4)
        np.testing.assert_allclose(box(x), consistent(game, 0.2)(x), atol=1e-9)
    assert np.isnan(box(np.full((2, 1), 1.5))).all()
    lost = GradientRule(hamiltonian(), box, 0.5).ensemble(np.full((2, 1), 0.9), 50)
    assert lost.status == 3 or np.abs(lost.X).max() <= 1


def test_an_unsolved_consistency_says_so():
    field = consistent_on_box(LogisticGame(), 1.0, 2.0, 8, steps=10)
    assert not field.converged and field.residual > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GradientRule(tandem(), "mine"), "rule must be"),
        (lambda: GradientRule(tandem(), "sos", 0.0), "alpha must be"),
        (lambda: GradientRule(tandem(), "naive", 1.0, {"eta": 1.0}), "options of 'naive'"),
        (lambda: GradientRule(tandem(), "extragradient", 1.0, {"eta": 1.0}), "options of 'extragradient'"),
        (lambda: GradientRule(tandem(), "lola_lookahead", 1.0, {"etta": 1.0}), "options of 'lola_lookahead'"),
        (lambda: GradientRule(tandem(), "sos", 1.0, {"c": 1.0}), "options of 'sos'"),
        (lambda: GradientRule(tandem(), "optimistic").jacobian(np.zeros((2, 1))), "without memory"),
        (lambda: GradientRule(tandem(), "sos").step(np.zeros((2, 2))), "X must have shape"),
        (lambda: GradientRule(tandem(), "hola").jacobian(np.zeros((2, 1))), "closed form"),
        (lambda: GradientRule(tandem(), "hola", 1.0, {"order": -1}).step(np.zeros((2, 1))), "order must be"),
        (lambda: one_shot(contribution_game(1.5, 3)), "game must have 2 players"),
        (lambda: consistent(tandem(), -1.0), "beta must be"),
        (lambda: higher_order(tandem(), -1, 0.1), "order must be"),
        (lambda: consistent_on_box(TableGame(prisoners_dilemma()), 0.1), "game must have 2 players"),
        (lambda: consistent_on_box(tandem(), 0.1, width=0.0), "width must be"),
    ],
)
def test_relatives_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()
