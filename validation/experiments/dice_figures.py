"""Learning curves of sampled opponent shaping, as in Figures 4 and 5 of Zhao et al. (2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pycrld_econ.plots.style import COLORS, FAINT, INK, save_figure, style
from pycrld_econ.validation.experiments.config import load
from pycrld_econ.validation.experiments.dice import DiceConfig
from pycrld_econ.validation.experiments.loop import HPARAMS, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = 1.96  # standard errors of the mean over pairs to each side


@dataclass(frozen=True)
class Panel:
    """A quantity with what it is for players who always cooperate and always defect, in each game."""

    title: str
    label: str
    name: str
    marks: dict[str, tuple[float, float]]


PANELS = (
    Panel("coins", "share of own colour", "own_share", {"coin": (1.0, 0.5)}),
    Panel("against each other", "reward per step", "together", {"ipd": (0.33, 0.0), "coin": (1 / 3, 0.0)}),
    Panel(
        "against always-defect",
        "reward per step",
        "always_defect",
        {"ipd": (-0.335, 0.0), "coin": (-0.26, 0.0)},
    ),
)


def curves(metrics: dict[str, list[float]], config: DiceConfig, name: str) -> np.ndarray:
    """A quantity of each pair, mean over its two players, (pairs, evaluations)."""
    if name == "own_share":
        return np.array([metrics[f"{seed}/own_share"] for seed in config.seeds()])
    return np.array(
        [
            np.mean([metrics[f"{seed}/{name}/{player}"] for player in (1, 2)], axis=0)
            for seed in config.seeds()
        ]
    )


def learning_curves(folders: Sequence[Path], out: Path) -> list[Path]:
    """Draw runs over their outer steps, each with the mean and the band of its pairs.

    Parameters
    ----------
    folders : sequence of Path
        Runs of one game.
    out : Path
        Folder to write to.

    Returns
    -------
    list of Path
        The figure, as PDF and PNG.

    Raises
    ------
    ValueError
        If the runs are of two games.
    """
    from matplotlib.figure import Figure

    configs = [load(DiceConfig, folder / HPARAMS) for folder in folders]
    games = sorted({config.shaping.game for config in configs})
    if len(games) > 1:
        raise ValueError(f"runs must be of one game, got {', '.join(games)}")
    panels = [panel for panel in PANELS if games[0] in panel.marks]
    with style():
        figure = Figure(figsize=(3.3 * len(panels), 2.9), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for panel, ax in zip(panels, axes, strict=True):
            _panel(ax, panel, games[0], folders, configs)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
        return [save_figure(figure, out / f"learning_curves.{kind}") for kind in ("pdf", "png")]


def _panel(ax: Axes, panel: Panel, game: str, folders: Sequence[Path], configs: Sequence[Any]) -> None:
    for mark, text in zip(panel.marks[game], ("always cooperates", "always defects"), strict=True):
        ax.axhline(mark, color=FAINT, linewidth=0.8, zorder=0)
        ax.annotate(
            text,
            (1.0, mark),
            (-2, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=7,
            color=INK,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
        )
    for k, (folder, config) in enumerate(zip(folders, configs, strict=True)):
        metrics = read_metrics(folder)
        steps = np.array(metrics["update"]) * config.shaping.outer_steps
        values = curves(metrics, config, panel.name)
        mean, error = values.mean(0), values.std(0) / np.sqrt(len(values))
        color = COLORS[k % len(COLORS)]
        label = f"{folder.name} ({len(values)} pair{'s' if len(values) > 1 else ''})"
        ax.plot(steps, mean, color=color, label=label)
        if len(values) > 1:
            ax.fill_between(
                steps, mean - BAND * error, mean + BAND * error, color=color, alpha=0.2, linewidth=0
            )
    ax.set(title=panel.title, xlabel="outer steps", ylabel=panel.label)
    ax.margins(x=0)
    ax.margins(y=0.12)
