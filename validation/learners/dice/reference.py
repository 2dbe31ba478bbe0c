"""An outer step by automatic differentiation through the opponent's learning: short, slow, a standard for tests.

One player, `self`, plays against an opponent whose policy phi it lets learn for K steps of gradient descent, with fresh
games in each, and then improves its own policy theta by the gradient of its objective in games against what phi has
become, differentiated through everything that phi went through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pycrld_econ.validation.learners.dice.networks import NetworkShape, outputs
from pycrld_econ.validation.learners.dice.objectives import Objective, divergence, policy_loss, value_loss


@dataclass(frozen=True)
class Games:
    """A batch of games that were played, from one player's point of view.

    Attributes
    ----------
    observations : (T + 1, B, D) tensor
        What both saw, with what came after the last step.
    own_actions, other_actions : (T, B) int64 tensors
        What they did.
    own_rewards, other_rewards : (T, B) tensors
        What they got.
    """

    observations: Tensor
    own_actions: Tensor
    other_actions: Tensor
    own_rewards: Tensor
    other_rewards: Tensor


@dataclass(frozen=True)
class OuterProblem:
    """What an outer step is about.

    Attributes
    ----------
    policy, value : NetworkShape
        Of both players.
    objective : Objective
        Of both players.
    inner_steps : int
        K, at least 0.
    inner_rate, value_rate : float
        Of the opponent's gradient descent, for policy and values.
    inner_beta, outer_beta : float
        Weights of the distances from the opponent's and the player's reference policy.
    """

    policy: NetworkShape
    value: NetworkShape
    objective: Objective
    inner_steps: int
    inner_rate: float
    value_rate: float
    inner_beta: float = 0.0
    outer_beta: float = 0.0


@dataclass(frozen=True)
class LossReport:
    """A loss and its parts: -J, the loss of values, and the total with the weighted distance."""

    dice: Tensor
    value: Tensor
    total: Tensor


@dataclass(frozen=True)
class InnerStep:
    """A step of the opponent: its loss, the gradients, and policy and values after it."""

    loss: LossReport
    policy_gradient: Tensor
    value_gradient: Tensor
    policy: Tensor
    value: Tensor


@dataclass(frozen=True)
class OuterStep:
    """The player's loss, its gradients with respect to theta (total) and to its values, and the opponent's steps."""

    loss: LossReport
    policy_gradient: Tensor
    value_gradient: Tensor
    inner: list[InnerStep]


Play = Callable[[int, Tensor, Tensor], Games]


def player_loss(
    problem: OuterProblem, me: Tensor, other: Tensor, value: Tensor, games: Games, swap: bool
) -> tuple[LossReport, Tensor]:
    """Loss of the player with policy `me` without the distance, and its log-probabilities (T, B, A).

    `swap` says that it is the `other` of the games.
    """
    seen = games.observations
    own, theirs = games.own_actions, games.other_actions
    if swap:
        own, theirs = theirs, own
    log_me = outputs(problem.policy, me, seen[:-1]).log_softmax(-1)
    log_other = outputs(problem.policy, other, seen[:-1]).log_softmax(-1)
    taken = log_me.gather(-1, own[..., None]) + log_other.gather(-1, theirs[..., None])
    rewards = games.other_rewards if swap else games.own_rewards
    values = outputs(problem.value, value, seen)[..., 0]
    dice = policy_loss(problem.objective, taken[..., 0], rewards, values[:-1], values[-1])
    of_values = values.new_zeros(())
    if problem.objective.baseline:
        of_values = value_loss(problem.objective.gamma, rewards, values[:-1], values[-1])
    return LossReport(dice, of_values, dice + of_values), log_me


def distance(problem: OuterProblem, log_policy: Tensor, reference: Tensor, games: Games) -> Tensor:
    """Distance of a policy from reference parameters on the observations of the games."""
    with torch.no_grad():
        log_reference = outputs(problem.policy, reference, games.observations[:-1]).log_softmax(-1)
    return divergence(log_policy, log_reference, problem.objective.reverse_kl)


def outer_step(
    problem: OuterProblem,
    theta: Tensor,
    value: Tensor,
    reference: Tensor,
    opponent: tuple[Tensor, Tensor],
    play: Play,
    shaping: bool = True,
) -> OuterStep:
    """Gradient of the player's objective through the opponent's learning.

    Parameters
    ----------
    problem : OuterProblem
        Sizes, objective, steps and rates.
    theta, value : (P,), (V,) tensors
        Policy and values of the player.
    reference : (P,) tensor
        Its reference policy.
    opponent : ((P,), (V,)) tensors
        Policy and values of the opponent before it learns.
    play : callable(k, theta, phi) -> Games
        Games of the two policies: k = 0, ..., K - 1 for the opponent's steps and K for the player's.
    shaping : bool
        Whether to differentiate through the opponent's steps; otherwise it learns but counts as given.
    """
    theta, value = theta.detach().requires_grad_(), value.detach().requires_grad_()
    start = opponent[0].detach()
    phi, other_value = start.clone().requires_grad_(), opponent[1].detach().requires_grad_()
    inner = []
    for k in range(problem.inner_steps):
        games = play(k, theta.detach(), phi.detach())
        loss, log_phi = player_loss(
            problem, phi, theta if shaping else theta.detach(), other_value, games, True
        )
        total = loss.total
        if problem.inner_beta:
            total = total + problem.inner_beta * distance(problem, log_phi, start, games)
        of_policy, of_value = torch.autograd.grad(
            total, (phi, other_value), create_graph=shaping, allow_unused=True, materialize_grads=True
        )
        phi = phi - problem.inner_rate * of_policy
        other_value = (other_value - problem.value_rate * of_value).detach().requires_grad_()
        report = LossReport(loss.dice.detach(), loss.value.detach(), total.detach())
        inner.append(
            InnerStep(report, of_policy.detach(), of_value.detach(), phi.detach(), other_value.detach())
        )
    games = play(problem.inner_steps, theta.detach(), phi.detach())
    loss, log_theta = player_loss(problem, theta, phi, value, games, False)
    total = loss.total
    if problem.outer_beta:
        total = total + problem.outer_beta * distance(problem, log_theta, reference.detach(), games)
    gradients = torch.autograd.grad(total, (theta, value), allow_unused=True, materialize_grads=True)
    report = LossReport(loss.dice.detach(), loss.value.detach(), total.detach())
    return OuterStep(report, gradients[0], gradients[1], inner)
