"""Fixed points: one marker per place and class, nothing hidden, only known classes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from pycrld_econ.plots import add_fixed_point_legend, fixed_point_handles, plot_fixed_points  # noqa: E402

ONE = ([0], [0], [0]), ([1], [0], [0])
CLASSES = ["sink", "source", "saddle", "centre", "neutral"]


class Stability(StrEnum):
    SINK = "sink"
    SADDLE = "saddle"


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def points_at(*places: tuple[float, float], hidden: float = 0.5) -> np.ndarray:
    "Joint strategies (k, 2, 2, 2) with the given cooperation in condition 0."
    cooperation = np.full((len(places), 2, 2), hidden)
    cooperation[:, :, 0] = places
    return np.stack([cooperation, 1 - cooperation], axis=-1)


def shown(ax: Any) -> list[tuple[tuple[float, float], str, str, Any]]:
    "Place, shape, filling and colour of every marker; each is drawn on a white rim, which is left out."
    return [
        (tuple(line.get_xydata()[0]), line.get_marker(), line.get_fillstyle(), line.get_mfc())
        for line in ax.lines[1::2]
    ]


def test_every_class_looks_different() -> None:
    places = [(k / 10, 0.5) for k in range(len(CLASSES))]
    (ax,) = plot_fixed_points(points_at(*places), CLASSES, *ONE)
    markers = shown(ax)
    assert [place for place, *_ in markers] == places
    assert len({(shape, filling, str(color)) for _, shape, filling, color in markers}) == len(CLASSES)


def test_points_that_differ_off_the_panel_are_one_marker() -> None:
    points = np.concatenate([points_at((0.2, 0.4), hidden=h) for h in (0.0, 0.5, 1.0)])
    (ax,) = plot_fixed_points(points, ["sink"] * 3, *ONE)
    assert len(shown(ax)) == 1
    (far,) = plot_fixed_points(points_at((0.2, 0.4), (0.2, 0.41)), ["sink"] * 2, *ONE)
    assert len(shown(far)) == 2
    (near,) = plot_fixed_points(points_at((0.2, 0.4), (0.2, 0.41)), ["sink"] * 2, *ONE, tolerance=0.02)
    assert len(shown(near)) == 1


def test_classes_on_one_place_lie_around_each_other() -> None:
    points = np.concatenate([points_at((0.2, 0.4), hidden=h) for h in (0.0, 1.0)])
    (ax,) = plot_fixed_points(points, ["sink", "saddle"], *ONE)
    outer, inner = ax.lines[1], ax.lines[3]
    assert outer.get_marker() == "D" and inner.get_marker() == "o"
    assert outer.get_markersize() > inner.get_markersize()


def test_enumerations_of_texts_are_classes() -> None:
    (ax,) = plot_fixed_points(points_at((0, 0), (0.5, 0.5)), list(Stability), *ONE)
    assert len(shown(ax)) == 2
    assert [h.get_label() for h in fixed_point_handles(reversed(Stability))] == ["sink", "saddle"]


def test_no_points_are_no_markers() -> None:
    (ax,) = plot_fixed_points(np.empty((0, 2, 2, 2)), [], *ONE)
    assert not ax.lines and not fixed_point_handles([])


def test_legend_stands_above_panel_and_title() -> None:
    (ax,) = plot_fixed_points(points_at((0, 0)), ["sink"], *ONE)
    legend = add_fixed_point_legend(ax, ["sink", "source"])
    ax.figure.canvas.draw()
    assert [text.get_text() for text in legend.get_texts()] == ["sink", "source"]
    assert ax.get_title() and legend.get_window_extent().y0 >= ax.title.get_window_extent().y1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ["sink"]}, "classes must hold one entry per point, 2 in all"),
        ({"classes": "ab"}, "classes must hold one entry per point"),
        ({"classes": ["sink", "whirl"]}, "classes must be among .*'neutral'.*, got 'whirl'"),
        ({"points": points_at((0, 0))[0]}, r"points has shape \(2, 2, 2\), must be \(k, N, Q, M\)"),
        ({"points": points_at((0, 0), (np.nan, 0))}, "points must be finite"),
        ({"y": ([2], [0], [0])}, "agents of y must be in 0 … 1, got 2"),
    ],
)
def test_bad_fixed_point_arguments_are_named(changes: dict[str, Any], message: str) -> None:
    arguments = {"points": points_at((0, 0), (1, 1)), "classes": ["sink"] * 2, "x": ONE[0], "y": ONE[1]}
    with pytest.raises((TypeError, ValueError), match=message):
        plot_fixed_points(**(arguments | changes))
    assert not plt.get_fignums()
