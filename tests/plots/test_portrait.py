"""Phase portraits: which coordinates, which starts, which fixed points, and what the summary says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.agents.catalogue import build as build_learner
from pycrld_econ.agents.catalogue import learners
from pycrld_econ.environments import SocialDilemma, TensorGame, build
from pycrld_econ.environments.random_games import random_game
from pycrld_econ.plots import Portrait, plot_portrait
from pycrld_econ.plots.portrait import MOST_PANELS, portrait_coordinates, spread_strategies

README = {"R": 1.0, "T": 0.8, "S": -0.5, "P": 0.0}


def draw(game, learner=StrategyActorCritic, **options) -> Portrait:
    options = {"Tmax": 20, "fixed_points": None, "figure": Figure(), "NrRandom": 2} | options
    return plot_portrait(learner(game, 0.1, 0.9, use_prefactor=True), **options)


def places(portrait: Portrait, kind: str) -> set[tuple[float, float]]:
    marked = portrait.fixed_points
    chosen = marked.points[[name == kind for name in marked.classes]]
    return {tuple(point) for point in np.round(chosen[:, :, 0, 0], 12).tolist()}


# Fixed points


@pytest.mark.parametrize(
    ("payoffs", "sinks", "saddles"),
    [
        ({"R": 1.0, "T": 0.8, "S": -0.5, "P": 0.0}, {(0, 0), (1, 1)}, {(round(5 / 7, 12),) * 2}),
        ({"R": 3.0, "T": 5.0, "S": 0.0, "P": 1.0}, {(0, 0)}, {(0, 1), (1, 0)}),
        ({"R": 3.0, "T": 4.0, "S": 1.0, "P": 0.0}, {(0, 1), (1, 0)}, {(0.5, 0.5)}),
        ({"R": 4.0, "T": 3.0, "S": 2.0, "P": 1.0}, {(1, 1)}, {(0, 1), (1, 0)}),
    ],
    ids=["stag hunt", "prisoners dilemma", "chicken", "harmony"],
)
def test_sinks_are_the_strict_equilibria(payoffs: dict[str, float], sinks: set, saddles: set):
    portrait = draw(SocialDilemma(**payoffs), fixed_points="find")
    assert places(portrait, "sink") == sinks
    assert places(portrait, "saddle") == saddles


def test_markers_stand_where_the_fixed_points_are():
    portrait = draw(SocialDilemma(**README), fixed_points="find", starts=0)
    (ax,) = portrait.axes
    drawn = {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ax.lines}
    np.testing.assert_allclose(sorted(drawn), [(0, 0), (0, 1), (5 / 7, 5 / 7), (1, 0), (1, 1)], atol=1e-9)
    legend = [text.get_text() for text in portrait.figure.legends[0].get_texts()]
    assert legend == ["sink", "source", "saddle"]


def test_fixed_points_of_the_caller_are_marked():
    points = [[[[0.25, 0.75]], [[0.5, 0.5]]]]
    given_points = SimpleNamespace(points=points, classes=["centre"])
    portrait = draw(SocialDilemma(**README), fixed_points=given_points)
    assert portrait.summary().endswith("fixed points: 1 centre (0.25, 0.5)")
    with pytest.raises(ValueError, match="fixed_points must be 'find', None or"):
        draw(SocialDilemma(**README), fixed_points="all")


def test_portrait_says_why_nobody_searched():
    summary = draw(build("memory-one-pd"), fixed_points="find").summary()
    assert "fixed points: not searched (the game has 6561 supports" in summary
    assert draw(SocialDilemma(**README)).summary().endswith("fixed points: not searched")


def test_fixed_points_that_are_not_isolated_are_counted():
    game = TensorGame(np.ones((1, 2, 2, 1)), np.zeros((2, 1, 2, 2, 1)))  # nothing matters
    assert "not isolated)" in draw(game, fixed_points="find").summary()


# Trajectories


def test_trajectories_start_as_told_and_end_where_the_dynamics_leads():
    dynamics = StrategyActorCritic(SocialDilemma(**README), 0.1, 0.9)
    starts = dynamics.random_points(2, 0)
    portrait = plot_portrait(dynamics, starts=starts, Tmax=5000, figure=Figure())
    for start, path, rest in zip(starts, portrait.trajectories, portrait.at_rest, strict=True):
        expected, reached = dynamics.trajectory(start, 5000, 1e-5)
        np.testing.assert_array_equal(path, expected)
        assert rest is reached is True
    assert portrait.summary().startswith("2 trajectories (all come to rest)")


@pytest.mark.parametrize("resting", [0, 1, 2, 3])
def test_summary_counts_trajectories_at_rest(resting: int):
    dynamics = StrategyActorCritic(SocialDilemma(**README), 0.1, 0.9)
    starts = dynamics.random_points(3, 2)
    lengths = sorted(len(dynamics.trajectory(start, 5000, 1e-5)[0]) for start in starts)
    portrait = plot_portrait(
        dynamics, starts=starts, Tmax=[1, *lengths][resting], fixed_points=None, figure=Figure()
    )
    said = ["none comes to rest", "1 comes to rest", "2 come to rest", "all come to rest"][resting]
    assert f"3 trajectories ({said})" in portrait.summary()


def test_same_seed_same_portrait():
    one, two, other = (draw(SocialDilemma(**README), rng=seed) for seed in (3, 3, 5))
    np.testing.assert_array_equal(one.trajectories, two.trajectories)
    assert not np.array_equal(one.trajectories, other.trajectories)


@given(
    available=st.integers(1, 3).flatmap(
        lambda M: st.lists(
            st.lists(st.booleans(), min_size=M, max_size=M).filter(any), min_size=1, max_size=4
        )
    ),
    count=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_spread_strategies_are_strategies_and_nested(available: list, count: int, seed: int):
    mask = np.array(available)[None]
    X = spread_strategies(mask, count, seed)
    assert X.shape == (count, *mask.shape)
    assert (X >= 0).all() and not X[:, ~mask].any()
    np.testing.assert_allclose(X.sum(-1), 1, rtol=1e-12)
    np.testing.assert_array_equal(spread_strategies(mask, count + 3, seed)[:count], X)


# Panels


@pytest.mark.parametrize("learner", learners())
@pytest.mark.parametrize(
    ("game", "panels", "complete"),
    [
        ("social-dilemma", 1, True),
        ("rock-paper-scissors", 1, False),
        ("public-good", 1, False),
        ("ecological-public-good", 2, False),
        ("memory-one-pd", 4, False),
        ("risk-reward", 1, True),
        ("renewable-resource", 8, False),
    ],
)
def test_panels_for_every_kind_of_game(learner: str, game: str, panels: int, complete: bool):
    portrait = plot_portrait(
        build_learner(learner, build(game), learning_rates=0.1, discount_factors=0.9),
        Tmax=20,
        NrRandom=2,
        fixed_points=None,
        figure=Figure(),
    )
    assert len(portrait.axes) == len(portrait.flow) == panels
    assert portrait.complete is complete
    assert len(portrait.trajectories) == 3


def test_panels_show_the_coordinates_asked_for():
    portrait = draw(build("public-good", {"N": 3}), agents=(2, 1), action=1)
    (field,) = portrait.flow
    assert (field.panel.x, field.panel.y) == ((2, 0, 1), (1, 0, 1))
    portrait = draw(build("memory-one-pd"), conditions=[3, 1])
    assert [field.panel.x[1] for field in portrait.flow] == [3, 1]


def test_states_without_a_choice_are_left_out():
    available = np.ones((2, 2, 2), dtype=bool)
    available[0, 1, 1] = False
    x, y = portrait_coordinates(available)
    assert x == ([0], [0], [0]) and y == ([1], [0], [0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"agents": (0, 2)}, r"agents must be in 0 … 1, got 2"),
        ({"action": 2}, r"action must be in 0 … 1, got 2"),
        ({"conditions": [1]}, r"conditions must be in 0 … 0, got 1"),
        ({"agents": (1, 1)}, r"x and y must differ"),
        ({"Tmax": 0}, r"Tmax must be at least 1, got 0"),
        ({"starts": -1}, r"starts must be at least 0, got -1"),
    ],
    ids=str,
)
def test_nonsense_is_refused(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        draw(SocialDilemma(**README), **options)


def test_too_many_panels_are_refused():
    game = random_game(N=2, M=2, Z=MOST_PANELS + 1, rng=0)
    with pytest.raises(ValueError, match=f"{MOST_PANELS + 1} panels are more than {MOST_PANELS}"):
        draw(game)
    assert len(draw(game, conditions=[0, MOST_PANELS]).axes) == 2
