"""Clipped proximal policy optimisation in minibatches.

With the ratio rho of new to old probability of what was done, standardised advantages A, targets G = A + V_old,
entropy H and the divergence K of the new policy from the old one,

    loss = mean( -min(rho A, clip(rho, 1 - eps, 1 + eps) A) + v max((V - G)^2, (V_old + clip(V - V_old, -w, w) - G)^2)
                 - h H + k K )

and k, if it is not 0, grows by half after an update whose K was above twice its target, and halves if it was below
half of it.

J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, Proximal policy optimization algorithms, arXiv 1707.06347.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pycrld_econ.validation.learners.ppo.actions import Heads
from pycrld_econ.validation.learners.ppo.advantages import generalised_advantages
from pycrld_econ.validation.learners.ppo.networks import Network
from pycrld_econ.validation.learners.ppo.rollout import Fragment
from pycrld_econ.validation.learners.ppo.schedules import Schedule, check_schedule, constant

SPREAD_FLOOR = 1e-4  # least standard deviation that advantages are divided by


@dataclass(frozen=True)
class PPOSettings:
    """How a policy learns.

    Attributes
    ----------
    lr, entropy : schedules
        Learning rate of Adam, and weight h of the entropy, as points [environment steps, value].
    gamma, smoothing : float
        Discount factor, and lambda of the advantages, in [0, 1].
    clip : float
        eps, > 0.
    value_clip : float, optional
        w, > 0. None: any step.
    value_weight : float
        v, >= 0.
    kl_coefficient, kl_target : float
        First k, >= 0, and its target, > 0.
    epochs, minibatch : int
        Passes over a fragment, and samples of a step.
    grad_clip : float, optional
        Largest norm of the gradient, > 0. None: any.
    """

    lr: Schedule = constant(1e-4)
    entropy: Schedule = constant(1e-4)
    gamma: float = 0.99
    smoothing: float = 0.9
    clip: float = 0.25
    value_clip: float | None = 10.0
    value_weight: float = 0.05
    kl_coefficient: float = 0.2
    kl_target: float = 0.01
    epochs: int = 10
    minibatch: int = 500
    grad_clip: float | None = None

    def __post_init__(self) -> None:
        check_schedule("lr", self.lr)
        check_schedule("entropy", self.entropy)
        for name in ("gamma", "smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)!r}")
        for name in ("clip", "kl_target", "epochs", "minibatch", "value_clip", "grad_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be > 0, got {value!r}")
        for name in ("value_weight", "kl_coefficient"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)!r}")


class Terms(NamedTuple):
    """What the loss of a minibatch consists of: scalar tensors, means over samples.

    Attributes
    ----------
    policy, value, entropy, divergence : scalar tensor
        Terms without their weights; `policy` is to be made small.
    moved : scalar tensor
        Share of ratios outside of 1 - eps, 1 + eps.
    """

    policy: Tensor
    value: Tensor
    entropy: Tensor
    divergence: Tensor
    moved: Tensor


class Report(NamedTuple):
    """The same numbers for an update: means over the minibatches of its last epoch, each before its step."""

    policy: float
    value: float
    entropy: float
    divergence: float
    moved: float


def terms_of(
    settings: PPOSettings,
    heads: Heads,
    logs: Tensor,
    values: Tensor,
    actions: Tensor,
    old_log: Tensor,
    old_values: Tensor,
    advantages: Tensor,
    targets: Tensor,
    old_logs: Tensor | None = None,
) -> Terms:
    """Terms of the loss of one minibatch.

    Parameters
    ----------
    settings, heads : PPOSettings, Heads
        How, and of what actions.
    logs, values : (..., A), (...) tensors
        Log-probabilities of all actions, and values, of the present network.
    actions, old_log, old_values : (..., heads), (...), (...) tensors
        What was done, its log-probability and the values at the time.
    advantages, targets : (...) tensors
        A and G.
    old_logs : (..., A) tensor, optional
        Log-probabilities of all actions at the time. None: K is estimated from what was done, as the mean of
        rho - 1 - log rho.
    """
    change = heads.of(logs, actions) - old_log
    ratio = change.exp()
    eps = settings.clip
    gain = torch.minimum(ratio * advantages, ratio.clamp(1 - eps, 1 + eps) * advantages)
    error = (values - targets).square()
    if settings.value_clip is not None:
        w = settings.value_clip
        near = old_values + (values - old_values).clamp(-w, w)
        error = torch.maximum(error, (near - targets).square())
    moved = ((ratio.detach() - 1).abs() > eps).float().mean()
    if old_logs is None:
        divergence = (ratio.detach() - 1 - change.detach()).mean()
    else:
        divergence = heads.divergence(old_logs, logs).mean()
    return Terms(-gain.mean(), error.mean(), heads.entropy(logs).mean(), divergence, moved)


class PPO:
    """A network with its optimiser.

    Parameters
    ----------
    network : Network
        Who learns; its parameters are changed in place.
    heads : Heads
        Its actions.
    settings : PPOSettings
        How.
    generator : torch.Generator
        Of the order of samples.

    Attributes
    ----------
    kl_coefficient : float
        The present k.
    """

    def __init__(
        self, network: Network, heads: Heads, settings: PPOSettings, generator: torch.Generator
    ) -> None:
        self.network, self.heads, self.settings, self.generator = network, heads, settings, generator
        self.optimiser = torch.optim.Adam(network.parameters(), lr=settings.lr[0][1], fused=True)
        self.kl_coefficient = settings.kl_coefficient

    def update(self, fragment: Fragment, lr: float, entropy: float) -> Report:
        """Learn from a fragment.

        Parameters
        ----------
        fragment : Fragment
            What happened.
        lr, entropy : float
            Learning rate and weight of the entropy this time.

        Returns
        -------
        Report
            Means over the minibatches of the last epoch.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        s = self.settings
        advantages = generalised_advantages(
            fragment.rewards, fragment.values, fragment.fresh[1:], s.gamma, s.smoothing
        )
        targets = (advantages + fragment.values[:-1]).flatten()
        advantages = advantages.flatten()
        advantages = (advantages - advantages.mean()) / advantages.std().clamp_min(SPREAD_FLOOR)
        rows, states = fragment.rows_of_sequences(), fragment.states.flatten(0, 1)
        recurrent = states.shape[1] > 0
        if not recurrent:
            rows = rows.flatten()
        per = max(1, s.minibatch // len(rows) if recurrent else s.minibatch)
        last: list[list[Tensor]] = []
        for _ in range(s.epochs):
            order = torch.randperm(rows.shape[-1], generator=self.generator).to(rows.device)
            last = []
            for chosen in order.split(per):
                part = rows[..., chosen]
                terms = self._terms(
                    fragment, part, states[chosen] if recurrent else states, advantages, targets
                )
                self._step(terms, entropy)
                last.append([term.detach() for term in terms])
        report = Report(*(float(torch.stack(column).mean()) for column in zip(*last, strict=True)))
        self._adapt(report.divergence)
        return report

    def _terms(
        self, fragment: Fragment, rows: Tensor, states: Tensor, advantages: Tensor, targets: Tensor
    ) -> Terms:
        views = fragment.views()
        fresh = fragment.fresh.flatten()[rows]
        logits, values, _ = self.network(views, rows, states, fresh)
        logs = self.heads.logs(logits, views.mask[rows])
        return terms_of(
            self.settings, self.heads, logs, values, fragment.actions.flatten(0, 1)[rows],
            fragment.log.flatten()[rows], fragment.values.flatten()[rows], advantages[rows], targets[rows],
            fragment.logs.flatten(0, 1)[rows] if self.kl_coefficient > 0 else None,
        )  # fmt: skip

    def _step(self, terms: Terms, entropy: float) -> None:
        loss = terms.policy + self.settings.value_weight * terms.value - entropy * terms.entropy
        if self.kl_coefficient > 0:
            loss = loss + self.kl_coefficient * terms.divergence
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.grad_clip)
        self.optimiser.step()

    def _adapt(self, divergence: float) -> None:
        if divergence > 2 * self.settings.kl_target:
            self.kl_coefficient *= 1.5
        elif divergence < 0.5 * self.settings.kl_target:
            self.kl_coefficient *= 0.5
