"""Sampled opponent shaping: seconds of an outer step, by structure, by automatic differentiation, and of the peer.

The peer's figures are those of the published JAX program on one CPU thread of another, shared machine, compilation
left out: compare orders of magnitude. Ours: process time of one thread for one update of one player, smallest of the
repetitions; `stacked` means eight updates side by side (as replicates and both players are), divided by eight.

    python benchmarks/dice.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import torch

from pycrld_econ.validation.learners.dice import adjoint, passes, play, reference
from pycrld_econ.validation.learners.dice.learning import Shaping, ShapingSettings


@dataclass(frozen=True)
class Case:
    """Sizes, and the peer's milliseconds for an outer step."""

    settings: ShapingSettings
    peer_ms: float
    repetitions: int


BASE = ShapingSettings(lr_in=0.1, lr_out=0.01, lr_v=0.003, inner_beta=5.0, outer_beta=20.0, inner_steps=2)
CASES = (
    Case(replace(BASE, batch_size=128, rollout_len=32, hidden_size=8), 42.0, 10),
    Case(replace(BASE, batch_size=256, rollout_len=50, hidden_size=32), 340.0, 3),
    Case(replace(BASE, game="coin", batch_size=64, rollout_len=50, hidden_size=32), 150.0, 3),
)


def by_structure(run: Shaping) -> Callable[[], object]:
    """One outer step of all updates of a run."""
    own, other = run._of("policies", 0), (run._of("policies", 1), run._of("values", 1))
    value, games = run._of("values", 0), run._play_at(0)
    return lambda: adjoint.outer_step(run.problem, run.game.observations, own, value, own, other, games)


def by_differentiation(run: Shaping) -> Callable[[], object]:
    """The same for the first update, by automatic differentiation."""
    own, phi = run._of("policies", 0)[0], run._of("policies", 1)[0]
    value, other_value = run._of("values", 0)[0], run._of("values", 1)[0]
    seated, settings = play.seats([1], run.game.game.actions), run.settings
    draws = play.Draws([run.seeds[0]], [0])

    def games(k: int, theta: torch.Tensor, other: torch.Tensor) -> reference.Games:
        u = draws(k, settings.rollout_len + 1, settings.batch_size)
        weights = passes.weights(run.problem.policy, run.game.observations, torch.stack([theta, other]))
        met = play.play(run.game, seated, weights, u)
        parts = (met.own_actions, met.other_actions, met.own_rewards, met.other_rewards)
        return reference.Games(run.game.observations[met.states[:, 0]], *(part[:, 0] for part in parts))

    return lambda: reference.outer_step(run.problem, own, value, own, (phi, other_value), games)


def milliseconds(step: Callable[[], object], repetitions: int) -> float:
    """Smallest process time of a call after the first."""
    step()
    best = float("inf")
    for _ in range(repetitions):
        start = time.process_time()
        step()
        best = min(best, time.process_time() - start)
    return best * 1e3


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(
        "milliseconds of an outer step     differentiated   by structure   stacked   JAX peer   against: both"
    )
    for case in CASES:
        s = case.settings
        slow = milliseconds(by_differentiation(Shaping(s, [1])), case.repetitions)
        one = milliseconds(by_structure(Shaping(replace(s, double=False), [1])), case.repetitions) / 2
        many = milliseconds(by_structure(Shaping(s, [1, 2, 3, 4])), case.repetitions) / 8
        name = f"{s.game} K{s.inner_steps} B{s.batch_size} T{s.rollout_len} H{s.hidden_size}"
        print(
            f"{name:34s} {slow:13.1f} {one:14.1f} {many:9.1f} {case.peer_ms:10.0f}   "
            f"{slow / many:6.1f} x {case.peer_ms / many:5.1f} x"
        )


if __name__ == "__main__":
    main()
