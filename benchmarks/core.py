"""How fast the deterministic core is.

    python benchmarks/core.py            # about a minute, plus compilation on the first run
    python benchmarks/core.py --rounds 9 # more repeats

Our figures are CPU seconds (process time, best of the rounds) on the machine that runs this. The peer, pyCRLD of
November 2024 on JAX 0.10.2, is not run here: its column holds the CPU seconds measured for the specification (crld.md,
section 12) on a two-core machine, for the same games, starts drawn alike, float32. The ratio compares figures from two
machines and is good to a factor of two or so. Whole-process rows start new interpreters; their figures are wall
seconds, median of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from pycrld_econ.agents import (
    POStrategyActorCritic,
    POStrategyQLearning,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyDynamics,
    StrategyQLearning,
    ValueQLearning,
    ValueSARSA,
    multiagent_epsilongreedy_strategy,
)
from pycrld_econ.agents.engine import Tier
from pycrld_econ.environments import (
    EcologicalPublicGood,
    ExchangeablePublicGood,
    HistoryEmbedded,
    SocialDilemma,
)

README = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
PUBLIC_GOOD = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01)
MEMORY_ONE = HistoryEmbedded(SocialDilemma(R=1.0, T=1.25, S=-0.25, P=0.0), h=(1, 1, 1))
GAMES = {
    "README dilemma": (README, 0.9),
    "ecological public good": (PUBLIC_GOOD, 0.75),
    "memory-one PD": (MEMORY_ONE, 0.9),
}

SCRIPT = """
import numpy as np, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.environments import SocialDilemma
from pycrld_econ.plots import plot_strategy_flow, plot_trajectories
env = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
mae = StrategyActorCritic(env=env, learning_rates=0.1, discount_factors=0.9)
np.random.seed(0)
points, reached = mae.trajectory(mae.random_softmax_strategy(), Tmax=10000, tolerance=1e-5)
fig, axs = plt.subplots(1, 2, figsize=(9, 4))
x, y = ([0], [0], [0]), ([1], [0], [0])
ax = plot_strategy_flow(mae, x, y, use_RPEarrows=False, flowarrow_points=np.linspace(0.01, 0.99, 9), axes=[axs[0]])
plot_trajectories([points], x, y, cols=["purple"], axes=ax)
axs[1].plot(points[:, 0, 0, 0])
axs[1].plot(points[:, 1, 0, 0])
fig.savefig({path!r})
"""


def cpu_seconds(task: Callable[[], object], rounds: int) -> float:
    """Best CPU seconds of a task over some rounds."""
    best = np.inf
    for _ in range(rounds):
        start = time.process_time()
        task()
        best = min(best, time.process_time() - start)
    return best


def wall_seconds(code: str, rounds: int) -> float:
    """Median wall seconds of a new interpreter that runs `code`."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def row(name: str, ours: float, peer: float | None = None, unit: str = "s", note: str = "") -> None:
    """Print one line of the table."""
    ratio = f"{peer / ours:8.0f}x" if peer is not None else " " * 9
    print(
        f"{name:<52}{ours:12.5f} {unit:<3}{'' if peer is None else f'{peer:.3f}':>10}{ratio}  {note}",
        flush=True,
    )


def steps(rounds: int) -> None:
    """10,000 steps of one trajectory."""
    peers = {"actor-critic": (0.307, 0.382, 1.059), "SARSA": (0.325, 0.436, 1.226)}
    rules = {"actor-critic": {}, "SARSA": {"forgetting": 1.0, "choice_intensities": 10.0}}
    for rule, options in rules.items():
        for (name, (env, gamma)), peer in zip(GAMES.items(), peers[rule], strict=True):
            mae = StrategyDynamics(env, 0.1, gamma, **options)
            start = mae.random_points(1, rng=0)[0]
            seconds = cpu_seconds(lambda mae=mae, start=start: mae.trajectory(start, 10_000), rounds)
            row(f"10,000 steps, {rule}, {name}", seconds, peer)


def all_learners(rounds: int) -> None:
    """10,000 steps of every learner in the ecological public good, and of a crowd that is only counted."""
    rates = (PUBLIC_GOOD, 0.1, 0.75)
    strategy = multiagent_epsilongreedy_strategy(epsilon_greedys=0.1, N=2)
    learners = {
        "Q-learning": StrategyQLearning(*rates, choice_intensities=10.0),
        "value SARSA": ValueSARSA(*rates, strategy_function=strategy),
        "value Q-learning": ValueQLearning(*rates, strategy_function=strategy),
        "PO actor-critic": POStrategyActorCritic(*rates),
        "PO SARSA": POStrategySARSA(*rates, choice_intensities=10.0),
        "PO Q-learning": POStrategyQLearning(*rates, choice_intensities=10.0),
    }
    for name, mae in learners.items():
        start = mae.random_points(1, rng=0)[0]
        mae.trajectory(start, 1)  # compiled or loaded
        row(
            f"10,000 steps, {name}",
            cpu_seconds(lambda mae=mae, start=start: mae.trajectory(start, 10_000), rounds),
        )
    crowd = StrategyActorCritic(ExchangeablePublicGood(N=100, f=5.0), 0.1, 0.0)
    start = crowd.random_points(1, rng=0)[0]
    crowd.trajectory(start, 1)
    row(
        "1,000 steps, public good, N = 100, counted",
        cpu_seconds(lambda: crowd.trajectory(start, 1000), rounds),
    )


def ensembles(rounds: int) -> None:
    """1,000 starts to convergence."""
    for (name, (env, gamma)), peer in zip(GAMES.items(), (12.64, 13.24, 77.05), strict=True):
        mae = StrategyActorCritic(env, 0.1, gamma)
        start = mae.random_points(1000, rng=0)
        runs = mae.ensemble(start, Tmax=5000, tolerance=1e-5)
        seconds = cpu_seconds(
            lambda mae=mae, start=start: mae.ensemble(start, Tmax=5000, tolerance=1e-5, threads=1), rounds
        )
        row(f"1,000 starts to rest, {name}", seconds, peer, note=f"{runs.length.sum():,} steps")


def agents(rounds: int) -> None:
    """One update with many agents."""
    peers = {2: 13.6e-6, 3: 50e-6, 4: 63e-6, 5: 525e-6}
    for N in (2, 3, 4, 5, 6, 8, 10, 12):
        mae = StrategyActorCritic(EcologicalPublicGood(N=N, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), 0.1, 0.9)
        start, count = mae.random_points(1, rng=0), max(100, 20_000 >> N)
        seconds = cpu_seconds(
            lambda mae=mae, start=start, count=count: mae.ensemble(start, Tmax=count, threads=1), rounds
        )
        peer = 1e3 * peers[N] if N in peers else None
        row(
            f"one update, public good, N = {N}",
            1e3 * seconds / count,
            peer,
            "ms",
            "peer's values are wrong" if N > 2 else "",
        )


def flow_and_sweep(rounds: int) -> None:
    """The numbers behind a flow plot, and a sweep over a parameter."""
    grid = np.linspace(0.01, 0.99, 9)
    mae = StrategyActorCritic(README, 0.1, 0.9)
    x, y = np.meshgrid(grid, grid)
    points = np.stack([np.stack([x, 1 - x], -1), np.stack([y, 1 - y], -1)], axis=-2)[..., None, :]
    row("9 x 9 flow field, README dilemma", cpu_seconds(lambda: mae.RPEisa(points, norm=True), rounds), 0.029)
    gammas = np.linspace(0.0, 0.95, 30)[:, None]
    start = mae.random_points(1, rng=0)
    sweep = cpu_seconds(lambda: mae.ensemble(start, Tmax=200, discount_factors=gammas, threads=1), rounds)
    row("30 discount factors x 200 steps", sweep, 16.8)


def processes(rounds: int) -> None:
    """Whole processes: imports, and the script of the README."""
    row(
        "import pycrld_econ.agents, .environments",
        wall_seconds("import pycrld_econ.agents, pycrld_econ.environments", rounds),
    )
    row("(python alone)", wall_seconds("pass", rounds))
    with tempfile.TemporaryDirectory() as folder:
        code = SCRIPT.format(path=os.path.join(folder, "readme.png"))
        row("README script with figure, nothing compiled", wall_seconds(code, rounds), 4.8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="repeats of every measurement (default: 5)")
    rounds = parser.parse_args().rounds
    print(f"{'task':<52}{'ours':>12}    {'peer':>10}{'ratio':>9}")
    processes(rounds)
    start = time.perf_counter()
    Tier.spent = np.inf  # from here on compiled; the first call compiles or loads from the cache
    StrategyActorCritic(README, 0.1, 0.9).trajectory(np.full((2, 1, 2), 0.5), 10)
    row("the compiled kernel: build, or load from the cache", time.perf_counter() - start)
    for part in (steps, all_learners, ensembles, agents, flow_and_sweep):
        part(rounds)


if __name__ == "__main__":
    main()
