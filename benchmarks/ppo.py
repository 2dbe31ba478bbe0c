"""Environment steps per second of processor time while agents learn in gather-trade-build.

    python benchmarks/ppo.py [--seconds 20]

One thread. `regimes` is the network and the settings that were measured with the original simulator and a minimal
torch PPO (4 environments, 100 steps, 10 epochs, minibatches of 500): about 300 steps per second. `small` are the
settings of `pycrld-econ train gtb free_market`. EconoJax, without a map, makes about 2,200 steps with its library's
settings. Those figures are of a busy two-core machine, so compare ratios.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

import torch

from pycrld_econ.validation.experiments import gtb
from pycrld_econ.validation.experiments.config import load
from pycrld_econ.validation.learners.ppo.players import collect

PEERS = {"regimes": "Foundation 300", "small": "EconoJax 2,200", "recurrent": "none measured"}


def settings() -> dict[str, gtb.GTBRun]:
    """What is measured."""
    flat = load(gtb.GTBRun, gtb.named("free_market", "paper"))
    recurrent = load(gtb.GTBRun, gtb.named("us_federal", "paper"))
    return {
        "regimes": replace(flat, n_envs=4, fragment=100, stagger=True),
        "small": load(gtb.GTBRun, gtb.named("free_market", "small")),
        "recurrent": replace(recurrent, phases=recurrent.phases[1:]),
    }


def measure(config: gtb.GTBRun, seconds: float) -> tuple[float, float, float]:
    """Steps per second of processor time; microseconds of a step for acting, and for learning."""
    trainer = gtb.GTBTrainer(config)
    trainer.advance()
    acting = learning = 0.0
    steps, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        before = time.process_time()
        collect(trainer.economy, trainer.agents, trainer.planner)
        between = time.process_time()
        trainer._learn(trainer.agents.players[0], config.agents)
        trainer.agents.open()
        acting, learning = acting + between - before, learning + time.process_time() - between
        steps += config.n_envs * config.fragment
    return steps / (acting + learning), 1e6 * acting / steps, 1e6 * learning / steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    sys.stdout.write(
        f"{'settings':<10} {'steps/s':>8} {'acting us':>10} {'learning us':>12}  peer (steps/s)\n"
    )
    for name, config in settings().items():
        rate, acting, learning = measure(config, seconds)
        sys.stdout.write(f"{name:<10} {rate:8.0f} {acting:10.1f} {learning:12.1f}  {PEERS[name]}\n")


if __name__ == "__main__":
    main()
