"""Flow plots: the numbers behind them, what they show, and what they refuse."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from matplotlib.quiver import Quiver  # noqa: E402

from pycrld_econ.agents import StrategyActorCritic  # noqa: E402
from pycrld_econ.environments import EcologicalPublicGood, NormalForm, SocialDilemma  # noqa: E402
from pycrld_econ.plots import flow_field, plot_fixed_points, plot_strategy_flow, plot_trajectories  # noqa: E402

GRID = np.linspace(0.1, 0.9, 5)
ONE = ([0], [0], [0]), ([1], [0], [0])


def quivers(ax: plt.Axes) -> list[Quiver]:
    return [artist for artist in ax.collections if isinstance(artist, Quiver)]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def dilemma() -> StrategyActorCritic:
    return StrategyActorCritic(SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0), 0.1, 0.9)


@pytest.fixture
def public_good() -> StrategyActorCritic:
    return StrategyActorCritic(EcologicalPublicGood(N=3, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), 0.1, 0.9)


def rock_paper_scissors() -> StrategyActorCritic:
    A = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0.0]])
    return StrategyActorCritic(NormalForm(np.stack([A, A.T])), 0.1, 0.0)


def test_field_is_the_step_at_every_grid_point(dilemma: StrategyActorCritic) -> None:
    (field,) = flow_field(dilemma, *ONE, GRID, use_RPEarrows=False)
    for j, y in enumerate(GRID):
        for i, x in enumerate(GRID):
            X = np.array([[[x, 1 - x]], [[y, 1 - y]]])
            moved = (dilemma.step(X)[0] - X)[:, 0, 0]
            np.testing.assert_allclose((field.dX[j, i, 0], field.dY[j, i, 0]), moved, rtol=1e-12, atol=1e-15)


def test_other_states_are_averaged_over(public_good: StrategyActorCritic) -> None:
    x, y = ([0], [1], [0]), ([2], [1], [0])
    samples = public_good.random_points(7, rng=0)
    (field,) = flow_field(public_good, x, y, GRID, use_RPEarrows=False, sampler=samples)
    assert field.dX.shape == (5, 5, 7) and field.varies
    X = samples.copy()
    X[:, 0, 1], X[:, 2, 1] = [GRID[3], 1 - GRID[3]], [GRID[1], 1 - GRID[1]]
    moved = public_good.step(X)[0] - X
    np.testing.assert_allclose(field.dX[1, 3], moved[:, 0, 1, 0], rtol=1e-12)
    np.testing.assert_allclose(field.dY[1, 3], moved[:, 2, 1, 0], rtol=1e-12)


@pytest.mark.parametrize("reuse", [True, False])
def test_same_seed_same_field(public_good: StrategyActorCritic, reuse: bool) -> None:
    x, y = ([0], [1], [0]), ([1], [1], [0])
    fields = [
        flow_field(public_good, x, y, GRID, 4, rng=seed, reuse_samples=reuse)[0].dX for seed in (3, 3, 4)
    ]
    assert np.array_equal(fields[0], fields[1]) and not np.array_equal(fields[0], fields[2])


@pytest.mark.parametrize(("sampler", "deviation"), [("lhs", 0.18), ("simplex", 0.236)])
def test_samplers_have_their_spread(sampler: str, deviation: float) -> None:
    from pycrld_econ.plots.field import base_strategies

    samples = base_strategies((2, 2, 3), (20_000,), sampler, 0, np.ones((2, 2, 3), bool))
    np.testing.assert_allclose(samples.sum(-1), 1)
    assert samples.std() == pytest.approx(deviation, abs=0.005)


def test_two_actions_of_one_agent_share_a_row() -> None:
    (field,) = flow_field(rock_paper_scissors(), ([0], [0], [0]), ([0], [0], [1]), GRID, use_RPEarrows=False)
    inside = GRID[None, :] + GRID[:, None] <= 1 + 1e-12
    assert np.isfinite(field.dX[inside]).all() and np.isnan(field.dX[~inside]).all()


def test_labels_name_agent_and_action(public_good: StrategyActorCritic) -> None:
    axes = plot_strategy_flow(public_good, ([0], [0, 1], [0]), ([2], [0, 1], [0]), GRID)
    assert len(axes) == 2
    assert (
        "1" in axes[0].get_xlabel()
        and "3" in axes[0].get_ylabel()
        and axes[0].get_xlabel() != axes[0].get_ylabel()
    )
    assert axes[0].get_title() != axes[1].get_title()


def test_axes_are_used_and_returned(dilemma: StrategyActorCritic) -> None:
    fig, ax = plt.subplots()
    drawn, fields = plot_strategy_flow(dilemma, *ONE, GRID, axes=ax, return_data=True)
    assert drawn == [ax] and len(fields) == 1 and len(plt.get_fignums()) == 1
    drawn = plot_trajectories(
        [dilemma.trajectory(dilemma.random_points(1, rng=0)[0], 50)[0]], *ONE, axes=drawn
    )
    assert drawn == [ax] and ax.lines
    fig.canvas.draw()


def test_colour_is_respected_by_streamlines(dilemma: StrategyActorCritic) -> None:
    (ax,) = plot_strategy_flow(dilemma, *ONE, GRID, kind="streamplot", col="red")
    colours = np.concatenate([line.get_colors() for line in ax.collections if len(line.get_colors())])
    assert np.allclose(colours[:, :3], [1, 0, 0])


@pytest.mark.parametrize("kind", ["quiver", "quiver+samples", "streamplot"])
def test_kinds_draw(public_good: StrategyActorCritic, kind: str) -> None:
    (ax,) = plot_strategy_flow(public_good, ([0], [1], [0]), ([1], [1], [0]), GRID, kind=kind, colorbar=True)
    ax.figure.canvas.draw()
    assert ax.collections


def test_a_dynamics_without_errors_says_what_to_do(dilemma: StrategyActorCritic) -> None:
    class Plain:
        N, M, Q, env = 2, 2, 1, dilemma.env

        def step(self, X):
            return dilemma.step(X)

    with pytest.raises(ValueError, match="pass use_RPEarrows=False"):
        plot_strategy_flow(Plain(), *ONE, GRID)
    assert plot_strategy_flow(Plain(), *ONE, GRID, use_RPEarrows=False)


def drawn_lengths(arrows: Quiver) -> np.ndarray:
    blank = np.broadcast_to(arrows.Umask, arrows.U.shape)
    return np.hypot(arrows.U, arrows.V)[~blank] / arrows.scale


@pytest.mark.parametrize("sf", [0.0, 0.5, 1.0])
def test_arrows_fit_between_grid_points(public_good: StrategyActorCritic, sf: float) -> None:
    x, y = ([0], [0, 1], [0]), ([1], [0, 1], [0])
    axes = plot_strategy_flow(public_good, x, y, GRID, sf=sf, kind="quiver")
    longest = max(drawn_lengths(arrows).max() for ax in axes for arrows in quivers(ax))
    assert longest == pytest.approx(0.9 * (GRID[1] - GRID[0]))


def test_arrows_of_samples_do_not_outgrow_the_grid() -> None:
    x, y = ([0], [0], [0]), ([0], [0], [1])
    (ax,) = plot_strategy_flow(rock_paper_scissors(), x, y, GRID, NrRandom=6, use_RPEarrows=False)
    longest = max(drawn_lengths(arrows).max() for arrows in quivers(ax))
    assert longest <= 2 * 0.9 * (GRID[1] - GRID[0]) * (1 + 1e-12)


def test_colour_is_the_true_length(dilemma: StrategyActorCritic) -> None:
    axes, (field,) = plot_strategy_flow(dilemma, *ONE, GRID, sf=0.0, return_data=True)
    (arrows,) = quivers(axes[0])  # samples do not differ, so that only their mean is drawn
    np.testing.assert_allclose(arrows.get_array(), field.speed.ravel(), rtol=1e-12)
    assert arrows.norm.vmin == 0 and arrows.norm.vmax == field.speed.max()


def test_rounding_errors_get_no_arrow() -> None:
    from pycrld_econ.plots.flow import compressed

    U, V = compressed(np.array([1.0, 1e-17, 0.0]), np.zeros(3), sf=0.0)
    assert U.tolist() == [1.0, 0.0, 0.0] and not V.any()


def test_arrows_that_are_not_finite_are_left_blank_with_a_warning(dilemma: StrategyActorCritic) -> None:
    class Logarithmic:
        N, M, Q = 2, 2, 1

        def step(self, X):
            with np.errstate(divide="ignore"):
                return X - np.log(X), X

    with pytest.warns(UserWarning, match="arrows are not finite and left blank"):
        (field,) = flow_field(Logarithmic(), *ONE, np.linspace(0, 1, 5), use_RPEarrows=False)
    edge = np.isnan(field.speed)
    assert edge[0].all() and edge[:, 0].all() and not edge[1:, 1:].any()


def test_actions_that_do_not_exist_get_no_probability() -> None:
    class Watched:
        N, M, Q = 2, 3, 1
        env = NormalForm([np.ones((3, 2)), np.ones((3, 2))])

        def step(self, X):
            assert not X[..., 1, 0, 2].any()
            return X, X

    flow_field(Watched(), *ONE, GRID, use_RPEarrows=False)
    with pytest.raises(ValueError, match="an action that does not exist"):
        flow_field(Watched(), ONE[0], ([1], [0], [2]), GRID, use_RPEarrows=False)
    with pytest.raises(ValueError, match="sampler gives probability to an action that does not exist"):
        flow_field(Watched(), *ONE, GRID, use_RPEarrows=False, sampler=np.full((1, 2, 1, 3), 1 / 3))


def test_one_call_of_the_dynamics_for_all_panels() -> None:
    class Counted:
        N, M, Q = 2, 2, 3
        calls: list[tuple[int, ...]] = []

        def step(self, X):
            self.calls.append(X.shape)
            return X, X

    flow_field(Counted(), ([0], [0, 1, 2], [0]), ([1], [0, 1, 2], [0]), GRID, 4, use_RPEarrows=False)
    assert Counted.calls == [(3, 5, 5, 4, 2, 3, 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flowarrow_points": [0.5, 0.2]}, "flowarrow_points must increase"),
        ({"flowarrow_points": [0.5, 1.2]}, r"flowarrow_points must be in \[0, 1\]"),
        ({"NrRandom": 0}, "NrRandom must be a whole number of at least 1, got 0"),
        ({"kind": "arrows"}, "kind must be"),
        ({"kind": "streamplot", "flowarrow_points": [0.1, 0.2, 0.9]}, "evenly spaced"),
        ({"col": "no colour"}, "col must be 'LEN' or a colour, got 'no colour'"),
        ({"cmap": "viridian"}, "cmap must name"),
        ({"sf": -1.0}, "sf must be at least 0, got -1.0"),
        ({"acts": ["c"]}, "must be 2 names"),
        ({"sampler": np.ones((3, 2, 1, 2))}, "sampler must hold strategies"),
        ({"sampler": "random"}, "sampler must be 'lhs', 'simplex' or an array"),
        ({"x": ([0, 1], [0], [0]), "y": ([1], [0], [0])}, "equally many"),
        ({"x": ([5], [0], [0])}, "agents of x must be in 0 … 1, got 5"),
        ({"axes": []}, "axes must hold one entry per panel"),
    ],
)
def test_bad_arguments_are_named(
    dilemma: StrategyActorCritic, changes: dict[str, object], message: str
) -> None:
    arguments = {"x": ONE[0], "y": ONE[1], "flowarrow_points": GRID} | changes
    with pytest.raises((TypeError, ValueError), match=message):
        plot_strategy_flow(dilemma, **arguments)
    assert not plt.get_fignums()


def test_fixed_points_are_marked_by_class(dilemma: StrategyActorCritic) -> None:
    points = np.array([[[[p, 1 - p]], [[p, 1 - p]]] for p in (0.0, 5 / 7, 1.0)])
    axes = plot_strategy_flow(dilemma, *ONE, GRID)
    before = len(axes[0].lines) + len(axes[0].collections)
    plot_fixed_points(points, ["sink", "saddle", "sink"], *ONE, axes=axes)
    assert len(axes[0].lines) + len(axes[0].collections) > before
    with pytest.raises(ValueError):
        plot_fixed_points(points, ["sink", "saddle", "whirl"], *ONE, axes=axes)
