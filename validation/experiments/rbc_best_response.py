"""How much one type, or one agent, could still gain: approximate best responses to trained policies.

A copy of one type's policy goes on learning by policy gradient while the others play their fixed ones; or the copy is
that of a single agent, and the others of its type stay as they are too. Its reward is measured before, and after each
so many episodes, in fresh episodes with the same random numbers, so that differences are not those of luck. The gain is
a lower bound of what a true best response gains: epsilon of the equilibrium.

M. Curry, A. Trott, S. Phade, Y. Bai, S. Zheng, arXiv 2201.01163, section 5.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.bridge.checkpoints_game import EmpiricalGame, empirical_game
from pycrld_econ.validation.experiments import rbc_curriculum, rbc_files
from pycrld_econ.validation.experiments.config import load, write_atomically
from pycrld_econ.validation.experiments.loop import HPARAMS
from pycrld_econ.validation.experiments.rbc import RBCConfig, frozen_numbers, players_of
from pycrld_econ.validation.experiments.rbc_gains import Gain, Responses, table, training_ranges
from pycrld_econ.validation.learners.policy_gradient import (
    PolicyGradientLearner,
    Samples,
    check_finite,
    discounted_returns,
)
from pycrld_econ.validation.learners.rbc_players import Deviator, Episode, Players, features
from pycrld_econ.validation.simulators.rbc import TYPES, Economy
from pycrld_econ.validation.simulators.rbc.exact import Tree, economy_at, reachable_tree

ENTROPY = 0.1  # of the weight in training
FRESH = 256  # environments of a measurement, at least
FROZEN = 1_000_000  # added to seeds, of the numbers that a run with compat_frozen_rng acts by


def rewards_of(config: RBCConfig, episode: Episode) -> dict[str, np.ndarray]:
    """Rewards (B, T, n) of all types without penalties."""
    welfare = rbc_curriculum.government_rewards(
        episode.rewards["consumer"], episode.rewards["firm"], config.train.firm_factor()
    )
    return dict(episode.rewards) | {"government": welfare}


def measured(
    config: RBCConfig,
    players: Players,
    kind: str,
    seed: int,
    deviator: Deviator | None = None,
    n_envs: int | None = None,
) -> np.ndarray:
    """Mean reward of a type, or of the one who deviates, in each environment, with the random numbers of `seed`.

    If the run has `compat_frozen_rng`, firms and the government act here too by one number each in all steps.
    """
    economy = Economy(config.economy, n_envs or config.train.batch_size, seed)
    economy.reset()
    generator = torch.Generator().manual_seed(seed)
    frozen = frozen_numbers(config, economy.n_envs, seed + FROZEN)
    rewards = rewards_of(config, players.play(economy, generator, frozen=frozen, deviator=deviator))[kind]
    return rewards.mean((1, 2)) if deviator is None else rewards[:, :, deviator.agent].mean(1)


def check_kind(players: Players, kind: str) -> None:
    """ValueError if there is no such type, or if it has no policy that could learn."""
    if kind not in TYPES:
        raise ValueError(f"agent type must be one of {', '.join(TYPES)}, got {kind!r}")
    if kind in players.defaults:
        raise ValueError(
            f"agent type must be one that has a policy, got {kind!r}, which plays one action always"
        )


class Responder:
    """Somebody who learns while all others stay as they are.

    Parameters
    ----------
    config : RBCConfig
        Of the run; learning is by policy gradient with its `lr` and a tenth of its entropy. Numbers are drawn as there
        (`compat_frozen_rng`).
    players : Players
        The trained policies; that of `kind` is changed if the whole type learns.
    kind : str
        consumer, firm or government.
    agent : int, optional
        Who learns alone, with a copy of the policy. None: all of the type, with one policy.
    seed : int
        Of learning and measuring.
    """

    def __init__(
        self, config: RBCConfig, players: Players, kind: str, agent: int | None = None, seed: int = 0
    ) -> None:
        check_kind(players, kind)
        size = sizes(config)[kind]
        if agent is not None and not 0 <= agent < size:
            raise ValueError(f"agent must be in 0 ... {size - 1} for {kind}, got {agent}")
        self.config, self.players, self.kind, self.agent, self.seed = config, players, kind, agent, seed
        self.policy = players.policies[kind] if agent is None else copy.deepcopy(players.policies[kind])
        self.deviator = None if agent is None else Deviator(kind, agent, self.policy)
        train = config.train
        settings = replace(train.settings(kind), learning_rate=train.lr, ppo=False)
        self.learner = PolicyGradientLearner(self.policy, settings)
        self.economy = Economy(config.economy, train.batch_size, seed)
        self.generator = torch.Generator().manual_seed(seed + 1)
        self.learned = 0  # episodes
        self.frozen = frozen_numbers(config, train.batch_size, seed + 1 + FROZEN)

    def learn(self, keep_states: bool = False) -> Episode:
        """Play an episode and learn from it."""
        train = self.config.train
        self.economy.reset()
        episode = self.players.play(
            self.economy,
            self.generator,
            frozen=self.frozen,
            keep_states=keep_states,
            deviator=self.deviator,
        )
        self.learned += 1
        episode.rewards = rewards_of(self.config, episode)
        rewards = torch.from_numpy(np.asarray(episode.rewards[self.kind], dtype=np.float32))
        scaled = rewards / getattr(train, f"{self.kind}_reward_scale")
        returns = discounted_returns(scaled, train.gamma, not train.compat_returns)
        own = (episode.private[self.kind], episode.actions[self.kind], returns)
        if self.agent is not None:
            own = tuple(part[:, :, self.agent : self.agent + 1] for part in own)  # type: ignore[assignment]
        parts = (part.flatten(0, 1) for part in (episode.public, *own))
        reports = self.learner.update(Samples(*parts), ENTROPY * train.entropy)
        check_finite(reports, f"the response of {self.kind}", self.learned)
        return episode

    def copied(self) -> dict[str, Tensor]:
        """The policy's parameters now."""
        return {name: tensor.clone() for name, tensor in self.policy.state_dict().items()}

    def worth(self, stream: int, policy: dict[str, Tensor] | None = None) -> np.ndarray:
        """Reward in each of the fresh environments of a stream of random numbers, of the present or a given policy."""
        if policy is not None:
            self.policy.load_state_dict(policy)
        n_envs = max(FRESH, self.config.train.batch_size)
        return measured(self.config, self.players, self.kind, self.seed + stream, self.deviator, n_envs)


def sizes(config: RBCConfig) -> dict[str, int]:
    """Number of agents of each type."""
    return {"consumer": config.economy.num_consumers, "firm": config.economy.num_firms, "government": 1}


def best_response(
    config: RBCConfig,
    players: Players,
    kind: str,
    episodes: int,
    every: int = 20,
    seed: int = 0,
    agent: int | None = None,
    folder: Path | None = None,
    save_every: int = 100,
) -> Gain:
    """Let one type, or one agent, learn against the others.

    Parameters
    ----------
    config, players, kind, agent, seed
        As for `Responder`.
    episodes : int
        To learn from, at least 1.
    every : int
        Episodes between two measurements.
    folder : Path, optional
        Where episodes and policies go each `save_every` episodes, in the published layout.
    save_every : int
        At least 1.

    Returns
    -------
    Gain
        Of the best policy found, measured in episodes of their own.
    """
    if min(episodes, every, save_every) < 1:
        raise ValueError(
            f"episodes, every and save_every must be at least 1, got {episodes}, {every}, {save_every}"
        )
    responder = Responder(config, players, kind, agent, seed)
    before = responder.worth(2)
    best, best_at, first_policy = before, 0, responder.copied()
    best_policy = first_policy
    for k in range(1, episodes + 1):
        due = folder is not None and ((k - 1) % save_every == 0 or k == episodes)
        episode = responder.learn(keep_states=due)
        if due and folder is not None:
            folder.mkdir(exist_ok=True)
            rbc_files.save_episode(folder, str(k - 1), config.economy, episode)
            rbc_files.save_models(folder, k - 1, players)
        if k % every == 0 or k == episodes:
            now = responder.worth(2)
            if now.mean() > best.mean():
                best, best_at, best_policy = now, k, responder.copied()
    # The best of several measurements flatters itself: the gain is measured anew with other random numbers.
    after, before = responder.worth(3, best_policy), responder.worth(3, first_policy)
    difference = after - before
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    numbers = (float(before.mean()), float(after.mean()), float(difference.mean()), error)
    return Gain(kind, *numbers, best_at, agent)


def deviators(config: RBCConfig, kinds: Sequence[str], agents: Sequence[int] | str) -> list[tuple[str, int]]:
    """Who deviates alone: the agents of these numbers, or `all`, of each type; a lone agent is its type."""
    known = {kind: range(size) for kind, size in sizes(config).items() if kind in kinds}
    if not isinstance(agents, str):
        for agent in agents:
            if not any(agent in numbers for numbers in known.values()):
                most = max(len(numbers) for numbers in known.values())
                raise ValueError(f"agents must be in 0 ... {most - 1}, got {agent}")
    return [
        (kind, agent)
        for kind, numbers in known.items()
        if len(numbers) > 1
        for agent in numbers
        if isinstance(agents, str) or agent in agents
    ]


def responses(
    run: Path,
    episode: str,
    kinds: Sequence[str],
    episodes: int,
    repeats: int = 1,
    agents: Sequence[int] | str = (),
    save_every: int | None = None,
) -> Responses:
    """Gains of types and of single agents at one checkpoint of a run.

    Parameters
    ----------
    run : Path
        Folder of the run.
    episode : str
        Number of an episode with saved policies, or `latest`.
    kinds : sequence of str
        Types that respond, each as a whole.
    episodes : int
        To learn from.
    repeats : int
        Repetitions with other seeds.
    agents : sequence of int or `all`
        Agents of these types that respond alone besides.
    save_every : int, optional
        Keep the first repetition of whole types in `brTYPE/`, an episode each so many. What is there is replaced when
        all have learned; until then, and if anything is raised, it stays.

    Raises
    ------
    ValueError
        If a type, an agent or the checkpoint is none of the run's, or its metrics cannot be read; before any learning.
    """
    if min(episodes, repeats, 1 if save_every is None else save_every) < 1:
        raise ValueError(
            f"episodes, repeats and save_every must be at least 1, got {episodes}, {repeats}, {save_every}"
        )
    config = load(RBCConfig, run / HPARAMS)
    players = loaded(run, config, episode)
    for kind in kinds:
        check_kind(players, kind)
    learners: list[tuple[str, int | None]] = [(kind, None) for kind in kinds]
    learners += deviators(config, kinds, agents)
    ranges, found, every = training_ranges(run), [], save_every or 100
    with replacing(run, [f"br{kind}" for kind in kinds] if save_every else []) as folders:
        for kind, agent in learners:
            for repeat in range(repeats):
                folder = folders.get(f"br{kind}") if agent is None and repeat == 0 else None
                players = loaded(run, config, episode)
                found.append(
                    best_response(
                        config,
                        players,
                        kind,
                        episodes,
                        seed=1000 * repeat,
                        agent=agent,
                        folder=folder,
                        save_every=every,
                    )
                )
    return Responses(episode, found, ranges)


@contextmanager
def replacing(run: Path, names: Sequence[str]) -> Iterator[Mapping[str, Path]]:
    """Folders to write to, by name; at the end of the block they replace those of these names in the run.

    If the block raises anything, Ctrl-C included, the run is as it was.
    """
    if not names:
        yield {}
        return
    with tempfile.TemporaryDirectory(dir=run, prefix=".responses-") as room:
        places = {name: Path(room) / name for name in names}
        yield places
        for name, place in places.items():
            if (run / name).exists():
                (run / name).rename(Path(room) / f"old-{name}")
            place.rename(run / name)


def loaded(run: Path, config: RBCConfig, episode: str) -> Players:
    """The policies of a checkpoint; ValueError as `rbc_files.load_models`."""
    players = players_of(config)
    rbc_files.load_models(run, episode, players)
    return players


def checkpoints_game(
    run: Path, episodes: Sequence[str], seed: int = 0, n_envs: int | None = None
) -> EmpiricalGame:
    """The game in which consumers, firms and the government each choose one of a run's checkpoints.

    Parameters
    ----------
    run : Path
        Folder of the run.
    episodes : sequence of str
        Numbers of episodes with saved policies, or `latest`.
    seed : int
        All combinations are played with the same random numbers.
    n_envs : int, optional
        Economies for each combination. Default: as many as the run has.

    If the run has `compat_frozen_rng`, firms and the government act by one number each here too.
    """
    config = load(RBCConfig, run / HPARAMS)
    at = {name: loaded(run, config, name) for name in episodes}

    def play(chosen: dict[str, str]) -> dict[str, np.ndarray]:
        players = players_of(config)
        for kind, name in chosen.items():
            players.policies[kind] = at[name].policies[kind]
        economy = Economy(config.economy, n_envs or config.train.batch_size, seed)
        economy.reset()
        frozen = frozen_numbers(config, economy.n_envs, seed + FROZEN)
        generator = torch.Generator().manual_seed(seed)
        rewards = rewards_of(config, players.play(economy, generator, frozen=frozen))
        return {kind: rewards[kind].mean((1, 2)) for kind in TYPES}

    return empirical_game({kind: list(episodes) for kind in TYPES}, play)


def policies_at(players: Players, economy: Economy) -> list[np.ndarray]:
    """What all agents do in the states of an economy's environments: (E, actions) each, of joint actions of heads."""
    now, agents = features(economy, players.digit_count), []
    for kind, policy in players.policies.items():
        with torch.no_grad():
            logits, _ = policy(now[kind].public, now[kind].private)
        heads = [head for part in policy.split(logits) for head in part.double().softmax(-1).unbind(-2)]
        joint = heads[0]  # (E, n, actions); heads are independent, the last varies fastest
        for head in heads[1:]:
            joint = (joint.unsqueeze(-1) * head.unsqueeze(-2)).flatten(-2)
        agents += [agent.numpy() for agent in joint.unbind(1)]
    return agents


def tree_policies(players: Players, tree: Tree) -> list[list[np.ndarray]]:
    """What policies do in the states of a tree: found[depth][agent], (n_d, actions), for `Tree.best_response`."""
    levels = enumerate(tree.levels[:-1])
    return [
        policies_at(players, economy_at(players.config, rows, depth, "float32")) for depth, rows in levels
    ]


def exact_gains(players: Players, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """What a best response brings each agent, exactly, in an economy small enough to be a tree.

    The government counts consumers' rewards only, whatever a run's `government_counts_firm_reward` says; all draw anew
    in each step, whatever `compat_frozen_rng` says.

    Parameters
    ----------
    players : Players
        The policies; their economy begins as its configuration says.
    depth : int
        Steps of an episode.

    Returns
    -------
    (n,) array, (n,) array
        Mean reward of a step under the policies, and what is gained on top; consumers, firms, government.
    """
    tree = reachable_tree(players.config, {}, depth)
    policies = tree_policies(players, tree)
    before = tree.values(policies, 1.0) / depth
    best = [tree.best_response(policies, agent, 1.0)[1] / depth for agent in range(len(before))]
    return before, np.array(best) - before


TABLE = "best_responses.csv"


def best_response_command(arguments: Sequence[str]) -> int:
    """Measure how much types and agents could gain by deviating from trained policies.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ best-response`. Results go into the run: `br_TYPE_output.txt`,
        `best_responses.csv`, and `brTYPE/` with episodes and policies of the last checkpoint named.

    Returns
    -------
    int
        0; argparse ends with 2 on a mistake, before anything is computed.
    """
    from pycrld_econ.cli import OneLineParser, refusals

    parser = OneLineParser(
        prog="pycrld-econ best-response", description=(best_response_command.__doc__ or "").split("\n")[0]
    )
    _add_options(parser)
    given = parser.parse_args(list(arguments))
    with refusals(parser):
        run = given.experiment_dir / given.rollout_dir if given.experiment_dir else given.rollout_dir
        _respond(run, given)
    return 0


def _respond(run: Path, given: argparse.Namespace) -> None:
    config = load(RBCConfig, run / HPARAMS)
    kinds: tuple[str, ...] = tuple(players_of(config).learning())
    if given.agent_type != "all":
        kinds = (given.agent_type,)
    deviators(config, kinds, given.agents)
    for name, value in (
        ("EPISODES", given.episodes),
        ("--repeat-runs", given.repeat_runs),
        ("--checkpoint-model", given.checkpoint_model),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    training_ranges(run)
    for name in given.ep_strs:  # before hours of work, not after
        loaded(run, config, name)
    found = []
    for k, name in enumerate(given.ep_strs):
        keep = given.checkpoint_model if k == len(given.ep_strs) - 1 else None
        found.append(responses(run, name, kinds, given.episodes, given.repeat_runs, given.agents, keep))
        sys.stdout.write(f"episode {name}\n")
        sys.stdout.write("".join(f"  {gain}\n" for gain in found[-1].gains))
        sys.stdout.write(f"  {found[-1].epsilon()}\n")
    for kind in kinds:
        lines = [f"{each.episode}: {gain}\n" for each in found for gain in each.gains if gain.kind == kind]
        write_atomically(run / f"br_{kind}_output.txt", "".join(lines).encode())
    write_atomically(run / TABLE, table(found).encode())


def _agents(text: str) -> int | str:
    return text if text == "all" else int(text)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("rollout_dir", type=Path, metavar="ROLLOUT_DIR", help="folder of a run of `pycrld-econ train rbc`")
    add("episodes", type=int, metavar="EPISODES", help="episodes that a type or an agent learns from")
    add(
        "--experiment-dir", type=Path, metavar="DIR", help="folder that ROLLOUT_DIR is in (default: this one)"
    )
    add(
        "--ep-strs",
        nargs="+",
        default=["latest"],
        metavar="E",
        help="checkpoints, as 0 latest (default latest)",
    )
    add("--agent-type", default="all", choices=["all", *TYPES], help="who deviates (default all)")
    add(
        "--agents",
        nargs="+",
        type=_agents,
        default=[],
        metavar="J",
        action=_Agents,
        help="numbers of agents who deviate alone besides, or all (default none)",
    )
    add("--repeat-runs", type=int, default=1, metavar="N", help="repetitions with other seeds (default 1)")
    add(
        "--checkpoint-model",
        type=int,
        default=100,
        metavar="N",
        help="episodes between two that brTYPE/ keeps (default 100)",
    )


class _Agents(argparse.Action):
    """`all`, or a list of numbers."""

    def __call__(self, parser, namespace, values, option_string=None):  # type: ignore[no-untyped-def]
        """Store them."""
        setattr(namespace, self.dest, "all" if "all" in values else values)
