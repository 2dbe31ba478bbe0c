"""The real-business-cycle economy: environment steps per second, and seconds of a training episode.

Floors and peers come from the specification: the arithmetic of a step at 100 x 10 takes about 1.2 microseconds of a
core at 30 GFLOP/s; the original's training manager took 9.5 s for an episode of the published size on one core of a
shared machine (its kernels emulated), 135 environment steps a second. Compare orders of magnitude with those. Ours:
process time of one thread, smallest of the repetitions, compiled before the clock starts. The floor of the training
episode is its matrix products alone, at the speed that this core multiplies such matrices with at the time.

    python benchmarks/rbc.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np

from pycrld_econ.validation.simulators.rbc import Economy, EconomyConfig

SIZES = ((100, 10), (10, 2), (2, 1))
FLOOR_US, GOAL, PEER_EPISODE_S = 1.2, 200_000, 9.5


def process_seconds(work: Callable[[], object], repetitions: int) -> float:
    """Smallest process time of a call after the first."""
    work()
    best = float("inf")
    for _ in range(repetitions):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def steps_per_second(consumers: int, firms: int, dtype: str, power: bool = False) -> float:
    """Environment steps a second of one core; `power` computes utilities by powers instead of polynomials."""
    config = EconomyConfig(consumers, firms)
    envs = max(64, 25_600 // consumers)
    economy = Economy(config, envs, dtype=dtype, threads=1)
    if power:
        economy._there = economy._there._replace(polynomial=np.zeros(0, dtype=dtype))
    rng = np.random.default_rng(0)
    shapes = ((envs, firms, consumers), (envs, consumers), (envs, consumers), (envs, firms), (envs,))
    rows = (11, 5, firms, 30, 36)
    chosen = [rng.integers(0, most, shape).astype(np.int16) for most, shape in zip(rows, shapes, strict=True)]
    demand, hours, employer, firm, government = chosen

    def ten() -> None:
        for _ in range(10):
            economy.step(demand, hours, employer, firm, government, check=False)

    return envs * 10 / process_seconds(ten, 7)


def episode_seconds() -> float:
    """A training episode of the published size: 128 environments, 100 x 10, all types learn by two PPO steps."""
    import torch

    from pycrld_econ.validation.experiments import rbc
    from pycrld_econ.validation.experiments.config import load

    torch.set_num_threads(1)
    config = load(rbc.RBCConfig, rbc.named("open", "published"))
    open_now = replace(config.curriculum, firm_training_start=0, government_training_start=0)
    trainer = rbc.RBCTrainer(replace(config, curriculum=open_now))
    return process_seconds(trainer.advance, 2)


def products_seconds(updates: int = 2) -> float:
    """The matrix products of such an episode alone: its arithmetic over the measured speed of one of them.

    With K updates each sample goes forward in the rollout and before learning; forward, and backward at twice the
    price, in each update; and through the trunk between two.
    """
    import torch

    torch.set_num_threads(1)
    rows, width = 2048, 128
    left, right = torch.rand(rows, width), torch.rand(width, width)
    speed = 20 * 2 * rows * width**2 / process_seconds(lambda: [left @ right for _ in range(20)], 10)
    trunk, heads, total = width**2, {"consumer": 126, "firm": 31, "government": 37}, 0.0
    for kind, agents, private in (("consumer", 100, 11), ("firm", 10, 22), ("government", 1, 0)):
        inner = private * width + trunk
        forward = inner + width * heads[kind]
        total += 2 * agents * ((2 + 3 * updates) * forward + (updates - 1) * inner)
    return 128 * 10 * total / speed


def main() -> None:
    """Print the tables."""
    print("environment steps a second on one core")
    for consumers, firms in SIZES:
        single, double = (steps_per_second(consumers, firms, dtype) for dtype in ("float32", "float64"))
        print(f"  {consumers:3d} x {firms:<2d}  float32 {single:10,.0f}   float64 {double:10,.0f}", end="")
        if consumers == 100:
            slow = steps_per_second(consumers, firms, "float32", power=True)
            print(f"   goal {GOAL:,}, floor {1e6 / FLOOR_US:,.0f}; by powers {slow:,.0f}", end="")
            print(f" ({single / slow:.1f} x slower)", end="")
        print()
    seconds = episode_seconds()
    print(f"training episode, 128 x (100 x 10), 10 steps, 2 PPO updates: {seconds:.2f} s")
    print(f"  the original's training manager: {PEER_EPISODE_S} s, {PEER_EPISODE_S / seconds:.1f} x")
    floor = products_seconds()
    print(f"  floor, its matrix products alone: {floor:.2f} s, {PEER_EPISODE_S / floor:.1f} x")


if __name__ == "__main__":
    main()
