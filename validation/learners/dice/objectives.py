"""What is differentiated: DiCE objectives with and without a baseline, the loss of values, distances of policies.

For one player of a batch of B games of T steps: l_t is the sum of the log-probabilities of what both players did,
D_t = l_0 + ... + l_t, mb(x) = exp(x - stop(x)) is 1 and has the derivative of x, r_t are the player's rewards, v_t the
values of its network, and

    plain    J = mean_B sum_t gamma^t mb(D_t) r_t
    loaded   J = mean_B sum_t gamma^t [mb(D_t) - mb(D_(t-1))] A_t
             A_t = delta_t + gamma lambda A_(t+1),  delta_t = r_t + gamma v_(t+1) - v_t, values without derivative.

J. Foerster, G. Farquhar, M. Al-Shedivat, T. Rocktäschel, E. Xing, S. Whiteson, DiCE, ICML 2018; G. Farquhar,
S. Whiteson, J. Foerster, Loaded DiCE, NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """How rewards become an objective.

    Attributes
    ----------
    gamma : float
        Discount factor, in (0, 1].
    gae_lambda : float
        In [0, 1]; 1 takes whole returns.
    baseline : bool
        Loaded DiCE with values, and a loss for them; or plain DiCE without.
    zero_values : bool
        Loaded DiCE as if all values were 0; values still learn.
    reverse_kl : bool
        The distance from the reference policy: False, sum p_ref log(p_ref / p); True, sum p log(p / p_ref).
    """

    gamma: float = 0.96
    gae_lambda: float = 1.0
    baseline: bool = True
    zero_values: bool = False
    reverse_kl: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {self.gamma!r}")
        if not 0 <= self.gae_lambda <= 1:
            raise ValueError(f"gae_lambda must be in [0, 1], got {self.gae_lambda!r}")
        if self.zero_values and not self.baseline:
            raise ValueError("zero_values must be False without a baseline")


def powers(gamma: float, steps: int, like: Tensor) -> Tensor:
    """gamma^t for t = 0, ..., steps - 1, shaped to multiply tensors whose first axis is time."""
    exponents = torch.arange(steps, dtype=like.dtype, device=like.device)
    return (gamma**exponents).reshape(-1, *[1] * (like.dim() - 1))


def backward_sums(x: Tensor, factor: float, last: Tensor) -> Tensor:
    """s_t = x_t + factor s_(t+1) with s_T = `last`, for x (T, ...)."""
    rows, running = [], last
    for row in reversed(x.unbind(0)):
        running = torch.add(row, running, alpha=factor)
        rows.append(running)
    return torch.stack(rows[::-1])


def advantages(objective: Objective, rewards: Tensor, values: Tensor, bootstrap: Tensor) -> Tensor:
    """A_t, without derivative.

    Parameters
    ----------
    objective : Objective
        gamma, lambda, and whether values count as 0.
    rewards, values : (T, ...) tensors
        r_t and v_t.
    bootstrap : (...) tensor
        v_T.
    """
    values, bootstrap = values.detach(), bootstrap.detach()
    if objective.zero_values:
        values, bootstrap = torch.zeros_like(values), torch.zeros_like(bootstrap)
    later = torch.cat([values[1:], bootstrap[None]])
    delta = rewards + objective.gamma * later - values
    return backward_sums(delta, objective.gamma * objective.gae_lambda, torch.zeros_like(bootstrap))


def value_targets(gamma: float, rewards: Tensor, bootstrap: Tensor) -> Tensor:
    """r_t + gamma r_(t+1) + ... + gamma^(T-t) v_T, without derivative."""
    return backward_sums(rewards, gamma, bootstrap.detach())


def value_loss(gamma: float, rewards: Tensor, values: Tensor, bootstrap: Tensor) -> Tensor:
    """Squared distances to the targets, summed over time and averaged over games."""
    return (value_targets(gamma, rewards, bootstrap) - values).square().sum(0).mean()


def magic_box(x: Tensor) -> Tensor:
    """1, with the derivatives of exp at x."""
    return torch.exp(x - x.detach())


def plain_dice(gamma: float, log_probabilities: Tensor, rewards: Tensor) -> Tensor:
    """J without a baseline, for l and r (T, B)."""
    terms = magic_box(log_probabilities.cumsum(0)) * rewards * powers(gamma, len(rewards), rewards)
    return terms.sum(0).mean()


def loaded_dice(gamma: float, log_probabilities: Tensor, advantage: Tensor) -> Tensor:
    """J with advantages, for l and A (T, B)."""
    up_to = log_probabilities.cumsum(0)
    nodes = magic_box(up_to) - magic_box(up_to - log_probabilities)
    return (nodes * advantage * powers(gamma, len(advantage), advantage)).sum(0).mean()


def divergence(log_policy: Tensor, log_reference: Tensor, reverse: bool) -> Tensor:
    """Distance of a policy from a reference, (T, B, A) log-probabilities each, averaged over time and games."""
    first, second = (log_policy, log_reference) if reverse else (log_reference, log_policy)
    return (first.exp() * (first - second)).sum(-1).mean()


def policy_loss(
    objective: Objective, log_probabilities: Tensor, rewards: Tensor, values: Tensor, bootstrap: Tensor
) -> Tensor:
    """-J of an objective; values are looked at only if it has a baseline."""
    if not objective.baseline:
        return -plain_dice(objective.gamma, log_probabilities, rewards)
    gain = advantages(objective, rewards, values, bootstrap)
    return -loaded_dice(objective.gamma, log_probabilities, gain)
