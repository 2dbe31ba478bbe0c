"""Policy gradient and proximal policy optimisation (PPO) for the policies of `policy_gradient_networks`.

All samples of one rollout form one batch: no minibatches, no bootstrapping. With returns G, values V, advantages
A = G - V standardised over the batch, and H the entropy summed over the heads of an agent,

    policy gradient   loss = mean(-log pi A) - h mean H + v Huber(V - G)
    PPO               loss = -mean min(rho A, clip(rho, 1 - eps, 1 + eps) A) - h mean H + v value
                      value = max(mean Huber(V - G), mean Huber(V_old + clip(V - V_old, -eps, eps) - G))

where rho is the ratio of the new to the old probability of an agent's joint action. PPO repeats its step several times
on the same samples, with A from the values of that moment.

The gradient of the whole batch is summed from parts that fit into the cache of a processor. That changes nothing but
the rounding: advantages and the larger value loss are settled before, and the rest is a mean over samples.

J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, Proximal policy optimization algorithms, arXiv 1707.06347.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from pycrld_econ.validation.learners.policy_gradient_networks import HeadedPolicy

PART = 2048  # samples of a part: two activations of a published network, 1 MB each, stay in the cache
SPREAD_FLOOR = 1e-6  # added to the standard deviation of advantages


@dataclass(frozen=True)
class PolicyGradientSettings:
    """How a policy learns.

    Attributes
    ----------
    learning_rate : float
        Of Adam, > 0.
    entropy : float
        Weight h of the entropy, >= 0.
    value_loss_weight : float
        Weight v of the loss of the values, >= 0.
    gamma : float
        Discount factor, in [0, 1].
    clip_grad_norm : float, optional
        Largest L2 norm of the gradient of all parameters, > 0. None: any.
    ppo : bool
        PPO, or else one step of the plain policy gradient.
    updates : int
        Steps of PPO on one batch, at least 1.
    clip : float
        eps of PPO, for the ratio and for the values, > 0.
    compounding : bool
        True: G_t = r_t + gamma G_{t+1}. False: G_t = r_t + gamma (r_{t+1} + r_{t+2} + ...), which is what the
        published code of the real-business-cycle economy does.
    """

    learning_rate: float
    entropy: float = 0.0
    value_loss_weight: float = 1.0
    gamma: float = 0.9999
    clip_grad_norm: float | None = None
    ppo: bool = True
    updates: int = 2
    clip: float = 0.1
    compounding: bool = True

    def __post_init__(self) -> None:
        positive = {"learning_rate": self.learning_rate, "clip": self.clip, "updates": self.updates}
        if self.clip_grad_norm is not None:
            positive["clip_grad_norm"] = self.clip_grad_norm
        for name, value in positive.items():
            if not value > 0:
                raise ValueError(f"{name} must be > 0, got {value!r}")
        for name, value in (("entropy", self.entropy), ("value_loss_weight", self.value_loss_weight)):
            if not value >= 0:
                raise ValueError(f"{name} must be >= 0, got {value!r}")
        if not 0 <= self.gamma <= 1:
            raise ValueError(f"gamma must be in [0, 1], got {self.gamma!r}")


@dataclass(frozen=True)
class Samples:
    """What a type of agents saw, did and got; R rows (environment, step), n agents, H heads.

    Attributes
    ----------
    public : (R, public) tensor
        Inputs common to the agents.
    private : (R, n, private) tensor
        Inputs of each.
    actions : (R, n, H) int64 tensor
        What they did.
    returns : (R, n) tensor
        G, in the units of the values.
    mask : (actions,) tensor, optional
        Added to the logits.
    log_probability, values : (R, n) tensors, optional
        log pi of what they did and V at the time. None: computed.
    """

    public: Tensor
    private: Tensor
    actions: Tensor
    returns: Tensor
    mask: Tensor | None = None
    log_probability: Tensor | None = None
    values: Tensor | None = None

    def parts(self, size: int) -> Iterator[slice]:
        """Ranges of rows with about `size` samples each."""
        rows, agents = self.returns.shape
        step = max(1, size // agents)
        return (slice(first, first + step) for first in range(0, rows, step))


@dataclass(frozen=True)
class UpdateReport:
    """What one step did; numbers of the batch before it.

    Attributes
    ----------
    loss, policy_loss, value_loss, entropy : float
        The loss and its three terms, the latter without their weights.
    gradient_norm : float
        L2 norm of the gradient before it was clipped.
    moved : float
        Share of the samples whose probability ratio lies outside of 1 - eps, 1 + eps (0 for the plain policy gradient).
    """

    loss: float
    policy_loss: float
    value_loss: float
    entropy: float
    gradient_norm: float
    moved: float


def discounted_returns(rewards: Tensor, gamma: float, compounding: bool = True) -> Tensor:
    """Returns of every step of an episode, axis 1 of (B, T, ...); `PolicyGradientSettings` has both formulas."""
    returns = rewards.clone()
    later = torch.zeros_like(rewards[:, 0])
    for t in range(rewards.shape[1] - 1, -1, -1):
        returns[:, t] += gamma * later
        later = returns[:, t] if compounding else later + rewards[:, t]
    return returns


def check_finite(reports: Sequence[UpdateReport], who: str, episode: int) -> None:
    """FloatingPointError if a loss or a gradient is not finite: what it made of the policy must not be kept.

    Parameters
    ----------
    reports : sequence of UpdateReport
        Of the steps of one update.
    who, episode : str, int
        Whose, and when; for the message.
    """
    for report in reports:
        if not (math.isfinite(report.loss) and math.isfinite(report.gradient_norm)):
            raise FloatingPointError(
                f"the loss of {who} in episode {episode} is {report.loss}, its gradient {report.gradient_norm}: "
                "learning diverged; nothing of this episode is kept in a checkpoint"
            )


class PolicyGradientLearner:
    """A policy with its optimiser.

    Parameters
    ----------
    policy : HeadedPolicy
        Who learns; its parameters are changed in place.
    settings : PolicyGradientSettings
        How.
    part : int
        Samples whose gradient is computed at once. On a GPU choose it as large as memory allows.
    """

    def __init__(self, policy: HeadedPolicy, settings: PolicyGradientSettings, part: int = PART) -> None:
        self.policy, self.settings, self.part = policy, settings, part
        self.optimiser = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)

    def update(self, samples: Samples, entropy: float | None = None) -> list[UpdateReport]:
        """Learn from one batch.

        Parameters
        ----------
        samples : Samples
            The batch.
        entropy : float, optional
            Weight of the entropy this time. Default: that of the settings.

        Returns
        -------
        list of UpdateReport
            One for each step: several for PPO.
        """
        weight = self.settings.entropy if entropy is None else entropy
        samples = self._with_past(samples)
        values, reports = samples.values, []
        for k in range(self.settings.updates if self.settings.ppo else 1):
            if k > 0:
                values = self._values(samples)
            reports.append(self._step(samples, values, weight))
        return reports

    def _with_past(self, samples: Samples) -> Samples:
        """Samples with probabilities and values of the present policy, unless they bring them."""
        if samples.log_probability is not None and samples.values is not None:
            return samples
        logarithm, values = torch.empty_like(samples.returns), torch.empty_like(samples.returns)
        with torch.no_grad():
            for rows in samples.parts(self.part):
                logits, values[rows] = self.policy(samples.public[rows], samples.private[rows])
                logits = logits if samples.mask is None else logits + samples.mask
                logarithm[rows] = self.policy.log_probability(logits, samples.actions[rows])
        return replace(samples, log_probability=logarithm, values=values)

    def _values(self, samples: Samples) -> Tensor:
        with torch.no_grad():
            parts = [
                self.policy.values(samples.public[rows], samples.private[rows])
                for rows in samples.parts(self.part)
            ]
        return torch.cat(parts)

    def _step(self, samples: Samples, values: Tensor | None, entropy: float) -> UpdateReport:
        """One step of the optimiser on all samples."""
        assert values is not None and samples.values is not None and samples.log_probability is not None
        advantages = samples.returns - values
        advantages = (advantages - advantages.mean()) / (advantages.std() + SPREAD_FLOOR)
        clipped = self.settings.ppo and self._clipped_is_worse(samples, values)
        self.optimiser.zero_grad(set_to_none=False)
        sums = torch.zeros(4, device=advantages.device)
        count = advantages.numel()
        for rows in samples.parts(self.part):
            terms = self._terms(samples, rows, advantages[rows], clipped)
            loss = terms[0] + self.settings.value_loss_weight * terms[1] - entropy * terms[2]
            (loss / count).backward()
            sums += terms.detach()
        limit = self.settings.clip_grad_norm
        norm = torch.nn.utils.clip_grad_norm_(
            self.policy.parameters(), float("inf") if limit is None else limit
        )
        self.optimiser.step()
        policy_loss, value_loss, spread, moved = (sums / count).tolist()
        total = policy_loss + self.settings.value_loss_weight * value_loss - entropy * spread
        return UpdateReport(total, policy_loss, value_loss, spread, float(norm), moved)

    def _clipped_is_worse(self, samples: Samples, values: Tensor) -> bool:
        """Which of the two value losses of PPO is the larger one."""
        near = _near(values, samples.values, self.settings.clip)
        plain = functional.smooth_l1_loss(values, samples.returns)
        return bool(functional.smooth_l1_loss(near, samples.returns) > plain)

    def _terms(self, samples: Samples, rows: slice, advantages: Tensor, clipped: bool) -> Tensor:
        """Sums over some rows: policy loss, value loss, entropy, moved samples."""
        logits, values = self.policy(samples.public[rows], samples.private[rows])
        logits = logits if samples.mask is None else logits + samples.mask
        logarithm, entropy = self.policy.evaluate(logits, samples.actions[rows])
        target, eps = samples.returns[rows], self.settings.clip
        if clipped:
            values = _near(values, samples.values[rows], eps)  # type: ignore[index]
        value_loss = functional.smooth_l1_loss(values, target, reduction="sum")
        if not self.settings.ppo:
            return torch.stack(
                [-(logarithm * advantages).sum(), value_loss, entropy.sum(), value_loss.new_zeros(())]
            )
        ratio = torch.exp(logarithm - samples.log_probability[rows])  # type: ignore[index]
        bounded = ratio.clamp(1 - eps, 1 + eps)
        policy_loss = -torch.minimum(ratio * advantages, bounded * advantages).sum()
        moved = (ratio.detach() != bounded.detach()).sum().to(value_loss.dtype)
        return torch.stack([policy_loss, value_loss, entropy.sum(), moved])


def _near(values: Tensor, old: Tensor | None, clip: float) -> Tensor:
    """Values moved by at most `clip` from the old ones."""
    assert old is not None
    return old + (values - old).clamp(-clip, clip)
