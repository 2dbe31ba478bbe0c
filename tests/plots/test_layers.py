"""Layers of portraits: what is drawn, onto whose axes, and where hidden coordinates come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pycrld_econ.agents import StrategyActorCritic, replicator
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma
from pycrld_econ.plots import Portrait, plot_portrait
from pycrld_econ.plots.layers import resampled

HUNT = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
GOOD = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01, degraded_choice=True)


def draw(game: Any, **options: Any) -> Portrait:
    options = {"Tmax": 20, "fixed_points": None, "figure": Figure(), "NrRandom": 2} | options
    return plot_portrait(StrategyActorCritic(game, 0.1, 0.9), **options)


def test_layers_are_drawn_onto_each_panel() -> None:
    layers = {"basins": {"resolution": 16}, "nullclines": {"resolution": 21}, "manifolds": {"steps": 20}}
    portrait = draw(HUNT, fixed_points="find", layers=layers)
    (drawn,) = portrait.layers
    assert {name: len(artists) for name, artists in drawn.items()} == {
        "basins": 1,
        "nullclines": 2,
        "manifolds": 4,
    }
    labels = {text.get_text() for text in portrait.figure.legends[0].get_texts()}
    assert {"no change upwards", "stable manifold", "saddle"} <= labels
    two = draw(GOOD, layers={"nullclines": {"resolution": 11}})
    assert len(two.layers) == len(two.axes) == 2


def test_portraits_go_onto_axes_of_the_caller() -> None:
    figure = Figure()
    ax = figure.subplots()
    portrait = draw(HUNT, figure=None, axes=ax)
    assert portrait.axes == [ax] and portrait.figure is figure and not figure.legends
    assert len(ax.collections) + len(ax.lines) > 0


def test_hidden_coordinates_come_from_the_samples() -> None:
    dynamics = StrategyActorCritic(GOOD, 0.1, 0.8)
    samples = dynamics.random_points(4, rng=0)
    options = {"conditions": [0], "NrRandom": 8, "samples": samples}
    one = draw(GOOD, weights=[0.0, 0.0, 1.0, 0.0], **options)
    assert not one.flow[0].varies  # eight times the same sample
    alone = draw(GOOD, conditions=[0], NrRandom=1, samples=samples[2:3])
    np.testing.assert_allclose(one.flow[0].mean, alone.flow[0].mean, atol=1e-15)
    assert draw(GOOD, **options).flow[0].varies


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": ["basin"]}, "layers must be among basins, nullclines, manifolds, got 'basin'"),
        ({"weights": [1.0]}, "weights need samples"),
        ({"samples": np.full((2, 2, 2, 2), 0.5), "weights": [1.0]}, "weights must hold 2 numbers"),
        ({"axes": Figure().subplots(1, 2)}, "figure and axes exclude each other"),
    ],
)
def test_layers_and_samples_that_do_not_fit_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw(GOOD, **options)


def test_layers_of_a_flow() -> None:
    layers = {"basins": {"resolution": 4, "tolerance": 1e-3}, "nullclines": {"resolution": 5}}
    portrait = plot_portrait(
        replicator(HUNT, time_step=1.0), starts=1, Tmax=5, layers=layers, figure=Figure()
    )
    assert {name: len(artists) for name, artists in portrait.layers[0].items()} == {
        "basins": 1,
        "nullclines": 2,
    }
    assert sorted(portrait.fixed_points.classes) == ["saddle", "sink", "sink", "source", "source"]


@pytest.mark.parametrize("seed", range(3))
def test_copies_differ_from_their_mean_by_less_than_one(seed: int) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.ones(7))
    counts = np.bincount(resampled(np.arange(7.0), shares, 40, rng=seed).astype(int), minlength=7)
    assert counts.sum() == 40 and (np.abs(counts - 40 * shares) < 1 + 1e-9).all()
