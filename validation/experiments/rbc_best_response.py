"""How much one type could still gain: approximate best responses to trained policies.

A copy of one type's policy goes on learning by policy gradient while the others play their fixed ones. Its reward is
measured before, and after each so many episodes, in fresh episodes with the same random numbers, so that differences
are not those of luck. The gain is a lower bound of what a true best response gains: epsilon of the equilibrium.

M. Curry, A. Trott, S. Phade, Y. Bai, S. Zheng, arXiv 2201.01163, section 5.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pycrld_econ.validation.bridge.checkpoints_game import EmpiricalGame, empirical_game
from pycrld_econ.validation.experiments import rbc_curriculum, rbc_files
from pycrld_econ.validation.experiments.config import load, write_atomically
from pycrld_econ.validation.experiments.loop import HPARAMS
from pycrld_econ.validation.experiments.rbc import RBCConfig
from pycrld_econ.validation.experiments.rbc_curriculum import TYPES
from pycrld_econ.validation.learners.policy_gradient import (
    PolicyGradientLearner,
    Samples,
    discounted_returns,
)
from pycrld_econ.validation.learners.rbc_players import Episode, Players
from pycrld_econ.validation.simulators.rbc import Economy

ENTROPY = 0.1  # of the weight in training
BAND = 1.96  # standard errors


@dataclass(frozen=True)
class Gain:
    """What a type gained by learning against fixed others.

    Attributes
    ----------
    kind : str
        Who.
    before, after : float
        Mean reward of an agent and step, of the first policy and of the best one found, in episodes that were not used
        to find it.
    gain, error : float
        Their difference, and its standard error over environments (paired).
    episodes : int
        Episodes after which it was best; 0: learning never helped.
    """

    kind: str
    before: float
    after: float
    gain: float
    error: float
    episodes: int

    def __str__(self) -> str:
        """One line."""
        low, high = self.gain - BAND * self.error, self.gain + BAND * self.error
        return (
            f"{self.kind:<11} before {self.before:12.5g}  after {self.after:12.5g}  gain {self.gain:11.4g} "
            f"[{low:.4g}, {high:.4g}]  ({self.gain / max(abs(self.before), 1e-12):.2%})  at episode {self.episodes}"
        )


def rewards_of(config: RBCConfig, episode: Episode) -> dict[str, np.ndarray]:
    """Rewards (B, T, n) of all types without penalties."""
    welfare = rbc_curriculum.government_rewards(
        episode.rewards["consumer"], episode.rewards["firm"], config.train.firm_factor()
    )
    return dict(episode.rewards) | {"government": welfare}


def measured(config: RBCConfig, players: Players, kind: str, seed: int) -> np.ndarray:
    """Mean reward of a type in each environment, with the random numbers of `seed`."""
    economy = Economy(config.economy, config.train.batch_size, seed)
    economy.reset()
    generator = torch.Generator().manual_seed(seed)
    return rewards_of(config, players.play(economy, generator))[kind].mean((1, 2))


def best_response(
    config: RBCConfig, players: Players, kind: str, episodes: int, every: int = 20, seed: int = 0
) -> Gain:
    """Let one type learn against the others.

    Parameters
    ----------
    config : RBCConfig
        Of the run; learning is by policy gradient with its `lr` and a tenth of its entropy.
    players : Players
        The trained policies; that of `kind` is changed.
    kind : str
        consumer, firm or government.
    episodes : int
        To learn from, at least 1.
    every : int
        Episodes between two measurements.
    seed : int
        Of learning and measuring.
    """
    if kind not in TYPES:
        raise ValueError(f"agent type must be one of {', '.join(TYPES)}, got {kind!r}")
    if episodes < 1 or every < 1:
        raise ValueError(f"episodes and every must be at least 1, got {episodes} and {every}")
    train = config.train
    settings = replace(train.settings(kind), learning_rate=train.lr, ppo=False)
    learner = PolicyGradientLearner(players.policies[kind], settings)
    economy = Economy(config.economy, train.batch_size, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    before = measured(config, players, kind, seed + 2)
    best, best_at = before, 0
    first_policy = {name: tensor.clone() for name, tensor in players.policies[kind].state_dict().items()}
    best_policy = first_policy
    for k in range(1, episodes + 1):
        economy.reset()
        episode = players.play(economy, generator)
        rewards = torch.from_numpy(np.asarray(rewards_of(config, episode)[kind], dtype=np.float32))
        scaled = rewards / getattr(train, f"{kind}_reward_scale")
        returns = discounted_returns(scaled, train.gamma, not train.compat_returns)
        parts = (episode.public, episode.private[kind], episode.actions[kind], returns)
        learner.update(Samples(*(part.flatten(0, 1) for part in parts)), ENTROPY * train.entropy)
        if k % every == 0 or k == episodes:
            now = measured(config, players, kind, seed + 2)
            if now.mean() > best.mean():
                best, best_at = now, k
                best_policy = {
                    name: tensor.clone() for name, tensor in players.policies[kind].state_dict().items()
                }
    # The best of several measurements flatters itself: the gain is measured anew with other random numbers.
    after = _anew(config, players, kind, best_policy, seed + 3)
    before = _anew(config, players, kind, first_policy, seed + 3)
    difference = after - before
    error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else float("nan")
    return Gain(kind, float(before.mean()), float(after.mean()), float(difference.mean()), error, best_at)


def _anew(
    config: RBCConfig, players: Players, kind: str, policy: dict[str, torch.Tensor], seed: int
) -> np.ndarray:
    players.policies[kind].load_state_dict(policy)
    return measured(config, players, kind, seed)


def gains(
    run: Path, episode: str, kinds: Sequence[str], episodes: int, repeats: int
) -> dict[str, list[Gain]]:
    """Gains of types at one checkpoint of a run, each repeated with other seeds."""
    config = load(RBCConfig, run / HPARAMS)
    found: dict[str, list[Gain]] = {}
    for kind in kinds:
        for repeat in range(repeats):
            players = Players(config.economy, config.train.digit_representation_size, config.train.hidden, 0)
            rbc_files.load_models(run, episode, players)
            found.setdefault(kind, []).append(
                best_response(config, players, kind, episodes, seed=1000 * repeat)
            )
    return found


def best_response_command(arguments: Sequence[str]) -> int:
    """Measure how much types could gain by deviating from trained policies.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ best-response`.

    Returns
    -------
    int
        0; argparse ends with 2 on a mistake.
    """
    from pycrld_econ.cli import OneLineParser, refusals

    parser = OneLineParser(
        prog="pycrld-econ best-response", description=(best_response_command.__doc__ or "").split("\n")[0]
    )
    _add_options(parser)
    given = parser.parse_args(list(arguments))
    kinds = TYPES if given.agent_type == "all" else (given.agent_type,)
    lines: dict[str, list[str]] = {kind: [] for kind in kinds}
    with refusals(parser):
        for name in given.ep_strs:
            found = gains(given.rollout_dir, name, kinds, given.episodes, given.repeat_runs)
            sys.stdout.write(f"episode {name}\n")
            for kind, results in found.items():
                for result in results:
                    sys.stdout.write(f"  {result}\n")
                    lines[kind].append(f"{name}: {result}\n")
            sys.stdout.write(f"  {epsilon(found)}\n")
        for kind, text in lines.items():
            write_atomically(given.rollout_dir / f"br_{kind}_output.txt", "".join(text).encode())
    return 0


def epsilon(found: Mapping[str, Sequence[Gain]]) -> str:
    """The equilibrium that the policies are, as far as these responses show."""
    largest = {kind: max(max(result.gain, 0.0) for result in results) for kind, results in found.items()}
    parts = ", ".join(f"{kind} {value:.4g}" for kind, value in largest.items())
    return f"epsilon of the equilibrium is at least (reward per agent and step): {parts}"


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("rollout_dir", type=Path, metavar="ROLLOUT_DIR", help="folder of a run of `pycrld-econ train rbc`")
    add("episodes", type=int, metavar="EPISODES", help="episodes that a type learns from")
    add(
        "--ep-strs",
        nargs="+",
        default=["latest"],
        metavar="E",
        help="checkpoints, as 0 latest (default latest)",
    )
    add("--agent-type", default="all", choices=["all", *TYPES], help="who deviates (default all)")
    add("--repeat-runs", type=int, default=1, metavar="N", help="repetitions with other seeds (default 1)")


def checkpoints_game(run: Path, episodes: Sequence[str], seed: int = 0) -> EmpiricalGame:
    """The game in which consumers, firms and the government each choose one of a run's checkpoints.

    Parameters
    ----------
    run : Path
        Folder of the run.
    episodes : sequence of str
        Numbers of episodes with saved policies, or `latest`.
    seed : int
        All combinations are played with the same random numbers.
    """
    config = load(RBCConfig, run / HPARAMS)
    size = (config.train.digit_representation_size, config.train.hidden)
    loaded: dict[str, Players] = {}
    for name in episodes:
        loaded[name] = Players(config.economy, *size, 0)
        rbc_files.load_models(run, name, loaded[name])

    def play(chosen: dict[str, str]) -> dict[str, np.ndarray]:
        players = Players(config.economy, *size, 0)
        for kind, name in chosen.items():
            players.policies[kind] = loaded[name].policies[kind]
        economy = Economy(config.economy, config.train.batch_size, seed)
        economy.reset()
        rewards = rewards_of(config, players.play(economy, torch.Generator().manual_seed(seed)))
        return {kind: rewards[kind].mean((1, 2)) for kind in TYPES}

    return empirical_game({kind: list(episodes) for kind in TYPES}, play)
