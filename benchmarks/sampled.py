"""How fast games are played and learned from.

    python benchmarks/sampled.py              # about a minute, plus compilation on the first run
    python benchmarks/sampled.py --threads 8  # up to eight threads

Steps per second are environment steps (one joint action of all agents) by the wall clock, best of the rounds; "fused"
plays with given strategies in one call, "step" is told the actions and returns observations and rewards. The last
table sets one batch of one replicate beside one step of the deterministic dynamics, both compiled and in one thread.
The line before it: periods per second and thread of Q-learning at every play in the pricing game of Calvano et al.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("PYCRLD_ECON_TIER", "compiled")

import numpy as np

from pycrld_econ.agents import StrategySARSA
from pycrld_econ.agents.engine import available_threads
from pycrld_econ.environments import (
    BertrandPricing,
    EcologicalPublicGood,
    HistoryEmbedded,
    SocialDilemma,
    memory_one,
)
from pycrld_econ.validation.learners import BatchLearner, IncrementalQLearning
from pycrld_econ.validation.simulators import FiniteSimulator

DILEMMA = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
GAMES = {
    "README dilemma, 1 state": DILEMMA,
    "public good, 2 states": EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1),
    "memory-one PD, 4 states": HistoryEmbedded(SocialDilemma(R=1.0, T=1.25, S=-0.25, P=0.0), h=(1, 1, 1)),
}


def best(action: Callable[[], object], rounds: int) -> float:
    """Shortest wall time of an action, after one call that compiles."""
    action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def play_rates(env: object, threads: int, rounds: int) -> tuple[float, float]:
    """Steps per second, fused and step by step."""
    environments, steps = 2000, 200
    simulator = FiniteSimulator(env, environments, threads=threads)
    X = np.full((simulator.N, simulator.Q, simulator.M), 1 / simulator.M)
    fused = best(lambda: simulator.rollout(X, steps), rounds)
    wide = FiniteSimulator(env, 50_000, threads=threads)
    actions = np.zeros((50_000, wide.N), np.int64)
    return environments * steps / fused, 50_000 / best(lambda: wide.step(actions), rounds)


def learn_rate(env: object, threads: int, rounds: int) -> float:
    """Plays per second of batch learners."""
    dynamics = StrategySARSA(env, 0.1, 0.9)
    learner = BatchLearner(dynamics, 1000, threads=threads)
    start = dynamics.zero_intelligence_strategy()
    return 1000 * 10 * 64 / best(lambda: learner.run(start, 10, 64, progress=False), rounds)


def price_rate(rounds: int) -> float:
    """Periods per second of two pricing algorithms with 15 prices and memory of one period, in one thread."""
    periods = 500_000
    learner = IncrementalQLearning(memory_one(BertrandPricing(15)), 0.15, 0.95, 2e-5, threads=1)
    play = {"patience": periods, "longest": periods, "progress": False}
    return periods / best(lambda: learner.run(None, 1, **play), rounds)


def against_theory(env: object, rounds: int) -> tuple[float, dict[int, float]]:
    """Seconds of a deterministic step, and of one batch of one replicate by batch size."""
    dynamics = StrategySARSA(env, 0.1, 0.9)
    starts = dynamics.random_points(64, 0)
    step = best(lambda: dynamics.ensemble(starts, Tmax=200, threads=1, progress=False), rounds) / (64 * 200)
    batches = {}
    for K in (10, 1000, 100_000):
        learner, replicates = BatchLearner(dynamics, K, threads=1), max(1, 200_000 // K)
        batches[K] = best(lambda: learner.one_update(starts[0], replicates), rounds) / replicates  # noqa: B023
    return step, batches


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_threads())
    arguments = parser.parse_args()
    print(f"million steps per second{'threads':>13}{'fused':>9}{'step':>9}{'learning':>10}")
    for name, env in GAMES.items():
        for threads in sorted({1, 2 ** (arguments.threads.bit_length() - 1), arguments.threads}):
            fused, stepped = play_rates(env, threads, arguments.rounds)
            learned = learn_rate(env, threads, arguments.rounds)
            print(f"{name:25}{threads:>12}{fused / 1e6:>9.2f}{stepped / 1e6:>9.2f}{learned / 1e6:>10.2f}")
    print(f"{'pricing, at every play':25}{1:>12}{'':18}{price_rate(arguments.rounds) / 1e6:>10.2f}")
    print(
        f"\nmicroseconds{'':13}{'one step':>12}" + "".join(f"{f'batch {K}':>14}" for K in (10, 1000, 100_000))
    )
    for name, env in GAMES.items():
        step, batches = against_theory(env, arguments.rounds)
        print(f"{name:25}{1e6 * step:>12.2f}" + "".join(f"{1e6 * cost:>14.1f}" for cost in batches.values()))


if __name__ == "__main__":
    main()
