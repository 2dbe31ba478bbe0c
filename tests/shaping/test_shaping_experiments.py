"""Published rows: the file, the measured shares, the command, the relatives' closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.shaping import LOLA, Naive, OpponentShaping, contribution_game, prisoners_dilemma
from pycrld_econ.shaping.commands import shaping
from pycrld_econ.shaping.experiments import apart, heat_map, row, row_from, rows, run_row, table, wilson
from pycrld_econ.shaping.relatives import (
    DIRECTIONS,
    EXTRA,
    GradientRule,
    TableGame,
    balduzzi,
    consistent,
    hamiltonian,
    higher_order,
    next_level,
    one_shot_matching_pennies,
    tandem,
    ultimatum,
)

GOOD = {"cf": 1.3, "epochs": 2, "policy": {"kind": "tabular"}, "rule": {"kind": "lola"}}
LOSSES = {
    "tandem": tandem(),
    "hamiltonian": hamiltonian(),
    "balduzzi": balduzzi(),
    "pennies": one_shot_matching_pennies(),
    "ultimatum": ultimatum(),
    "dilemma": TableGame(prisoners_dilemma()),
    "three": TableGame(contribution_game(1.8, 3)),
}


@pytest.mark.parametrize("name", sorted(rows()))
def test_every_row_makes_an_epoch_possible(name):
    dynamics = row(name).dynamics()
    assert dynamics.game.N == 2 and row(name).epochs >= 1


def test_a_tabular_row_agrees():
    result = run_row("lola_tabular_1.6", 40, seed=3)
    low, high = result.interval
    assert result.agrees and low < row("lola_tabular_1.6").expected["any"] <= high
    assert result.lessons.first_epoch.min() >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in sorted(rows()) if rows()[n].group == "figure_3"])
def test_published_row_agrees(name):
    assert run_row(name, 400, seed=11).agrees


def test_a_row_is_reproducible():
    few, many = run_row("lola_tabular_1.1", 2, 5).lessons, run_row("lola_tabular_1.1", 4, 5).lessons
    np.testing.assert_array_equal(few.parameters, many.parameters[:2])


def test_wilson_interval():
    np.testing.assert_allclose(wilson(2000, 2000), (0.9980828823994873, 1.0))
    assert wilson(0, 0) == (0.0, 1.0) and apart(5, 10, 0.5, 100) == 0.0


def test_heat_map_counts():
    grid = heat_map("lola_tabular_1.33", "lr_inner", [0.0, 3.0], "lr_outer", [25.0], 3, progress=False)
    assert grid.found.tolist() == [[0, 3]]


def test_table_runs_named_rows():
    assert [r.row.name for r in table(["figure1_lola_net1"], 1)] == ["figure1_lola_net1"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: row("nonsense"), "row must be a known name"),
        (lambda: row_from("a", "b", GOOD | {"mine": 1}), "unknown keys"),
        (lambda: row_from("a", "b", {"cf": 1.3}), "missing keys"),
        (lambda: row_from("a", "b", GOOD | {"rule": {"kind": "mine"}}), "rule.kind"),
        (lambda: row_from("a", "b", GOOD | {"rule": {"kind": "lola", "mine": 1}}), "unknown key"),
        (lambda: row_from("a", "b", GOOD | {"start": "net9"}), "start must be"),
        (lambda: run_row("lola_tabular_1.1", 0), "repeats must be"),
        (lambda: heat_map("lola_tabular_1.1", "mine", [1], "cf", [1]), "x_name and y_name"),
        (lambda: wilson(3, 2), "found must lie"),
        (lambda: GradientRule(tandem(), "mine"), "rule must be"),
        (lambda: GradientRule(tandem(), "sos", 0.0), "alpha must be"),
        (lambda: consistent(tandem(), -1.0), "beta must be"),
        (lambda: higher_order(tandem(), -1, 0.1), "order must be"),
    ],
)
def test_experiments_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_command(capsys):
    assert shaping(["list"]) == 0
    assert capsys.readouterr().out.split() == list(rows())
    assert shaping(["run", "lola_tabular_1.1", "--repeats", "3"]) == 0
    assert "1.000" in capsys.readouterr().out
    with pytest.raises(SystemExit) as leaving:
        shaping(["run", "nonsense"])
    assert leaving.value.code == 2


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
        ("lola_exact", LOLA(0.3, 0.3)),
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


def test_mean_losses_of_the_dilemma():
    game = TableGame(prisoners_dilemma())
    x = np.random.default_rng(3).normal(size=(200, 2, 5))
    expected = {"naive": 1.99, "lola_taylor": 1.05, "lola_shaping": 1.045, "sos": 1.06}
    for rule, mean in expected.items():
        last = GradientRule(game, rule, 1.0).run(x, 100)[-1]
        assert abs((0.04 * game.losses(last)).mean() - mean) < 0.045, rule
