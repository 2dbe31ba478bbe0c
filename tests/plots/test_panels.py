"""Panels: every way in which two axes may not fit is named, and labels name what is drawn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from pycrld_econ.plots.panels import (  # noqa: E402
    Panel,
    as_panels,
    draw_frame,
    label_panels,
    names_for,
    new_axes,
    prepare_axes,
)

SHAPE = (3, 4, 2)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (([0], [1], [0]), ([1], [1], [1]), [Panel((0, 1, 0), (1, 1, 1))]),
        ((0, 1, 0), (1, 1, 1), [Panel((0, 1, 0), (1, 1, 1))]),
        (
            ([0, 1], [2], [0]),
            ([1, 2], [3], [0]),
            [Panel((0, 2, 0), (1, 3, 0)), Panel((1, 2, 0), (2, 3, 0))],
        ),
        (
            ([0], np.arange(4), [0]),
            ([2], range(4), [1]),
            [Panel((0, o, 0), (2, o, 1)) for o in range(4)],
        ),
        (([0], [0], [0, 1]), ([1], [0], [0, 1]), [Panel((0, 0, a), (1, 0, a)) for a in range(2)]),
    ],
)
def test_panels_are_the_pairs_of_entries(x: Any, y: Any, expected: list[Panel]) -> None:
    assert list(as_panels(x, y, SHAPE)) == expected


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (([0], [0]), ([1], [0], [0]), "x must be three lists"),
        (None, ([1], [0], [0]), "x must be three lists"),
        (([3], [0], [0]), ([1], [0], [0]), "agents of x must be in 0 … 2, got 3"),
        (([0], [0], [0]), ([1], [4], [0]), "conditions of y must be in 0 … 3, got 4"),
        (([0], [0], [0]), ([1], [0], [-1]), "actions of y must be in 0 … 1, got -1"),
        (([0], [0], [0]), ([1], [], [0]), "conditions of y must be a list of whole numbers"),
        (([0], [0], ["c"]), ([1], [0], [0]), "actions of x must be a list of whole numbers"),
        (([0, 1], [0, 1], [0]), ([1], [0], [0]), "at most one of the three lists of x"),
        (([0], [0, 1, 2], [0]), ([1], [0, 1], [0]), "conditions of x and y must be equally many"),
        (([0, 1], [0], [0]), ([1], [0, 1], [0]), "agents of x and y must be equally many"),
        (([0], [0], [0, 1]), ([1], [0], [1, 0]), "several actions must be the same in x and y"),
        (([0], [2], [0]), ([0], [2], [0]), "x and y must differ"),
    ],
)
def test_axes_that_do_not_fit_are_named(x: Any, y: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        as_panels(x, y, SHAPE)


def test_labels_belong_to_their_own_axis() -> None:
    game = SimpleNamespace(Aset=[["a", "b"], ["c", "d"]], Sset=["low", "high"])
    panels = as_panels(([0], [0, 1], [1]), ([1], [0, 1], [0]), (2, 2, 2))
    axes = new_axes(2)
    label_panels(axes, panels, names_for(None, None, game, (2, 2, 2)), conditions=2)
    assert [ax.get_xlabel() for ax in axes] == ["Agent 1's probability of b"] * 2
    assert [ax.get_ylabel() for ax in axes] == ["Agent 2's probability of c"] * 2
    assert [ax.get_title() for ax in axes] == ["Condition low", "Condition high"]


def test_conditions_that_differ_stand_in_the_labels() -> None:
    (panel,), (ax,) = as_panels(([0], [0], [0]), ([0], [1], [0])), new_axes(1)
    label_panels([ax], [panel], names_for(None, ["one", "two"], None, (1, 2, 2)), conditions=2)
    assert ax.get_title() == ""
    assert ax.get_xlabel().endswith("one") and ax.get_ylabel().endswith("two")


def test_one_condition_needs_no_title() -> None:
    (panel,), (ax,) = as_panels(([0], [0], [0]), ([1], [0], [0])), new_axes(1)
    label_panels([ax], [panel], names_for(["c", "d"], None, None, (2, 1, 2)), conditions=1)
    assert ax.get_title() == "" and ax.get_ylabel() == "Agent 2's probability of c"


def test_axes_may_be_given_alone_in_a_list_or_in_an_array() -> None:
    _, grid = plt.subplots(2, 2)
    assert prepare_axes(grid[0, 0], 1) == [grid[0, 0]]
    assert prepare_axes(grid, 4) == list(grid.ravel())
    assert prepare_axes((ax for ax in grid[0]), 2) == list(grid[0])


def test_limits_are_fixed_unless_left_to_matplotlib() -> None:
    fixed, free = new_axes(2)
    draw_frame(fixed, limits=(-0.1, 1.2))
    draw_frame(free, limits=None)
    fixed.plot([3], [3])
    free.plot([3], [3])
    assert fixed.get_xlim() == fixed.get_ylim() == (-0.1, 1.2)
    assert free.get_xlim()[1] > 3
