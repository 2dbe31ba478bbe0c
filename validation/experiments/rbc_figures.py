"""What happens in the real-business-cycle economy while its agents learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pycrld_econ.plots.style import COLORS, FAINT, save_figure, style
from pycrld_econ.validation.experiments.config import load
from pycrld_econ.validation.experiments.loop import HPARAMS, read_metrics

PANELS = (
    ("consumer_reward", "consumer reward per step"),
    ("firm_reward", "firm reward per step"),
    ("government_reward", "government reward per step"),
    ("price", "posted price"),
    ("wage", "posted wage"),
    ("hours", "hours of work"),
    ("consumption", "units consumed of each good"),
    ("income_tax", "income tax"),
    ("corporate_tax", "corporate tax"),
)
BLOCKS = 80  # points of a curve


def training_curves(folders: Sequence[Path], out: Path) -> list[Path]:
    """Draw runs, averaged over blocks of episodes; dotted lines: firms, then the government begin to learn.

    Parameters
    ----------
    folders : sequence of Path
        Runs.
    out : Path
        Folder to write to.

    Returns
    -------
    list of Path
        The figure, as PDF and PNG.
    """
    from matplotlib.figure import Figure

    from pycrld_econ.validation.experiments.rbc import RBCConfig

    with style():
        figure = Figure(figsize=(10.4, 6.6), layout="constrained")
        axes = figure.subplots(3, 3, sharex=True)
        for k, folder in enumerate(folders):
            plan = load(RBCConfig, folder / HPARAMS).curriculum
            metrics = read_metrics(folder)
            blocks = np.array_split(np.arange(len(metrics["update"])), min(BLOCKS, len(metrics["update"])))
            x = [np.mean(np.array(metrics["update"])[block]) for block in blocks]
            for ax, (name, label) in zip(axes.flat, PANELS, strict=True):
                y = [np.mean(np.array(metrics[name])[block]) for block in blocks]
                ax.plot(x, y, color=COLORS[k % len(COLORS)], label=folder.name)
                ax.set_ylabel(label)
                if k == 0:
                    for start in (plan.firm_training_start, plan.government_training_start):
                        if 0 < start < metrics["update"][-1]:
                            ax.axvline(start, color=FAINT, linestyle=":", zorder=0)
        for ax in axes[-1]:
            ax.set_xlabel("episode")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)))
        return [save_figure(figure, out / f"training_curves.{kind}") for kind in ("pdf", "png")]
