"""The multi-round wage game with a rationally inattentive principal, learned from samples.

The principal sees efforts, outputs and everything else through three noisy channels, each with a price of its own, and
remembers by a recurrent cell. Workers see their type, the wage and the clock. Everybody learns by policy gradients on
returns; the principal's returns are less what its channels tell, as a discriminator for each of them measures.

T. Mu, S. Zheng, A. Trott, arXiv 2202.01691.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from pycrld_econ.environments import principal_agent as rules
from pycrld_econ.environments.base import check_count, check_numbers
from pycrld_econ.validation.learners.inattention import Discriminator

LONGEST = 10  # rounds of a game at most
CHANNELS = ("effort", "output", "rest")


@dataclass(frozen=True)
class WageTraining:
    """How principal and workers learn.

    Parameters
    ----------
    prices : cost of a nat for the channels of efforts, of outputs, and of the rest.
    workers, games : workers of a game, games of a batch.
    iterations : number of updates.
    percepts, memory, hidden : widths of percepts, memory and hidden layers.
    entropy : weight of the entropy of actions.
    policy_rate, discriminator_rate : learning rates of Adam.
    horizon : rounds of every game; None: uniform in 2, ..., 10.
    seed : of everything.
    """

    prices: tuple[float, float, float] = (0.5, 5.0, 0.01)
    workers: int = 4
    games: int = 512
    iterations: int = 5000
    percepts: int = 4
    memory: int = 32
    hidden: int = 64
    entropy: float = 0.1
    policy_rate: float = 1e-4
    discriminator_rate: float = 1e-3
    horizon: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.prices) != len(CHANNELS):
            raise ValueError(
                f"prices must hold one price for each of {', '.join(CHANNELS)}, got {self.prices!r}"
            )
        check_numbers("prices", self.prices, 0)
        for name in ("workers", "games", "percepts", "memory", "hidden"):
            check_count(name, getattr(self, name))
        check_count("iterations", self.iterations, least=0)
        if self.horizon is not None and not 1 <= check_count("horizon", self.horizon) <= LONGEST:
            raise ValueError(f"horizon must be None or in [1, {LONGEST}], got {self.horizon!r}")


@dataclass
class Wages:
    """A batch of wage games: who the workers are, and what was seen last.

    Attributes
    ----------
    types : (games, workers) int tensor
        Types of the workers.
    horizon : (games,) tensor
        Rounds of each game.
    round : int
        Rounds that are over.
    effort, output, wage, hours : (games, workers) tensors
        Of the last round, 0 before the first.
    """

    types: Tensor
    horizon: Tensor
    round: int = 0
    effort: Tensor = field(init=False)
    output: Tensor = field(init=False)
    wage: Tensor = field(init=False)
    hours: Tensor = field(init=False)

    def __post_init__(self) -> None:
        for name in ("effort", "output", "wage", "hours"):
            setattr(self, name, torch.zeros(self.types.shape))

    def clock(self) -> Tensor:
        """Rounds that are over, and the horizon, (games, 2)."""
        return torch.stack([torch.full_like(self.horizon, float(self.round)), self.horizon], -1)

    def principal_sees(self) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs of the three channels: efforts, outputs, and (wages, hours, total output, round, horizon)."""
        total = self.output.sum(-1, keepdim=True)
        return self.effort, self.output, torch.cat([self.wage, self.hours, total, self.clock()], -1)

    def worker_sees(self, wage: Tensor) -> Tensor:
        """Type, wage, round and horizon of every worker, (games, workers, 4)."""
        clock = self.clock()[:, None].expand(-1, self.types.shape[1], -1)
        return torch.cat([self.types[..., None].float(), wage[..., None], clock], -1)

    def play(self, wage: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """One round with wages and actions (games, workers); rewards of workers and of the principal (games,)."""
        skill = torch.tensor(rules.SKILLS)[self.types]
        hours = torch.div(action, rules.EFFORTS, rounding_mode="floor").float()
        effort = (action % rules.EFFORTS).float()
        output = (skill + rules.EFFORT_OUTPUT * effort) * hours
        self.wage, self.hours, self.effort, self.output = wage, hours, effort, output
        self.round += 1
        worker = wage * hours - hours**2 * (1.0 + rules.EFFORT_COST * effort)
        return worker, rules.OUTPUT_VALUE * output.sum(-1) - (wage * hours).sum(-1)


def new_games(training: WageTraining, generator: torch.Generator) -> Wages:
    """A batch of games with random types and horizons."""
    shape = (training.games, training.workers)
    types = torch.randint(len(rules.SKILLS), shape, generator=generator)
    if training.horizon is None:
        horizon = torch.randint(2, LONGEST + 1, shape[:1], generator=generator).float()
    else:
        horizon = torch.full(shape[:1], float(training.horizon))
    return Wages(types, horizon)


class Channel(nn.Module):
    """A noisy percept of an input: normal around a linear map of it plus what a network of input and memory adds.

    Parameters
    ----------
    inputs, memory, percepts, hidden : int
        Widths.
    bias : float
        Added before the softplus that makes the deviation.
    """

    def __init__(self, inputs: int, memory: int, percepts: int, hidden: int, bias: float) -> None:
        super().__init__()
        self.skip, self.bias = nn.Linear(inputs, percepts), bias
        self.net = nn.Sequential(
            nn.Linear(inputs + memory, hidden), nn.ReLU(), nn.Linear(hidden, 2 * percepts)
        )

    def forward(self, x: Tensor, memory: Tensor) -> torch.distributions.Normal:
        """Distribution of the percept."""
        shift, raw = self.net(torch.cat([x, memory], -1)).chunk(2, -1)
        deviation = (nn.functional.softplus(raw + self.bias)).clamp(0.05, 100)
        return torch.distributions.Normal(self.skip(x) + shift, deviation)


class Principal(nn.Module):
    """Three channels, a memory, and a wage for each worker."""

    def __init__(self, training: WageTraining) -> None:
        super().__init__()
        n, m, k, h = training.workers, training.memory, training.percepts, training.hidden
        self.inputs, biases = (n, n, 2 * n + 3), (0.0, 0.0, -3.0)
        self.channels = nn.ModuleList(
            Channel(d, m, k, h, bias) for d, bias in zip(self.inputs, biases, strict=True)
        )
        self.cell = nn.LSTMCell(3 * k, m)
        self.start = nn.Parameter(torch.zeros(2, m))
        self.head = nn.Sequential(nn.Linear(3 * k + m, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())
        self.wages = nn.Linear(h, n * rules.WAGES)

    def first_memory(self, games: int) -> tuple[Tensor, Tensor]:
        """State of the memory before the first round."""
        return self.start[0].expand(games, -1).contiguous(), self.start[1].expand(games, -1).contiguous()

    def decide(self, percepts: Tensor, memory: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits of wages (games, workers, WAGES), and the next memory."""
        after = self.cell(percepts, memory)
        logits = self.wages(self.head(torch.cat([percepts, after[0]], -1)))
        return logits.reshape(len(percepts), -1, rules.WAGES), after


def worker_network(hidden: int) -> nn.Module:
    """Logits of a worker's actions from type, wage, round and horizon."""
    actions = rules.HOURS * rules.EFFORTS
    return nn.Sequential(
        nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, actions)
    )


@dataclass(frozen=True)
class WageResult:
    """The course of training.

    Attributes
    ----------
    profit : (iterations,) array
        Mean profit of the principal for each round, before the price of information.
    wage_gap : (iterations,) array
        Mean wage of the ablest workers less that of the least able.
    effort : (iterations,) array
        Mean effort.
    reward : (iterations,) array
        Mean reward of a worker for each round.
    information : (iterations, 3) array
        Nats for each round that the channels carry, as the discriminators know.
    """

    profit: np.ndarray
    wage_gap: np.ndarray
    effort: np.ndarray
    reward: np.ndarray
    information: np.ndarray


@dataclass
class _Record:
    """What an update needs from the rounds of a batch."""

    log_wages: list[Tensor] = field(default_factory=list)
    log_actions: list[Tensor] = field(default_factory=list)
    log_percepts: list[Tensor] = field(default_factory=list)
    entropies: list[Tensor] = field(default_factory=list)
    profits: list[Tensor] = field(default_factory=list)
    rewards: list[Tensor] = field(default_factory=list)
    costs: list[Tensor] = field(default_factory=list)
    alive: list[Tensor] = field(default_factory=list)
    doubts: list[Tensor] = field(default_factory=list)
    notes: list[list[float]] = field(default_factory=list)


class WageLearning:
    """Principal and workers who learn together.

    Parameters
    ----------
    training : WageTraining, optional
        Settings.
    """

    def __init__(self, training: WageTraining | None = None) -> None:
        self.training = how = training or WageTraining()
        self.generator = torch.Generator().manual_seed(how.seed)
        with torch.random.fork_rng():
            torch.manual_seed(how.seed)
            self.principal, self.worker = Principal(how), worker_network(how.hidden)
            widths = (d + how.memory + how.percepts for d in self.principal.inputs)
            self.discriminators = nn.ModuleList(Discriminator(width, how.hidden) for width in widths)
        policies = [*self.principal.parameters(), *self.worker.parameters()]
        self.optimiser = torch.optim.Adam(
            [
                {"params": policies, "lr": how.policy_rate},
                {"params": self.discriminators.parameters(), "lr": how.discriminator_rate},
            ]
        )

    def perceive(self, games: Wages, memory: Tensor, record: _Record) -> Tensor:
        """Percepts (games, 3 percepts); notes what they cost and how likely they were."""
        percepts, costs, doubts, log_percepts = [], [], [], []
        channels = cast("list[Channel]", list(self.principal.channels))
        judges = cast("list[Discriminator]", list(self.discriminators))
        for channel, judge, x in zip(channels, judges, games.principal_sees(), strict=True):
            normal = channel(x, memory)
            noise = torch.randn(normal.mean.shape, generator=self.generator)
            percept = normal.mean + normal.stddev * noise
            known, seen = torch.cat([x, memory], -1).detach(), percept.detach()
            costs.append(judge.log_odds(known, seen))
            doubts.append(judge.loss(known, seen, self.generator))
            log_percepts.append(normal.log_prob(seen).sum(-1))
            percepts.append(percept)
        record.costs.append(torch.stack(costs, -1))
        record.doubts.append(torch.stack(doubts).sum())
        record.log_percepts.append(torch.stack(log_percepts, -1).sum(-1))
        return torch.cat(percepts, -1)

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Choices, their log-probabilities, and the entropies of the distributions, on all but the last axis."""
        flat = torch.softmax(logits, -1).reshape(-1, logits.shape[-1])
        chosen = torch.multinomial(flat, 1, generator=self.generator).reshape(logits.shape[:-1])
        choice = torch.distributions.Categorical(logits=logits)
        return chosen, choice.log_prob(chosen), choice.entropy()

    def play(self) -> _Record:
        """A batch of games."""
        games, record = new_games(self.training, self.generator), _Record()
        memory = self.principal.first_memory(self.training.games)
        for t in range(int(games.horizon.max())):
            logits, memory = self.principal.decide(self.perceive(games, memory[0], record), memory)
            wage, log_wage, wage_entropy = self.choose(logits)
            action, log_action, entropy = self.choose(self.worker(games.worker_sees(wage.float())))
            reward, profit = games.play(wage.float(), action)
            alive = (games.horizon > t).float()
            record.alive.append(alive)
            record.log_wages.append(log_wage.sum(-1))
            record.log_actions.append(log_action)
            record.entropies.append(wage_entropy.sum(-1) + entropy.sum(-1))
            record.profits.append(profit / games.horizon)
            record.rewards.append(reward / games.horizon[:, None])
            record.notes.append(self._notes(games, alive))
        return record

    def _notes(self, games: Wages, alive: Tensor) -> list[float]:
        """Wage of the ablest less that of the least able, and effort, over games that still run."""
        weight = alive[:, None].expand(games.types.shape)

        def mean(values: Tensor, chosen: Tensor) -> float:
            return float((values * weight * chosen).sum() / (weight * chosen).sum().clamp(min=1))

        able, unable = (games.types == len(rules.SKILLS) - 1).float(), (games.types == 0).float()
        return [mean(games.wage, able) - mean(games.wage, unable), mean(games.effort, torch.ones_like(able))]

    def update(self) -> list[float]:
        """One batch of games and one update; profit, wage gap, effort, worker's reward, and information."""
        how, record = self.training, self.play()
        alive = torch.stack(record.alive)
        horizon = alive.sum(0)
        costs = torch.stack(record.costs)
        charged = (costs * torch.tensor(how.prices)).sum(-1) / horizon
        profits, rewards = torch.stack(record.profits), torch.stack(record.rewards)
        gains = advantages((profits - charged) * alive, alive)
        worker_gains = advantages(rewards * alive[..., None], alive[..., None].expand_as(rewards))
        log_own = torch.stack(record.log_wages) + torch.stack(record.log_percepts)
        loss = (
            -(log_own * gains * alive).sum()
            - (torch.stack(record.log_actions) * worker_gains * alive[..., None]).sum()
        )
        loss = loss - how.entropy * (torch.stack(record.entropies) * alive).sum()
        self.optimiser.zero_grad()
        (loss / alive.sum() + torch.stack(record.doubts).mean()).backward()
        self.optimiser.step()
        notes = np.average(record.notes, axis=0, weights=alive.sum(1).numpy())
        information = (costs * alive[..., None]).sum((0, 1)) / alive.sum()
        profit = float((profits * alive).sum() / how.games)
        reward = float((rewards * alive[..., None]).sum() / (how.games * how.workers))
        return [profit, *notes.tolist(), reward, *information.tolist()]

    def run(self, progress: bool = False) -> WageResult:
        """All iterations."""
        from tqdm import trange

        rounds = trange(self.training.iterations, disable=not progress, delay=2)
        course = np.array([self.update() for _ in rounds]).reshape(-1, 7)
        profit, gap, effort, reward = course[:, :4].T
        return WageResult(profit, gap, effort, reward, course[:, 4:])


def advantages(rewards: Tensor, alive: Tensor) -> Tensor:
    """Returns to go, standardised over the games that still run, for each round (first axis)."""
    to_go = rewards.flip(0).cumsum(0).flip(0)
    axes = tuple(range(1, to_go.ndim))
    count = alive.sum(axes, keepdim=True).clamp(min=1)
    mean = (to_go * alive).sum(axes, keepdim=True) / count
    spread = (((to_go - mean) ** 2 * alive).sum(axes, keepdim=True) / count).sqrt()
    return ((to_go - mean) / (spread + 1e-8)).detach()
