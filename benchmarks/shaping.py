"""Exact opponent shaping: time of an epoch or of a proximal iteration, beside the original program.

The peer's figures were measured with the published program (torch 2.13.0 on one CPU thread, float32, its output
and plots left out) on another day and a shared machine: compare orders of magnitude. Ours: CPU time of this
process for whole calls of 1000 starts (40 for proximal rows), one thread, float64, compiled before the clock starts,
smallest of the repetitions.

    python benchmarks/shaping.py
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

os.environ["PYCRLD_ECON_TIER"] = "compiled"  # read when a kernel is first asked for


@dataclass(frozen=True)
class Case:
    """A published row, what is counted in it, and the original's milliseconds for one of it."""

    row: str
    unit: str
    original_ms: float
    goal: float


CASES = (
    Case("lola_tabular_1.33", "epoch", 12.5, 2000),
    Case("lola_network_1.33", "epoch", 29.4, 1000),
    Case("pola_tabular_1.33", "iteration", 5.74, 2000),
    Case("pola_preconditioned_1.33", "iteration", 5.48, 2000),
    Case("pola_network_1.33", "iteration", 13.2, 1000),
)


def measure(case: Case, seeds: int, repetitions: int = 3) -> float:
    """Microseconds of CPU time for one epoch (both players) or one proximal iteration of one player."""
    from pycrld_econ.shaping.experiments import run_row

    run_row(case.row, 1, threads=1)
    best = float("inf")
    for seed in range(repetitions):
        start = time.process_time()
        result = run_row(case.row, seeds, seed, threads=1)
        spent = time.process_time() - start
        lessons = result.lessons
        count = lessons.length.sum() if case.unit == "epoch" else lessons.iterations.sum()
        best = min(best, spent / int(count) * 1e6)
    return best


def main() -> None:
    """Print the table."""
    print(f"{'row':28s} {'unit':10s} {'original':>10s} {'ours':>10s} {'ratio':>8s} {'goal':>6s}")
    for case in CASES:
        ours = measure(case, 1000 if case.unit == "epoch" else 40)
        ratio = case.original_ms * 1000 / ours
        print(
            f"{case.row:28s} {case.unit:10s} {case.original_ms:7.2f} ms {ours:7.2f} us {ratio:8.0f} {case.goal:6.0f}"
        )


if __name__ == "__main__":
    main()
