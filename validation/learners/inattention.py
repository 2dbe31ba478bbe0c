"""Rationally inattentive learners from samples: information is priced by what a discriminator can tell apart.

A discriminator is trained to tell pairs (x, y) from pairs in which y was permuted over the batch. At its optimum the
log-odds are the pointwise mutual information ln p(x, y) / (p(x) p(y)), and their mean is the mutual information.

T. Mu, S. Zheng, A. Trott, Solving dynamic principal-agent problems with a rationally inattentive principal,
arXiv 2202.01691.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pycrld_econ.agents.rational_inattention import mixture_information
from pycrld_econ.environments.base import check_count, check_numbers
from pycrld_econ.environments.principal_agent import PaymentProblem

CLAMP = 50.0  # log-odds beyond this say nothing more


class Discriminator(nn.Module):
    """Log-odds that a pair (x, y) belongs together.

    Parameters
    ----------
    inputs : int
        Numbers in x and y together.
    hidden : int
        Width of the hidden layer.
    """

    def __init__(self, inputs: int, hidden: int = 64) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Logits (..., 2) of "permuted" and "together"."""
        logits: Tensor = self.net(torch.cat([x, y], -1))
        return logits

    def log_odds(self, x: Tensor, y: Tensor) -> Tensor:
        """Pointwise mutual information (...) as far as the discriminator knows, in nats, without a gradient."""
        with torch.no_grad():
            logits = self(x, y)
        return (logits[..., 1] - logits[..., 0]).clamp(-CLAMP, CLAMP)

    def loss(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """Cross-entropy on pairs (batch, ...) and as many with y permuted over the batch."""
        permuted = y[torch.randperm(len(y), generator=generator)]
        logits = torch.cat([self(x, y), self(x, permuted)]).reshape(-1, 2)
        truth = torch.zeros(len(logits), dtype=torch.long)
        truth[: len(logits) // 2] = 1
        return nn.functional.cross_entropy(logits, truth)


def estimate_information(
    draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor]],
    steps: int = 3000,
    batch: int = 512,
    learning_rate: float = 1e-3,
    hidden: int = 64,
    seed: int = 0,
    test_samples: int = 50_000,
) -> float:
    """Mutual information from samples.

    Parameters
    ----------
    draw : callable
        Takes a number of samples and a generator; returns x (samples, dx) and y (samples, dy).
    steps, batch, learning_rate, hidden
        Training of the discriminator with Adam.
    seed : int
        Of the samples and the network.
    test_samples : int
        Fresh pairs over which the log-odds are averaged.

    Returns
    -------
    float
        Estimate in nats; too low where the discriminator is not trained enough.
    """
    check_count("steps", steps)
    generator = torch.Generator().manual_seed(seed)
    x, y = draw(2, generator)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        discriminator = Discriminator(x.shape[-1] + y.shape[-1], hidden)
    optimiser = torch.optim.Adam(discriminator.parameters(), learning_rate)
    for _ in range(steps):
        optimiser.zero_grad()
        discriminator.loss(*draw(batch, generator), generator).backward()
        optimiser.step()
    return float(discriminator.log_odds(*draw(test_samples, generator)).mean())


@dataclass(frozen=True)
class PaymentTraining:
    """How the principal of the payment problem learns.

    Parameters
    ----------
    price : cost of a nat of information between output and payment, >= 0.
    rounds : number of updates.
    batch : schedules drawn in each of them.
    learning_rate : of the hyper-policy.
    draws : payments drawn for each output of a schedule, for the means of payment and utility.
    pairs : pairs of output and payment drawn for the price of information of a schedule.
    information : "discriminator" (from samples), or "exact" (by quadrature).
    discriminator_rate, hidden, pretraining : of the discriminator.
    spread : initial logarithm of the standard deviations of the hyper-policy.
    seed : of everything.
    """

    price: float = 0.0
    rounds: int = 2000
    batch: int = 128
    learning_rate: float = 1e-3
    draws: int = 100
    pairs: int = 64
    information: str = "discriminator"
    discriminator_rate: float = 5e-3
    hidden: int = 32
    pretraining: int = 200
    spread: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers("price", self.price, 0)
        for name in ("rounds", "batch", "draws", "pairs", "hidden"):
            check_count(name, getattr(self, name))
        if self.information not in ("discriminator", "exact"):
            raise ValueError(f"information must be 'discriminator' or 'exact', got {self.information!r}")


@dataclass(frozen=True)
class PaymentResult:
    """A trained schedule of random payments.

    Attributes
    ----------
    mean, deviation : (outputs,) arrays
        Of the normal payments at the centre of the hyper-policy.
    profit : (rounds,) array
        Mean profit in each round.
    information : (rounds,) array
        Mean information that was charged, in nats; nan where nothing was.
    discriminator : Discriminator
        Trained on outputs and payments of all schedules.
    """

    mean: np.ndarray
    deviation: np.ndarray
    profit: np.ndarray
    information: np.ndarray
    discriminator: Discriminator


class PaymentSampler:
    """The payment problem in torch: outputs, payments and profits of batches of random schedules.

    Parameters
    ----------
    problem : PaymentProblem
        The setting.
    """

    def __init__(self, problem: PaymentProblem) -> None:
        self.problem = problem
        self.kernel = torch.tensor(problem.kernel, dtype=torch.float32)
        self.value = torch.tensor(problem.output_value, dtype=torch.float32)
        self.cost = torch.tensor(problem.effort_cost, dtype=torch.float32)

    def utility(self, pay: Tensor) -> Tensor:
        """The agent's utility of payments."""
        power = 1.0 - self.problem.curvature
        return ((self.problem.pay_scale * pay + 1) ** power - 1) / power

    def respond(self, pay: Tensor, utility: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of outputs (S, outputs) and profit (S,) from mean payments and utilities (S, outputs)."""
        gains = utility @ self.kernel.T - self.cost
        outputs = torch.softmax(self.problem.rationality * gains, -1) @ self.kernel
        return outputs, (outputs * (self.value - pay)).sum(-1)

    def payments(self, mean: Tensor, deviation: Tensor, draws: int, generator: torch.Generator) -> Tensor:
        """Payments (draws, S, outputs): normal, and 0 where negative."""
        noise = torch.randn(draws, *mean.shape, generator=generator)
        return (mean + deviation * noise).clamp(min=0)

    def pairs(
        self, mean: Tensor, deviation: Tensor, outputs: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Output (count, S), its percept as an unclamped payment (count, S, 1), and the schedule (count, S, 2 outputs).

        What is charged is the information of the percept, before negative payments are cut off.
        """
        chosen = torch.multinomial(outputs, count, replacement=True, generator=generator).T
        centre, width = (torch.gather(rows, 1, chosen.T).T for rows in (mean, deviation))
        pay = centre + width * torch.randn(centre.shape, generator=generator)
        schedule = torch.cat([mean, deviation], -1).expand(count, -1, -1)
        return chosen, pay[..., None], schedule


def train_payments(problem: PaymentProblem, training: PaymentTraining | None = None) -> PaymentResult:
    """Learn a schedule of random payments by REINFORCE on profit less the price of information.

    Parameters
    ----------
    problem : PaymentProblem
        The setting.
    training : PaymentTraining, optional
        How to learn.

    Returns
    -------
    PaymentResult
        The schedule at the centre of the hyper-policy, and the course of training.

    Notes
    -----
    The hyper-policy draws the logarithms of means and deviations of the payments from independent normals: 4 numbers
    for each output. The discriminator sees the schedule beside output and payment, so that a single one serves all.
    """
    how = training or PaymentTraining()
    return _PaymentTrainer(problem, how).run()


class _PaymentTrainer:
    """State of `train_payments`."""

    def __init__(self, problem: PaymentProblem, how: PaymentTraining) -> None:
        self.problem, self.how, self.sampler = problem, how, PaymentSampler(problem)
        self.generator = torch.Generator().manual_seed(how.seed)
        K = problem.outputs
        start = torch.cat([-2 + 0.3 * torch.arange(K), torch.zeros(K)])
        self.centre = start.clone().requires_grad_()
        self.log_width = torch.full((2 * K,), how.spread).requires_grad_()
        with torch.random.fork_rng():
            torch.manual_seed(how.seed)
            self.discriminator = Discriminator(3 * K + 1, how.hidden)
        self.policy = torch.optim.Adam([self.centre, self.log_width], how.learning_rate)
        self.judge = torch.optim.Adam(self.discriminator.parameters(), how.discriminator_rate)

    def schedules(self) -> tuple[Tensor, Tensor, Tensor]:
        """A batch of schedules: means, deviations, and the log-probability of drawing them."""
        policy = torch.distributions.Normal(self.centre, self.log_width.exp())
        with torch.no_grad():
            noise = torch.randn(self.how.batch, len(self.centre), generator=self.generator)
            drawn = self.centre + self.log_width.exp() * noise
        mean, deviation = drawn.clamp(-6, 3).exp().chunk(2, -1)
        return mean, deviation, policy.log_prob(drawn).sum(-1)

    def charged(self, mean: Tensor, deviation: Tensor, outputs: Tensor) -> Tensor:
        """Information of each schedule, in nats; the discriminator learns on the way."""
        if self.how.information == "exact":
            rows = zip(
                mean.double().numpy(), deviation.double().numpy(), outputs.double().numpy(), strict=True
            )
            return torch.tensor([mixture_information(*row, panels=60) for row in rows], dtype=torch.float32)
        chosen, pay, schedule = self.sampler.pairs(mean, deviation, outputs, self.how.pairs, self.generator)
        x = torch.cat([schedule, nn.functional.one_hot(chosen, self.problem.outputs).float()], -1)
        self.judge.zero_grad()
        self.discriminator.loss(x, pay, self.generator).backward()
        self.judge.step()
        return self.discriminator.log_odds(x, pay).mean(0)

    def round(self, learn: bool = True) -> tuple[float, float]:
        """One update; mean profit, and mean information that was charged."""
        mean, deviation, log_prob = self.schedules()
        paid = self.sampler.payments(mean, deviation, self.how.draws, self.generator)
        outputs, profit = self.sampler.respond(paid.mean(0), self.sampler.utility(paid).mean(0))
        priced = self.how.price > 0 or not learn
        information = self.charged(mean, deviation, outputs) if priced else torch.full_like(profit, torch.nan)
        if learn:
            reward = profit - self.how.price * information if priced else profit
            self.policy.zero_grad()
            (-(log_prob * (reward - reward.mean())).mean()).backward()
            self.policy.step()
        return float(profit.mean()), float(information.mean())

    def run(self) -> PaymentResult:
        """Train the discriminator, then both."""
        if self.how.price > 0 and self.how.information == "discriminator":
            for _ in range(self.how.pretraining):
                self.round(learn=False)
        course = np.array([self.round() for _ in range(self.how.rounds)])
        mean, deviation = self.centre.detach().double().exp().numpy().reshape(2, -1)
        return PaymentResult(mean, deviation, course[:, 0], course[:, 1], self.discriminator)
