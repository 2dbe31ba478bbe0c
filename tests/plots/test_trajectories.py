"""Trajectories: the drawn curve is the trajectory, styles are cycled, marks stand where runs start and end."""

from __future__ import annotations

from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from matplotlib.colors import to_rgba  # noqa: E402

from pycrld_econ.plots import plot_trajectories  # noqa: E402

ONE = ([0], [1], [0]), ([2], [1], [0])
TWO = ([0], [0, 1], [0]), ([2], [0, 1], [0])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def runs() -> list[np.ndarray]:
    "Random paths of different lengths, (L, 3, 2, 2)."
    rng = np.random.default_rng(0)
    return [rng.dirichlet([1, 1], size=(length, 3, 2)) for length in (30, 40, 1)]


def drawn(ax: Any) -> list[np.ndarray]:
    return [line.get_xydata() for line in ax.lines]


def offsets(ax: Any) -> list[np.ndarray]:
    return [marks.get_offsets()[0].data for marks in ax.collections]


def test_curves_are_the_trajectories(runs: list[np.ndarray]) -> None:
    axes = plot_trajectories(runs, *TWO)
    for condition, ax in enumerate(axes):
        for run, curve in zip(runs, drawn(ax), strict=True):
            np.testing.assert_array_equal(curve, run[:, [0, 2], condition, 0])


def test_starts_and_rests_are_marked(runs: list[np.ndarray]) -> None:
    (ax,) = plot_trajectories(runs, *ONE, fprs=[True, False, False], lws=3)
    coordinates = [run[:, [0, 2], 1, 0] for run in runs]
    expected = [coordinates[0][0], coordinates[0][-1], coordinates[1][0], coordinates[2][0]]
    np.testing.assert_array_equal(offsets(ax), expected)
    assert [marks.get_sizes()[0] for marks in ax.collections] == [36, 60, 36, 36]
    (bare,) = plot_trajectories(runs, *ONE, plot_startmarker=False)
    assert not bare.collections


def test_styles_are_cycled_and_go_on_to_the_next_panel(runs: list[np.ndarray]) -> None:
    first, second = plot_trajectories(runs, *TWO, cols=["k", "r"], lws=[1, 2, 3], alphas=0.5, lss="--")
    colors = [line.get_color() for ax in (first, second) for line in ax.lines]
    assert [to_rgba(color) for color in colors] == [to_rgba(color) for color in "krkrkr"]
    assert [line.get_linewidth() for line in second.lines] == [1, 2, 3]
    assert {line.get_alpha() for line in first.lines} == {0.5}
    assert {line.get_linestyle() for line in first.lines} == {"--"}


def test_a_colour_name_is_one_colour(runs: list[np.ndarray]) -> None:
    (ax,) = plot_trajectories(runs, *ONE, cols="purple")
    assert {line.get_color() for line in ax.lines} == {"purple"}


def test_values_are_centred() -> None:
    values = np.random.default_rng(1).normal(size=(20, 3, 2, 3))
    (ax,) = plot_trajectories([values], *ONE, submean=True)
    centred = values - values.mean(-1, keepdims=True)
    np.testing.assert_array_equal(drawn(ax)[0], centred[:, [0, 2], 1, 0])
    assert "value" in ax.get_xlabel()


def test_one_array_is_one_trajectory(runs: list[np.ndarray]) -> None:
    (ax,) = plot_trajectories(runs[0], *ONE)
    assert len(ax.lines) == 1


def test_given_axes_keep_their_labels(runs: list[np.ndarray]) -> None:
    _, ax = plt.subplots()
    ax.set(xlabel="mine", xlim=(0, 2))
    assert plot_trajectories(runs, *ONE, axes=ax) == [ax]
    assert ax.get_xlabel() == "mine" and ax.get_xlim() == (0, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Xtrajs": []}, "Xtrajs must hold at least one trajectory"),
        ({"Xtrajs": [np.ones((3, 2, 2))]}, r"Xtrajs\[0\] has shape \(3, 2, 2\)"),
        ({"Xtrajs": [np.ones((0, 3, 2, 2))]}, "with L > 0"),
        ({"Xtrajs": [np.ones((4, 3, 2, 2)), np.ones((4, 3, 2, 3))]}, "Xtrajs must agree in shape"),
        ({"x": ([5], [1], [0])}, "agents of x must be in 0 … 2, got 5"),
        ({"fprs": [True]}, "fprs must hold one entry per trajectory, 3 in all, got 1"),
        ({"cols": []}, "cols must hold at least one entry"),
        ({"acts": ["c"]}, r"acts\[0\] must be 2 names"),
        ({"axes": []}, "axes must hold one entry per panel"),
    ],
)
def test_bad_trajectory_arguments_are_named(
    runs: list[np.ndarray], changes: dict[str, Any], message: str
) -> None:
    arguments = {"Xtrajs": runs, "x": ONE[0], "y": ONE[1]} | changes
    with pytest.raises((TypeError, ValueError), match=message):
        plot_trajectories(**arguments)
    assert not plt.get_fignums()
