"""Charts of one episode, from its dense log: maps, endowments, paths and trades, houses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pycrld_econ.plots.style import FAINT, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the published charts.
STONE, WOOD, WATER = ((241, 233, 219), (107, 143, 113), (50, 50, 250))
DARK = "#303030"
SHOWN_AGENTS = 4
EVERY = 20  # steps between two positions of a path

Log = Mapping[str, Sequence[Any]]


def agent_colors(n: int) -> np.ndarray:
    """Colours of agents (n, 3), along the colour map jet as in the published charts."""
    import matplotlib

    return np.asarray(matplotlib.colormaps["jet"](np.linspace(0, 1, n))[:, :3])


def agents_of(log: Log) -> int:
    """Number of agents in a log."""
    return len(log["states"][0])


def map_image(world: Mapping[str, Any], n: int) -> np.ndarray:
    """A snapshot of the map as an image (H, W, 3) in [0, 1]."""
    owner = np.array(world["House"]["owner"])
    image = np.zeros((*owner.shape, 3))
    layers = (("Stone", STONE), ("Wood", WOOD), ("Water", WATER))
    for name, color in layers:
        if name in world:
            image += (np.array(world[name]) > 0)[..., None] * np.array(color) / 255
    for i, color in enumerate(agent_colors(n)):
        image += (owner == i)[..., None] * color
    return np.minimum(0.3 + 0.7 * image, 1.0)


def draw_maps(log: Log, figure: Figure, count: int = 5) -> None:
    """A row of snapshots of the map, from the beginning to the end."""
    n, colors = agents_of(log), agent_colors(agents_of(log))
    times = [t for t, world in enumerate(log["world"]) if world]
    picks = np.unique(np.linspace(0, len(times) - 1, count).round().astype(int))
    for ax, pick in zip(np.atleast_1d(figure.subplots(1, len(picks))), picks, strict=True):
        t = times[pick]
        ax.imshow(map_image(log["world"][t], n))
        for i in range(n):
            row, column = log["states"][t][str(i)]["loc"]
            ax.plot(column, row, "o", color="white", markersize=9)
            ax.plot(column, row, "*", color=colors[i], markersize=8)
        ax.set(title=f"T = {t}", xticks=[], yticks=[])


def series(log: Log, i: int, good: str) -> np.ndarray:
    """What an agent has of a good, in its inventory and in escrow, or its labour, over time."""
    states = [state[str(i)] for state in log["states"]]
    if good == "Labor":
        return np.array([state["endogenous"]["Labor"] for state in states])
    return np.array([state["inventory"][good] + state["escrow"][good] for state in states])


def label_of(log: Log, i: int) -> str:
    """An agent with what it gets for a house."""
    return f"agent {i} ({log['states'][0][str(i)]['build_payment']:.1f} a house)"


def draw_endowments(log: Log, figure: Figure) -> None:
    """Wood, stone, coin and labour over time."""
    n, colors = agents_of(log), agent_colors(agents_of(log))
    for ax, good in zip(figure.subplots(1, 4), ("Wood", "Stone", "Coin", "Labor"), strict=True):
        for i in range(n):
            ax.plot(series(log, i, good), color=colors[i], label=label_of(log, i))
        ax.set(title=good, xlabel="step")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=n)


def draw_path(ax: Axes, log: Log, i: int) -> None:
    """Where an agent went: every twentieth position; a red star at the start, a green one at the end."""
    import matplotlib

    first = next(world for world in log["world"] if world)
    ax.imshow(map_image(first, agents_of(log)), alpha=0.5)
    places = np.array([state[str(i)]["loc"] for state in log["states"]])[::EVERY]
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, len(places)))
    ax.plot(places[:, 1], places[:, 0], color=FAINT, linewidth=0.8)
    ax.scatter(places[:, 1], places[:, 0], c=shades, s=8, zorder=2)
    for place, color in ((places[0], "red"), (places[-1], "green")):
        ax.plot(place[1], place[0], "*", color=color, markersize=10)
    ax.set(title=label_of(log, i), xticks=[], yticks=[])


def draw_trades(ax: Axes, log: Log, i: int) -> None:
    """When an agent traded, and at what prices: sales upward, purchases downward."""
    ax.set_facecolor(DARK)
    for good, color in (("Stone", STONE), ("Wood", WOOD)):
        shade = tuple(np.array(color) / 255)
        for role, sign in (("seller", 1), ("buyer", -1)):
            found = [
                (t, sign * trade["price"])
                for t, trades in enumerate(log["Trade"])
                for trade in trades
                if trade[role] == i and trade["commodity"] == good
            ]
            if found:
                times, prices = np.array(found).T
                ax.vlines(times, 0, prices, color=shade, linewidth=0.9)
                ax.plot(times, prices, "o", color=shade, markersize=2.5, label=good if sign > 0 else None)
    ax.axhline(0, color=FAINT, linewidth=0.6)
    ax.set(xlim=(0, len(log["Trade"])), ylim=(-10.5, 10.5), xlabel="step")


def draw_paths_and_trades(log: Log, figure: Figure) -> None:
    """Paths of the first agents, and below their trades."""
    n = min(SHOWN_AGENTS, agents_of(log))
    axes = figure.subplots(2, n, height_ratios=(2, 1), squeeze=False)
    for i in range(n):
        draw_path(axes[0, i], log, i)
        draw_trades(axes[1, i], log, i)
    axes[1, 0].set_ylabel("price (sold above 0,\nbought below)")


def draw_houses(log: Log, figure: Figure) -> None:
    """Houses built so far by each agent."""
    ax, n, colors = figure.subplots(), agents_of(log), agent_colors(agents_of(log))
    for i in range(n):
        built = np.cumsum([sum(one["builder"] == i for one in step) for step in log["Build"]])
        ax.plot(built, color=colors[i], label=label_of(log, i))
    ax.set(xlabel="step", ylabel="houses")
    ax.legend()


CHARTS = {
    "maps": (draw_maps, (11.0, 2.6)),
    "endowments": (draw_endowments, (11.0, 2.9)),
    "paths_and_trades": (draw_paths_and_trades, (11.0, 4.8)),
    "houses": (draw_houses, (4.6, 3.0)),
}


def draw_episode(log: Log, out: Path) -> list[Path]:
    """Draw all charts of an episode.

    Parameters
    ----------
    log : mapping
        A dense log.
    out : Path
        Folder to write to.

    Returns
    -------
    list of Path
        The figures.
    """
    from matplotlib.figure import Figure

    written = []
    for name, (draw, size) in CHARTS.items():
        with style():
            figure = Figure(figsize=size, layout="constrained")
            draw(log, figure)
            written.append(save_figure(figure, out / f"episode_{name}.png"))
    return written
