"""Training in the gather-trade-build economy: `pycrld-econ train gtb free_market --size small`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pycrld_econ.validation.experiments.config import layered, read_mapping
from pycrld_econ.validation.experiments.registry import Experiment
from pycrld_econ.validation.learners.ppo.networks import NetworkSettings
from pycrld_econ.validation.learners.ppo.players import (
    Player,
    Team,
    collect,
    sight_of_agents,
    sight_of_planner,
    window_of,
)
from pycrld_econ.validation.learners.ppo.schedules import value_at
from pycrld_econ.validation.learners.ppo.update import PPOSettings, Report
from pycrld_econ.validation.simulators.gather_trade_build import GatherTradeBuild, GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.config import WARMUPS
from pycrld_econ.validation.simulators.gather_trade_build.state import COMMODITIES

CONFIGURATIONS = Path(__file__).with_name("gtb.yaml")
SIZES = ("small", "paper")
POLICIES = ("shared", "separate")


@dataclass(frozen=True)
class Phase:
    """A part of a curriculum.

    Attributes
    ----------
    steps : int
        Environment steps, all environments together; rounded up to whole fragments.
    taxes : bool
        False: there are no taxes, whatever the economy says.
    energy_warmup_constant, energy_warmup_method : float, str
        How the cost of labour is annealed in; replaces that of the economy.
    """

    steps: int
    taxes: bool = True
    energy_warmup_constant: float = 0.0
    energy_warmup_method: str = "decay"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"phases.steps must be at least 1, got {self.steps}")
        if self.energy_warmup_method not in WARMUPS:
            raise ValueError(
                f"phases.energy_warmup_method must be one of {', '.join(WARMUPS)}, got "
                f"{self.energy_warmup_method!r}"
            )

    def economy(self, config: GTBConfig) -> GTBConfig:
        """The economy in this phase."""
        tax = config.tax
        return replace(
            config,
            tax=None if tax is None else replace(tax, disable_taxes=tax.disable_taxes or not self.taxes),
            energy_warmup_constant=self.energy_warmup_constant,
            energy_warmup_method=self.energy_warmup_method,
        )


@dataclass(frozen=True)
class GTBRun:
    """A run.

    Attributes
    ----------
    seed : int
        Of the economy, networks and actions, in [0, 2**31).
    economy : GTBConfig
        Where agents act.
    phases : tuple of Phase
        The curriculum: agents and planner keep what they learned.
    n_envs, fragment : int
        Environments, and steps of each between two updates.
    stagger : bool
        Begin with environments at evenly spread times of their episodes, which random actions led to; so updates see
        all times of an episode. False: all begin together.
    hidden : tuple of str
        Numbers that agents do not see: beginnings of names in `GatherTradeBuild.flat_names`.
    policies : str
        Whether agents have one network together (shared), or one each (separate), which learns from what that agent
        did.
    network, planner_network : NetworkSettings
        What learns.
    agents, planner : PPOSettings
        How; schedules count environment steps of the whole run.
    eval_envs : int
        Episodes of an evaluation.
    """

    seed: int
    economy: GTBConfig = field(default_factory=GTBConfig)
    phases: tuple[Phase, ...] = (Phase(1_000_000),)
    n_envs: int = 60
    fragment: int = 200
    stagger: bool = True
    hidden: tuple[str, ...] = ()
    policies: str = "shared"
    network: NetworkSettings = field(default_factory=NetworkSettings)
    planner_network: NetworkSettings = field(default_factory=NetworkSettings)
    agents: PPOSettings = field(default_factory=PPOSettings)
    planner: PPOSettings = field(default_factory=PPOSettings)
    eval_envs: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be in [0, 2**31), got {self.seed}")
        for name in ("n_envs", "fragment", "eval_envs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.policies not in POLICIES:
            raise ValueError(f"policies must be one of {', '.join(POLICIES)}, got {self.policies!r}")
        if not self.phases:
            raise ValueError("phases must be at least one")
        for name, network in (("network", self.network), ("planner_network", self.planner_network)):
            if network.kind == "recurrent" and self.fragment % network.max_seq_len:
                raise ValueError(
                    f"{name}.max_seq_len must divide fragment, got {network.max_seq_len} and {self.fragment}"
                )

    @property
    def is_planned(self) -> bool:
        """Whether a planner learns in any phase."""
        tax = self.economy.tax
        return tax is not None and tax.is_planned and any(phase.taxes for phase in self.phases)

    @property
    def updates(self) -> list[int]:
        """Updates of each phase."""
        return [math.ceil(phase.steps / (self.n_envs * self.fragment)) for phase in self.phases]

    def phase_of(self, update: int) -> int:
        """The phase in which an update, counted from 0, is made; the last one for later ones."""
        ends = np.cumsum(self.updates)
        return min(int(np.searchsorted(ends, update, side="right")), len(ends) - 1)


@cache
def _file() -> dict[str, Any]:
    return read_mapping(CONFIGURATIONS)


def names() -> tuple[str, ...]:
    """Named configurations."""
    return tuple(_file()["runs"])


def named(name: str, size: str) -> Mapping[str, Any]:
    """A named configuration as a mapping."""
    file, run = _file(), _file()["runs"][name]
    base = file["bases"][run["base"]]
    return layered(file["common"], base["both"], base[size], run["both"], run.get(size, {}))


def random_actions(economy: GatherTradeBuild, rng: np.random.Generator) -> np.ndarray:
    """Actions that masks allow, all with the same chance."""
    mask = economy.seen.mask
    mask = mask if isinstance(mask, np.ndarray) else mask.copy_to_host()
    sizes = economy.action_dims if economy.config.multi_action_mode_agents else (economy.n_actions,)
    parts = np.split(mask, np.cumsum(sizes)[:-1], axis=-1)
    chosen = [(rng.random(part.shape, dtype=np.float32) * part).argmax(-1) for part in parts]
    return np.stack(chosen, -1) if len(parts) > 1 else chosen[0]


def any_actions(economy: GatherTradeBuild, rng: np.random.Generator) -> np.ndarray:
    """Actions that exist, all with the same chance, whether they would have an effect or not."""
    sizes = economy.action_dims if economy.config.multi_action_mode_agents else economy.n_actions
    shape = (economy.n_envs, economy.n_agents, 6)[: 2 + economy.config.multi_action_mode_agents]
    return rng.integers(0, sizes, shape)


def stagger(economy: GatherTradeBuild, rng: np.random.Generator) -> None:
    """Lead environments to evenly spread times of their first episode, by random actions."""
    length = economy.config.episode_length
    times = np.arange(economy.n_envs) * length // economy.n_envs
    mixed = economy.snapshot()
    for t in range(1, int(times.max()) + 1):
        economy.step(random_actions(economy, rng))
        here = times == t
        if here.any():
            for name, array in economy.snapshot().items():
                mixed[name][here] = array[here]
    economy.load(mixed)


class GTBTrainer:
    """Fragments of all environments, each followed by the updates of agents and planner.

    Parameters
    ----------
    config : GTBRun
        The run.
    device : str
        cpu or cuda, of economy and networks. From cuda only the metrics of finished episodes come back.
    folder : Path, optional
        Not used: everything is in the checkpoints.
    """

    def __init__(self, config: GTBRun, device: str = "cpu", folder: Path | None = None) -> None:
        self.config, self.device, self.done = config, device, 0
        self.phase = 0
        self.economy = self._economy(0)
        self.agents = agents_of(config, self.economy)
        self.planner = self._planner()
        if config.stagger:
            stagger(self.economy, np.random.default_rng([config.seed, 0]))

    def _economy(self, phase: int) -> GatherTradeBuild:
        c = self.config
        where = c.phases[phase].economy(c.economy)
        return GatherTradeBuild(
            where, c.n_envs, c.seed + (phase << 32), self.device, threads=torch.get_num_threads()
        )

    def _planner(self) -> Player | None:
        return planner_of(self.config, self.economy) if self.economy.planner_dims else None

    def _enter(self, phase: int) -> None:
        """Go on in the economy of a phase."""
        self.phase, self.economy = phase, self._economy(phase)
        for player, who in zip(self.agents.players, parts_of(self.config), strict=True):
            player.begin(sight_of_agents(self.economy, self.config.hidden, who))
        if self.planner is None or not self.economy.planner_dims:
            self.planner = self._planner()
        else:
            self.planner.begin(sight_of_planner(self.economy))

    @property
    def total(self) -> int:
        """Updates to make."""
        return sum(self.config.updates)

    @property
    def env_steps(self) -> int:
        """Environment steps made, all environments together."""
        return self.done * self.config.n_envs * self.config.fragment

    def advance(self) -> dict[str, float]:
        """Play a fragment and learn from it.

        Returns
        -------
        dict of float
            productivity, equality, builds, trades, welfare, tax, price, labour: means over the episodes that ended in
            the fragment (labour also over agents), nan if none did; tax is the mean effective rate. reward: of an
            agent and step of the fragment, times the length of an episode. entropy, divergence,
            value_loss, planner_entropy: of the last epoch, means over networks. phase, env_steps, steps_per_second.
        """
        start = time.perf_counter()
        phase = self.config.phase_of(self.done)
        if phase != self.phase:
            self._enter(phase)
            if self.config.stagger:
                stagger(self.economy, np.random.default_rng([self.config.seed, phase]))
        ended = collect(self.economy, self.agents, self.planner)
        reports = [self._learn(player, self.config.agents) for player in self.agents.players]
        learned = Report(*np.mean(reports, axis=0))
        planned = None if self.planner is None else self._learn(self.planner, self.config.planner)
        reward = self.agents.mean_reward * self.economy.config.episode_length
        self.agents.open()
        if self.planner is not None:
            self.planner.open()
        self.done += 1
        found = episode_metrics(self.economy.finished_metrics(), ended)
        found |= {"reward": reward, "phase": phase, "env_steps": self.env_steps}
        found |= {"entropy": learned.entropy, "divergence": learned.divergence, "value_loss": learned.value}
        found["planner_entropy"] = math.nan if planned is None else planned.entropy
        steps = self.config.n_envs * self.config.fragment
        found["steps_per_second"] = steps / (time.perf_counter() - start)
        return {name: float(value) for name, value in found.items()}

    def _learn(self, player: Player, settings: PPOSettings) -> Report:
        at = self.env_steps
        return player.learner.update(
            player.fragment, value_at(settings.lr, at), value_at(settings.entropy, at)
        )

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "done": self.done,
            "phase": self.phase,
            "economy": self.economy.snapshot(),
            "agents": self.agents.saved(),
            "planner": None if self.planner is None else self.planner.saved(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state over."""
        if state["phase"] != self.phase:
            self._enter(int(state["phase"]))
        self.economy.load({name: np.asarray(array) for name, array in state["economy"].items()})
        self.agents.load(state["agents"])
        if self.planner is not None:
            self.planner.load(state["planner"])
        self.done = int(state["done"])


def parts_of(config: GTBRun) -> list[slice]:
    """The agents of each network."""
    n = config.economy.n_agents
    return [slice(None)] if config.policies == "shared" else [slice(i, i + 1) for i in range(n)]


def seed_of(config: GTBRun, k: int) -> int:
    """Seed of the k-th network of agents: torch generators take 32 bits."""
    return int(np.random.SeedSequence([config.seed, k]).generate_state(1)[0]) if k else 2 * config.seed


def agents_of(config: GTBRun, economy: GatherTradeBuild, steps: int | None = None) -> Team:
    """Agents of a run in an economy, untrained; `steps` replaces the length of fragments."""
    heads = economy.action_dims if config.economy.multi_action_mode_agents else (economy.n_actions,)
    players = [
        Player(
            sight_of_agents(economy, config.hidden, who), heads, window_of(economy), steps or config.fragment,
            _network(config.network, steps), config.agents, seed_of(config, k),
        )
        for k, who in enumerate(parts_of(config))
    ]  # fmt: skip
    return Team(players, economy.n_agents)


def planner_of(config: GTBRun, economy: GatherTradeBuild, steps: int | None = None) -> Player:
    """The planner of a run in an economy, untrained."""
    return Player(
        sight_of_planner(economy), economy.planner_dims, None, steps or config.fragment,
        _network(config.planner_network, steps), config.planner, 2 * config.seed + 1,
    )  # fmt: skip


def _network(settings: NetworkSettings, steps: int | None) -> NetworkSettings:
    return settings if steps is None else replace(settings, max_seq_len=steps)


MEANS = {
    "productivity": "social/productivity",
    "equality": "social/equality",
    "builds": "Build/total_builds",
    "trades": "Trade/n_trades",
    "welfare": "social_welfare/coin_eq_times_productivity",
    "tax": "PeriodicTax/avg_effective_tax_rate",
}


def episode_metrics(metrics: Mapping[str, np.ndarray], ended: np.ndarray) -> dict[str, float]:
    """Means over the episodes that ended: nan where there were none, or no taxes or trades."""
    if not ended.any():
        return dict.fromkeys((*MEANS, "price", "labour"), math.nan)
    empty = np.full(len(ended), math.nan)
    found = {name: float(metrics.get(long, empty)[ended].mean()) for name, long in MEANS.items()}
    sold, total, hours, n = 0.0, 0.0, 0.0, 0
    while f"endogenous/{n}/Labor" in metrics:
        for q in COMMODITIES:
            number = metrics[f"Trade/{n}/Sell{q}/n_sales"][ended]
            sold += float(number.sum())
            total += float((np.nan_to_num(metrics[f"Trade/{n}/Sell{q}/price"][ended]) * number).sum())
        hours += float(metrics[f"endogenous/{n}/Labor"][ended].mean())
        n += 1
    return found | {"price": total / sold if sold else math.nan, "labour": hours / n}


def evaluate_run(folder: Path) -> str:
    """What the agents of a run do in whole episodes; figures of one are drawn into the folder."""
    from pycrld_econ.validation.experiments.gtb_evaluation import evaluate_folder

    return evaluate_folder(folder)


def report(folders: Sequence[Path], out: Path) -> list[Path]:
    """Learning curves, regimes side by side, equality against productivity, and tax schedules."""
    from pycrld_econ.validation.experiments.gtb_figures import draw_report

    return draw_report(folders, out)


EXPERIMENT = Experiment(
    config=GTBRun,
    names=names(),
    sizes=SIZES,
    named=named,
    trainer=GTBTrainer,
    evaluate=evaluate_run,
    report=report,
    checkpoint_every=50,
)
