"""Published rows: the file, the measured shares, the command."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pycrld_econ.shaping.commands import shaping
from pycrld_econ.shaping.experiments import apart, heat_map, row, row_from, rows, run_row, table, wilson

GOOD = {"cf": 1.3, "epochs": 2, "policy": {"kind": "tabular"}, "rule": {"kind": "lola"}}


@pytest.mark.parametrize("name", sorted(rows()))
def test_every_row_makes_an_epoch_possible(name):
    dynamics = row(name).dynamics()
    assert dynamics.game.N == 2 and row(name).epochs >= 1


def test_a_tabular_row_agrees():
    result = run_row("lola_tabular_1.6", 40, seed=3)
    low, high = result.interval
    assert result.agrees and low < row("lola_tabular_1.6").expected["any"] <= high
    assert result.lessons.first_epoch.min() >= 1


@pytest.mark.parametrize("name", [n for n in sorted(rows()) if rows()[n].group == "figure_1"])
def test_fixed_starts_agree(name):
    result = run_row(name)
    assert result.runs == 1 and result.agrees
    other = np.array(row(name).policies) + 1e-5
    assert not replace(result, row=replace(row(name), policies=tuple(map(tuple, other)))).agrees


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
        (lambda: row_from("a", "b", GOOD | {"cf": -1}), "cf must be"),
        (lambda: row_from("a", "b", GOOD | {"epochs": 2.5}), "epochs must be"),
        (lambda: run_row("lola_tabular_1.1", 1, seed=-1), "seed must be"),
        (lambda: run_row("figure1_lola_net1", 20), "repeats must be 1"),
        (lambda: heat_map("lola_tabular_1.1", "lr_inner", [1], "lr_inner", [2]), "must differ"),
        (lambda: heat_map("figure1_lola_net1", "lr_inner", [1], "cf", [1.2]), "base must have random"),
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
    for mistake in (["lola_tabular_1.1", "--seed", "-1"], ["figure1_lola_net1", "--repeats", "5"]):
        with pytest.raises(SystemExit) as leaving:
            shaping(["run", *mistake])
        assert leaving.value.code == 2
    assert shaping(["run", "figure1_lola_net1"]) == 0
