"""Starts per second for basins, and steps per second for Lyapunov spectra, each beside a plain way to do the same.

    python benchmarks/analysis.py

The rival of the basin map follows every start of the grid with the same compiled kernel; that of the spectrum
multiplies by Jacobians in closed form, computed with numpy one step at a time. Compilation is left out: every task
runs once before it is timed. The smallest wall time of the repeats counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from pycrld_econ.agents import StrategyActorCritic, StrategySARSA
from pycrld_econ.agents.engine import available_threads
from pycrld_econ.analysis import basin_image, basins, lyapunov, slice_starts
from pycrld_econ.analysis.chart import chart_of
from pycrld_econ.analysis.lyapunov import _Matrices
from pycrld_econ.environments import SocialDilemma, TwoStateMatchingPennies, memory_one


def best_of(task: Callable[[], object], repeats: int = 3) -> float:
    """Smallest wall time of a task in seconds, after one run that is not counted."""
    task()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return min(times)


def basin_lines() -> list[str]:
    """A map of 1,000 x 1,000 starts of the README game, refined, against 40,000 starts all followed."""
    hunt = StrategyActorCritic(SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0), 0.1, 0.9)
    half, x, y = np.full((2, 1, 2), 0.5), (0, 0, 0), (1, 0, 0)
    fine, coarse = (np.arange(1000) + 0.5) / 1000, (np.arange(200) + 0.5) / 200
    refined = best_of(lambda: basin_image(hunt, half, x, y, fine), repeats=2)
    whole = best_of(lambda: basins(hunt, slice_starts(hunt, half, x, y, coarse)), repeats=2)
    return [
        f"basin image, 1,000 x 1,000, refined:   {refined:8.2f} s  {1e6 / refined:12,.0f} starts/s",
        f"basins, 200 x 200, every start:        {whole:8.2f} s  {4e4 / whole:12,.0f} starts/s",
    ]


def spectrum_lines() -> list[str]:
    """Steps per second with all deviations, by the tangent kernel and by Jacobians."""
    lines = []
    games = {
        "two-state pennies": TwoStateMatchingPennies(),
        "memory-one dilemma": memory_one(SocialDilemma(R=1.0, T=1.25, S=-0.25, P=0.0)),
    }
    for name, game in games.items():
        dynamics = StrategySARSA(game, 0.1, 0.6, 5.0, use_prefactor=True)
        start = dynamics.random_softmax_strategy(0)
        fast = best_of(lambda d=dynamics, X=start: lyapunov(d, X, steps=20_000, transient=0))
        slow = best_of(lambda d=dynamics, X=start: _Matrices(chart_of(d), X).advance(200))
        lines.append(f"Lyapunov, {name}: kernel".ljust(52) + f"{2e4 / fast:12,.0f} steps/s")
        lines.append(f"Lyapunov, {name}: Jacobians".ljust(52) + f"{200 / slow:12,.0f} steps/s")
    return lines


def main() -> None:
    """Print one line for each task."""
    print(f"{available_threads()} processors")
    print("\n".join(basin_lines() + spectrum_lines()))


if __name__ == "__main__":
    main()
