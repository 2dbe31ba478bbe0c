"""Training in the real-business-cycle economy: `pycrld-econ train rbc open --size small`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.backend import torch_device
from pycrld_econ.validation.experiments import rbc_curriculum, rbc_files
from pycrld_econ.validation.experiments.config import dump, layered, load, read_mapping
from pycrld_econ.validation.experiments.loop import HPARAMS, read_metrics
from pycrld_econ.validation.experiments.rbc_curriculum import Curriculum
from pycrld_econ.validation.experiments.rbc_original import from_original, is_original, to_original
from pycrld_econ.validation.experiments.registry import Experiment
from pycrld_econ.validation.learners.policy_gradient import (
    PART,
    PolicyGradientLearner,
    PolicyGradientSettings,
    Samples,
    check_finite,
    discounted_returns,
)
from pycrld_econ.validation.learners.rbc_players import CounterDraws, Episode, Players
from pycrld_econ.validation.simulators.rbc import TYPES, Economy, EconomyConfig

CONFIGURATIONS = Path(__file__).with_name("rbc.yaml")
SIZES = ("small", "published")
ORIGINAL = "hparams_original.yaml"
WHOLE = 1 << 20  # samples whose gradient a GPU computes at once


@dataclass(frozen=True)
class Train:
    """How policies learn; names of the published `train` and `agents` dictionaries.

    Attributes
    ----------
    batch_size : int
        Environments.
    num_episodes : int
        Episodes; after each, the types whose time it is learn from all environments.
    save_dense_every, save_model_every : int
        Episodes between two dense records, and two sets of policies; 0: only at the end.
    lr, gamma, entropy, value_loss_weight, clip_grad_norm
        As in `PolicyGradientSettings`.
    consumer_lr_multiple, firm_lr_multiple, government_lr_multiple : float
        Factors of `lr`, > 0. Who shall not learn has a default action, or an empty training list.
    use_ppo, ppo_num_updates, ppo_clip_param
        PPO or policy gradient, steps on one episode, epsilon.
    consumer_reward_scale, firm_reward_scale, government_reward_scale : float
        What rewards are divided by before learning.
    government_counts_firm_reward, firm_reward_for_government_factor : bool, float
        Whether welfare counts firms' rewards, and with what factor.
    digit_representation_size, hidden : int
        Digits of stocks and budgets, units of hidden layers.
    consumer_noponzi_start, firm_noponzi_start, consumer_noponzi_eta, firm_noponzi_eta : float
        Penalties on debts at the end: first coefficient, and its growth with the mean debt.
    consumer_penalty_scale, firm_penalty_scale : float
        What debts are divided by.
    lagr_num_steps : int
        Episodes between two changes of the coefficients, at least 1.
    counter_draws : bool
        Actions are drawn by a counter, in one kernel for all types, instead of by torch: the same numbers on every
        device. On cuda always.
    compat_frozen_rng : bool
        Firms and the government act by one random number for each environment and agent in the whole run, as the
        original's did by mistake.
    compat_returns : bool
        Returns that do not compound the discount factor, as the original's.
    """

    batch_size: int = 128
    num_episodes: int = 200_000
    save_dense_every: int = 2000
    save_model_every: int = 10_000
    lr: float = 0.001
    gamma: float = 0.9999
    entropy: float = 0.5
    value_loss_weight: float = 1.0
    clip_grad_norm: float | None = 2.0
    consumer_lr_multiple: float = 1.0
    firm_lr_multiple: float = 1.0
    government_lr_multiple: float = 0.05
    use_ppo: bool = True
    ppo_num_updates: int = 2
    ppo_clip_param: float = 0.1
    consumer_reward_scale: float = 5.0
    firm_reward_scale: float = 30_000.0
    government_reward_scale: float = 1000.0
    government_counts_firm_reward: bool = True
    firm_reward_for_government_factor: float = 0.0025
    digit_representation_size: int = 10
    hidden: int = 128
    consumer_noponzi_start: float = 0.0
    firm_noponzi_start: float = 0.0
    consumer_noponzi_eta: float = 0.0
    firm_noponzi_eta: float = 0.0
    consumer_penalty_scale: float = 1.0
    firm_penalty_scale: float = 100.0
    lagr_num_steps: int = 1
    counter_draws: bool = False
    compat_frozen_rng: bool = False
    compat_returns: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_episodes", "digit_representation_size", "hidden", "lagr_num_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("save_dense_every", "save_model_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        positive = [f"{kind}_{name}" for kind in TYPES for name in ("lr_multiple", "reward_scale")]
        positive += [
            "lr",
            "consumer_penalty_scale",
            "firm_penalty_scale",
            "ppo_num_updates",
            "ppo_clip_param",
        ]
        for name in positive:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be > 0 and finite, got {getattr(self, name)!r}")
        growing = [f"{kind}_noponzi_{name}" for kind in TYPES[:2] for name in ("start", "eta")]
        for name in (*growing, "entropy", "value_loss_weight", "firm_reward_for_government_factor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)!r}")
        for kind in TYPES:
            self.settings(kind)

    def settings(self, kind: str) -> PolicyGradientSettings:
        """How one type learns."""
        return PolicyGradientSettings(
            learning_rate=self.lr * getattr(self, f"{kind}_lr_multiple"),
            entropy=self.entropy,
            value_loss_weight=self.value_loss_weight,
            gamma=self.gamma,
            clip_grad_norm=self.clip_grad_norm,
            ppo=self.use_ppo,
            updates=self.ppo_num_updates,
            clip=self.ppo_clip_param,
            compounding=not self.compat_returns,
        )

    def firm_factor(self) -> float:
        """What the government counts of firms' rewards."""
        return self.firm_reward_for_government_factor if self.government_counts_firm_reward else 0.0


@dataclass(frozen=True)
class RBCConfig:
    """A run.

    Attributes
    ----------
    seed : int
        Of networks and actions, in [0, 2**62).
    economy, train, curriculum
        See there.
    """

    seed: int
    economy: EconomyConfig = field(default_factory=EconomyConfig)
    train: Train = field(default_factory=Train)
    curriculum: Curriculum = field(default_factory=Curriculum)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**62:
            raise ValueError(f"seed must be in [0, 2**62), got {self.seed}")
        menus = {"firm": self.economy.grids.firm, "government": self.economy.grids.government}
        if self.train.batch_size * self.economy.world.maxtime < 2:
            raise ValueError(
                "batch_size * maxtime must be at least 2: advantages of one sample have no spread"
            )
        self.curriculum.check_menus(np.array(menus["firm"]), np.array(menus["government"]))
        for kind, row in self.curriculum.defaults().items():
            if row >= len(menus[kind]):
                raise ValueError(f"{kind}_default_action must be in 0 ... {len(menus[kind]) - 1}, got {row}")


def players_of(config: RBCConfig, seed: int = 0) -> Players:
    """Fresh players for a run."""
    train = config.train
    sizes = (train.digit_representation_size, train.hidden)
    return Players(config.economy, *sizes, seed, config.curriculum.defaults())


def frozen_numbers(config: RBCConfig, n_envs: int, seed: int) -> dict[str, Tensor] | None:
    """What firms and the government act by in all steps, (n_envs, n, 1) each; None without `compat_frozen_rng`."""
    if not config.train.compat_frozen_rng:
        return None
    generator = torch.Generator().manual_seed(seed)
    sizes = {"firm": config.economy.num_firms, "government": 1}
    return {kind: torch.rand((n_envs, size, 1), generator=generator) for kind, size in sizes.items()}


@cache
def _file() -> dict[str, Any]:
    return read_mapping(CONFIGURATIONS)


def names() -> tuple[str, ...]:
    """Named configurations."""
    return tuple(name for name in _file() if not name.startswith("common"))


def named(name: str, size: str) -> Mapping[str, Any]:
    """A named configuration as a mapping."""
    return layered(_file()["common"], _file()[f"common_{size}"], _file()[name][size])


class RBCTrainer:
    """Episodes of all environments, each followed by the updates whose time it is.

    Parameters
    ----------
    config : RBCConfig
        The run.
    device : str
        cpu or cuda, of economy and networks. On cuda an episode stays there until it is over. That path has been run in
        numba's simulator, and its kernels compiled for GPUs; it has not been run on one yet.
    folder : Path, optional
        Where dense episodes and policies go; None: nowhere.
    """

    def __init__(self, config: RBCConfig, device: str = "cpu", folder: Path | None = None) -> None:
        self.config, self.folder, self.done = config, folder, 0
        train, economy = config.train, config.economy
        self.economy = Economy(economy, train.batch_size, config.seed, device=device)
        self.device = torch_device(device)
        self.players = players_of(config, config.seed).to(self.device)
        part = PART if self.device == "cpu" else WHOLE
        self.learners = {
            kind: PolicyGradientLearner(policy, train.settings(kind), part)
            for kind, policy in self.players.policies.items()
        }
        self.generator = torch.Generator().manual_seed(config.seed)
        counted = train.counter_draws or device == "cuda"
        self.draws = CounterDraws(config.seed, train.compat_frozen_rng) if counted else self.generator
        self.coefficients = {"consumer": train.consumer_noponzi_start, "firm": train.firm_noponzi_start}
        self.described = False  # whether menus and the like are in the folder
        self.frozen = frozen_numbers(config, train.batch_size, config.seed + 1)

    @property
    def total(self) -> int:
        """Episodes to play."""
        return self.config.train.num_episodes

    def masks(self) -> dict[str, Tensor]:
        """What is closed in this episode."""
        plan, grids = self.config.curriculum, self.config.economy.grids
        return {
            "firm": self._there(plan.firm_mask(self.done, np.array(grids.firm))),
            "government": self._there(plan.government_mask(self.done, np.array(grids.government))),
        }

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def advance(self) -> dict[str, float]:
        """Play an episode, save what is due, then learn from it."""
        masks = self.masks()
        self.economy.reset(self.config.curriculum.theta_coefficient(self.done))
        dense = self._due(self.config.train.save_dense_every)
        episode = self.players.play(self.economy, self.draws, masks, self.frozen, keep_states=dense)
        self._complete(episode)
        if self.folder is not None:
            self._save(episode, dense)
        for kind in TYPES:
            if self.config.curriculum.trains(self.done, kind):
                self._learn(kind, episode, masks.get(kind))
        self.done += 1
        return summary(self.config.economy, episode)

    def _due(self, every: int) -> bool:
        last = self.done == self.total - 1
        return self.folder is not None and (last or (every > 0 and self.done % every == 0))

    def _complete(self, episode: Episode) -> None:
        """Penalties for debts, then the government's reward."""
        train = self.config.train
        for kind in ("consumer", "firm"):
            scale = getattr(train, f"{kind}_penalty_scale")
            episode.rewards[kind] = rbc_curriculum.penalised(
                episode.rewards[kind], episode.budgets[kind], self.coefficients[kind], scale
            )
        episode.rewards["government"] = rbc_curriculum.government_rewards(
            episode.rewards["consumer"], episode.rewards["firm"], train.firm_factor()
        )

    def _save(self, episode: Episode, dense: bool) -> None:
        assert self.folder is not None
        last = self.done == self.total - 1
        if dense:
            for name in {str(self.done), "final"} if last else {str(self.done)}:
                rbc_files.save_episode(self.folder, name, self.config.economy, episode)
        if self._due(self.config.train.save_model_every):
            rbc_files.save_models(self.folder, self.done, self.players)
        if not self.described:
            self._describe(self.folder)
            self.described = True

    def _describe(self, folder: Path) -> None:
        """Write menus and the published configuration, each if it is missing: a run may have been killed between."""
        rbc_files.save_menus(folder, self.config.economy)
        if not (folder / ORIGINAL).exists():
            with contextlib.suppress(ValueError):  # what the published form has no words for has no such file
                dump(to_original(self.config), folder / ORIGINAL)

    def _learn(self, kind: str, episode: Episode, mask: Tensor | None) -> None:
        train = self.config.train
        scale = getattr(train, f"{kind}_reward_scale")
        rewards = self._there(np.asarray(episode.rewards[kind], dtype=np.float32)) / scale
        returns = discounted_returns(rewards, train.gamma, not train.compat_returns)
        samples = Samples(
            episode.public.flatten(0, 1),
            episode.private[kind].flatten(0, 1),
            episode.actions[kind].flatten(0, 1),
            returns.flatten(0, 1),
            mask,
        )
        weight = train.entropy * self.config.curriculum.entropy_coefficient(self.done, kind)
        check_finite(self.learners[kind].update(samples, weight), kind, self.done)
        if kind in self.coefficients and self.done % train.lagr_num_steps == 0:
            self.coefficients[kind] = rbc_curriculum.next_coefficient(
                self.coefficients[kind],
                episode.budgets[kind],
                getattr(train, f"{kind}_penalty_scale"),
                getattr(train, f"{kind}_noponzi_eta"),
            )

    def state(self) -> dict[str, Any]:
        """Everything that the next episode depends on."""
        return {
            "done": self.done,
            "policies": {kind: policy.state_dict() for kind, policy in self.players.policies.items()},
            "optimisers": {kind: learner.optimiser.state_dict() for kind, learner in self.learners.items()},
            "generator": self.generator.get_state(),
            "clock": self.economy.snapshot()["clock"],
            "coefficients": dict(self.coefficients),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state over; ValueError if policies have other sizes."""
        for kind, policy in self.players.policies.items():
            policy.load_parameters(state["policies"][kind], f"the state's {kind} policy")
            self.learners[kind].optimiser.load_state_dict(state["optimisers"][kind])
        self.generator.set_state(state["generator"])
        self.economy.load(self.economy.snapshot() | {"clock": state["clock"].numpy()})
        self.done, self.coefficients = int(state["done"]), dict(state["coefficients"])


def summary(config: EconomyConfig, episode: Episode) -> dict[str, float]:
    """Means over environments, steps and agents: rewards by type, then what was done."""
    grids = config.grids
    firm = np.array(grids.firm)[episode.actions["firm"][..., 0].cpu().numpy()]
    taxes = np.array(grids.government)[episode.actions["government"][..., 0].cpu().numpy()]
    hours = np.array(grids.hours)[episode.actions["consumer"][..., config.num_firms].cpu().numpy()]
    found = {f"{kind}_reward": episode.rewards[kind].mean() for kind in TYPES}
    found |= {"price": firm[..., 0].mean(), "wage": firm[..., 1].mean(), "hours": hours.mean()}
    found |= {"consumption": episode.consumption.mean(), "exported": episode.exported.mean()}
    found |= {"income_tax": taxes[..., 0].mean(), "corporate_tax": taxes[..., 1].mean()}
    return {name: float(value) for name, value in found.items()}


def evaluate_run(folder: Path) -> str:
    """Means over blocks of the run, in its order."""
    load(RBCConfig, folder / HPARAMS)
    metrics = read_metrics(folder)
    updates = np.array(metrics.pop("update"))
    lines = ["episodes      " + "  ".join(f"{name:>17}" for name in metrics)]
    for block in np.array_split(np.arange(len(updates)), min(8, len(updates))):
        means = [np.mean(np.array(values)[block]) for values in metrics.values()]
        label = f"{updates[block[0]] - 1:.0f}-{updates[block[-1]] - 1:.0f}"
        lines.append(f"{label:<14}" + "  ".join(f"{value:17.5g}" for value in means))
    return "\n".join(lines)


def report(folders: Sequence[Path], out: Path) -> list[Path]:
    """Rewards, prices, wages, hours and taxes over training, one curve for each run."""
    from pycrld_econ.validation.experiments.rbc_figures import training_curves

    return training_curves(folders, out)


EXPERIMENT = Experiment(
    config=RBCConfig,
    names=names(),
    sizes=SIZES,
    named=named,
    trainer=RBCTrainer,
    evaluate=evaluate_run,
    report=report,
    checkpoint_every=200,
    unit="episode",
    translate=lambda mapping: from_original(mapping) if is_original(mapping) else mapping,
)
