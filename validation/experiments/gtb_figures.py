"""Runs of the gather-trade-build economy side by side: learning curves, outcomes, frontier, tax schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pycrld_econ.environments.taxes import us_federal_cutoffs
from pycrld_econ.plots.style import COLORS, FAINT, INK, save_figure, style
from pycrld_econ.validation.experiments.config import as_mapping, load
from pycrld_econ.validation.experiments.gtb import GTBRun
from pycrld_econ.validation.experiments.gtb_evaluation import Episodes, evaluate, random_episodes
from pycrld_econ.validation.experiments.loop import HPARAMS, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLOCKS = 60  # points of a curve
PANELS = (
    ("productivity", "productivity (coin)"),
    ("equality", "equality"),
    ("builds", "houses"),
    ("trades", "trades"),
)


@dataclass(frozen=True)
class Regime:
    """Runs of one configuration with several seeds.

    Attributes
    ----------
    name : str
        What to call it.
    folders : list of Path
        Runs.
    episodes : list of Episodes
        What the agents of each do.
    """

    name: str
    folders: list[Path]
    episodes: list[Episodes]

    def means(self, name: str) -> np.ndarray:
        """Means over episodes of a metric, one a run."""
        return np.array([one.metrics[name].mean() for one in self.episodes])

    def products(self) -> np.ndarray:
        """Means of equality times productivity."""
        return np.array([one.product.mean() for one in self.episodes])


def regimes_of(folders: Sequence[Path]) -> list[list[Path]]:
    """Runs that differ in nothing but the seed, together."""
    groups: list[tuple[dict, list[Path]]] = []
    for folder in folders:
        mapping = as_mapping(load(GTBRun, folder / HPARAMS)) | {"seed": None}
        for known, members in groups:
            if known == mapping:
                members.append(folder)
                break
        else:
            groups.append((mapping, [folder]))
    return [members for _, members in groups]


def name_of(folders: Sequence[Path]) -> str:
    """The name that runs share: that of the first without its seed, which the default folder ends in."""
    stem, _, seed = folders[0].name.rpartition("-")
    return stem if stem and seed.isdigit() else folders[0].name


def blocks(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Environment steps and means over blocks of updates, without those in which no episode ended."""
    metrics = read_metrics(folder)
    steps, values = np.array(metrics["env_steps"]), np.array(metrics[name])
    steps, values = steps[~np.isnan(values)], values[~np.isnan(values)]
    parts = [part for part in np.array_split(np.arange(len(steps)), BLOCKS) if len(part)]
    return np.array([steps[part].mean() for part in parts]), np.array([values[part].mean() for part in parts])


def draw_curves(regimes: Sequence[Regime], figure: Figure) -> None:
    """Learning curves: the mean over seeds, and the range of seeds."""
    for ax, (name, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        for k, regime in enumerate(regimes):
            color = COLORS[k % len(COLORS)]
            curves = [blocks(folder, name) for folder in regime.folders]
            curves = [curve for curve in curves if len(curve[0]) > 1]
            if not curves:
                continue
            x = np.linspace(max(c[0][0] for c in curves), min(c[0][-1] for c in curves), BLOCKS)
            table = np.stack([np.interp(x, *curve) for curve in curves])
            ax.plot(x / 1e6, table.mean(0), color=color, label=label_of(regime))
            if len(table) > 1:
                ax.fill_between(x / 1e6, table.min(0), table.max(0), color=color, alpha=0.2, linewidth=0)
        ax.set(xlabel="environment steps (millions)", ylabel=label)
        ax.set_ylim(bottom=0)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(4, len(labels))))


def label_of(regime: Regime) -> str:
    """Name and number of seeds."""
    count = len(regime.folders)
    return f"{regime.name} ({count} seed{'s' if count > 1 else ''})"


def draw_bars(regimes: Sequence[Regime], baselines: Sequence[Episodes], figure: Figure) -> None:
    """Productivity, equality and their product in each regime; dots are seeds, grey bars random actions."""
    tables = [
        ("productivity (coin)", [r.means("social/productivity") for r in regimes],
         [b.metrics["social/productivity"].mean() for b in baselines]),
        ("equality", [r.means("social/equality") for r in regimes],
         [b.metrics["social/equality"].mean() for b in baselines]),
        ("equality × productivity", [r.products() for r in regimes], [b.product.mean() for b in baselines]),
    ]  # fmt: skip
    for ax, (label, values, random) in zip(figure.subplots(1, 3), tables, strict=True):
        x = np.arange(len(regimes))
        ax.bar(x - 0.2, [v.mean() for v in values], 0.4, color=[COLORS[k % len(COLORS)] for k in x])
        ax.bar(x + 0.2, random, 0.4, color=FAINT, label="random actions")
        for k, v in enumerate(values):
            ax.plot(np.full(len(v), k - 0.2), v, "o", color=INK, markersize=3)
        ax.set_xticks(x, [r.name for r in regimes], rotation=30, ha="right")
        ax.set_ylabel(label)
    figure.axes[0].legend()


def frontier(points: np.ndarray) -> np.ndarray:
    """Those of points (N, 2) that no other one exceeds in both coordinates, in ascending order of the first."""
    order = points[np.lexsort((-points[:, 1], -points[:, 0]))]
    kept: list[np.ndarray] = []
    for point in order:
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return np.array(kept[::-1])


def draw_frontier(regimes: Sequence[Regime], figure: Figure) -> None:
    """Equality against productivity: dots are seeds, the line joins the regimes that none exceeds in both."""
    ax: Axes = figure.subplots()
    centres = []
    for k, regime in enumerate(regimes):
        x, y = regime.means("social/equality"), regime.means("social/productivity")
        color = COLORS[k % len(COLORS)]
        ax.plot(x, y, "o", color=color, markersize=4, alpha=0.6)
        ax.plot(x.mean(), y.mean(), "D", color=color, markersize=7, label=label_of(regime))
        centres.append((x.mean(), y.mean()))
    ax.plot(*frontier(np.array(centres)).T, color=INK, linewidth=0.9, linestyle="--", zorder=0)
    ax.set(xlim=(0, 1.02), xlabel="equality", ylabel="productivity (coin)")
    ax.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=2)


def draw_schedules(regimes: Sequence[Regime], figure: Figure) -> None:
    """Mean tax rate of each bracket, over periods, episodes and seeds."""
    ax: Axes = figure.subplots()
    for k, regime in enumerate(regimes):
        rates = np.mean([one.rates.mean(0) for one in regime.episodes], axis=0)
        if not len(rates):
            continue
        tax = load(GTBRun, regime.folders[0] / HPARAMS).economy.tax
        assert tax is not None
        lows = (
            us_federal_cutoffs(tax.usd_scaling)
            if tax.bracket_spacing == "us-federal"
            else np.arange(len(rates))
        )
        edges = [*lows, lows[-1] * 1.25]
        ax.stairs(
            rates, edges, baseline=None, color=COLORS[k % len(COLORS)], label=label_of(regime), linewidth=1.6
        )
    ax.set(xlabel="income of a period (coin)", ylabel="marginal tax rate", ylim=(-0.02, 1.02))
    ax.legend()


def draw_report(folders: Sequence[Path], out: Path) -> list[Path]:
    """Draw all figures of a report.

    Parameters
    ----------
    folders : sequence of Path
        Runs; those that differ only in the seed are taken together.
    out : Path
        Folder to write to.

    Returns
    -------
    list of Path
        The figures, as PDF and PNG.
    """
    from matplotlib.figure import Figure

    regimes, baselines = [], []
    for group in regimes_of(folders):
        configs = [load(GTBRun, folder / HPARAMS) for folder in group]
        episodes = [evaluate(config, folder)[0] for config, folder in zip(configs, group, strict=True)]
        regimes.append(Regime(name_of(group), group, episodes))
        baselines.append(random_episodes(configs[0]))
    written = []
    for name, size, draw in (
        ("learning_curves", (11.5, 3.2), lambda figure: draw_curves(regimes, figure)),
        ("outcomes", (9.0, 3.2), lambda figure: draw_bars(regimes, baselines, figure)),
        ("frontier", (4.4, 3.4), lambda figure: draw_frontier(regimes, figure)),
        ("tax_schedules", (4.8, 3.2), lambda figure: draw_schedules(regimes, figure)),
    ):
        with style():
            figure = Figure(figsize=size, layout="constrained")
            draw(figure)
            written += [save_figure(figure, out / f"{name}.{kind}") for kind in ("pdf", "png")]
    return written
