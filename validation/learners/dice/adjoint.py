"""The gradient through an opponent's learning, from first derivatives only.

The opponent's K steps phi_(k+1) = phi_k - eta g_k(theta, phi_k) are differentiated by hand. With `adj` the derivative
of the player's loss with respect to phi_K, one goes back over k:

    g_theta <- g_theta + eta (d g_k / d theta)^T adj,      adj <- adj - eta (d g_k / d phi)^T adj.

The loss depends on log-probabilities l_t of single actions only, so both products need just the change of
log pi_other(b_t) along adj, its sums over time, and backward passes with other weights. For loaded DiCE with weights
W_t = gamma^t A_t / B and e_t that change, C_t = e_0 + ... + e_t, the weight of log pi_self(a_t) is

    omega_t = W_t C_t + sum_(u > t) W_u e_u,

and for plain DiCE, with w_t = gamma^t r_t / B, it is sum_(u >= t) w_u C_u. The result is the one of automatic
differentiation, not an approximation. Several updates (of both players, of several runs) are done side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pycrld_econ.validation.learners.dice import fused, passes
from pycrld_econ.validation.learners.dice.objectives import (
    Objective,
    advantages,
    backward_sums,
    powers,
    value_targets,
)
from pycrld_econ.validation.learners.dice.passes import Activations, Visits, Weights
from pycrld_econ.validation.learners.dice.reference import InnerStep, LossReport, OuterProblem, OuterStep


@dataclass(frozen=True)
class Played:
    """U batches of games, each from the point of view of its own player.

    Attributes
    ----------
    states : (T + 1, U, B) int64 tensor
        Of the game.
    own_actions, other_actions : (T, U, B) int64 tensors
        What both did.
    own_rewards, other_rewards : (T, U, B) tensors
        What they got.
    activations : Activations, optional
        Of the 2 U policies, the players' first, if they are known from playing.
    """

    states: Tensor
    own_actions: Tensor
    other_actions: Tensor
    own_rewards: Tensor
    other_rewards: Tensor
    activations: Activations | None = None


def engine_for(parameters: Tensor) -> Any:
    """What makes passes over networks with such parameters: `fused` for single precision on a processor."""
    return fused if parameters.dtype is torch.float32 and parameters.device.type == "cpu" else passes


# Plays games of U pairs of policies: (k, weights of the 2 U policies) -> Played.
Play = Callable[[int, Weights], Played]


@dataclass(frozen=True)
class _Round:
    """One batch of games with what all passes over it share."""

    games: Played
    policies: Weights
    activations: Activations
    log_policies: Tensor  # (T, 2 U, B, A)
    seen: Visits  # of the 2 U policies


def _round(
    problem: OuterProblem, observations: Tensor, theta: Tensor, phi: Tensor, k: int, play: Play
) -> _Round:
    engine = engine_for(theta)
    policies = passes.weights(problem.policy, observations, torch.cat([theta, phi]))
    games = play(k, policies)
    seen = Visits(games.states[:-1], 2, len(observations))
    activations = games.activations
    if activations is None:
        activations = engine.forward(policies, seen)
    engine.share(activations)
    logits = passes.read_out(policies, activations.after)
    return _Round(games, policies, activations, logits.log_softmax(-1), seen)


@dataclass(frozen=True)
class _Gain:
    """Weights of a player's log-probabilities, and its values.

    `weight` (T, U, B) multiplies the score of step t; `terms` is what the sums over later steps run over: W_t, or w_t
    of plain DiCE. `dice` is -J of each update.
    """

    weight: Tensor
    terms: Tensor
    dice: Tensor


def _gain(objective: Objective, rewards: Tensor, values: Tensor | None) -> _Gain:
    """The weights for rewards (T, U, B) and values (T + 1, U, B)."""
    games = rewards.shape[-1]
    scale = powers(objective.gamma, len(rewards), rewards) / games
    if values is None:
        terms = scale * rewards
        later = backward_sums(terms, 1.0, torch.zeros_like(terms[0]))
        return _Gain(later, terms, -terms.sum((0, 2)))
    weight = scale * advantages(objective, rewards, values[:-1], values[-1])
    return _Gain(weight, weight, weight.new_zeros(rewards.shape[1]))


def _score(actions: Tensor, probabilities: Tensor) -> Tensor:
    """Derivative of the log-probability of what was done with respect to the logits."""
    return functional.one_hot(actions, probabilities.shape[-1]).to(probabilities.dtype) - probabilities


@dataclass(frozen=True)
class _Distance:
    """KL from a reference: its value for each update, (U,), and its derivative by the logits, without weight."""

    value: Tensor
    slope: Tensor


def _distance(log_policy: Tensor, log_reference: Tensor, reverse: bool) -> _Distance:
    steps, _, games, _ = log_policy.shape
    p, count = log_policy.exp(), steps * games
    if not reverse:
        reference = log_reference.exp()
        value = (reference * (log_reference - log_policy)).sum((0, 2, 3)) / count
        return _Distance(value, (p - reference) / count)
    ratio = log_policy - log_reference
    mean = (p * ratio).sum(-1, keepdim=True)
    return _Distance(mean.sum((0, 2, 3)) / count, p * (ratio - mean) / count)


def _distance_dot(log_policy: Tensor, log_reference: Tensor, dot: Tensor, reverse: bool) -> Tensor:
    """Derivative of the slope along a derivative `dot` of the logits."""
    steps, _, games, _ = log_policy.shape
    p = log_policy.exp()
    log_dot = dot - (p * dot).sum(-1, keepdim=True)
    p_dot = p * log_dot
    if not reverse:
        return p_dot / (steps * games)
    ratio = log_policy - log_reference
    mean = (p * ratio).sum(-1, keepdim=True)
    mean_dot = (p_dot * ratio + p * log_dot).sum(-1, keepdim=True)
    return (p_dot * (ratio - mean) + p * (log_dot - mean_dot)) / (steps * games)


@dataclass(frozen=True)
class _Values:
    """Values (T + 1, U, B) of U networks, their loss and its gradient."""

    values: Tensor | None
    loss: Tensor
    gradient: Tensor


def _values(
    problem: OuterProblem, observations: Tensor, flat: Tensor, states: Tensor, rewards: Tensor
) -> _Values:
    """What the values of U players say and how they should change; nothing without a baseline."""
    if not problem.objective.baseline:
        return _Values(None, flat.new_zeros(len(flat)), torch.zeros_like(flat))
    engine = engine_for(flat)
    w = passes.weights(problem.value, observations, flat)
    seen = Visits(states, 1, len(observations))
    a = engine.forward(w, seen)
    values = passes.read_out(w, a.after)[..., 0]
    gap = value_targets(problem.objective.gamma, rewards, values[-1]) - values[:-1]
    d_out = (-2.0 / states.shape[-1]) * gap.unsqueeze(-1)
    steps = len(rewards)
    before = Visits(states[:-1], 1, len(observations))
    gradient = engine.pull_back(w, a.until(steps), before, d_out).gradient
    return _Values(values, gap.square().sum(0).mean(-1), gradient)


@dataclass(frozen=True)
class _InnerTape:
    """What going back over a step of the opponent needs."""

    round: _Round
    gain: _Gain
    pull: passes.Pull
    d_out: Tensor
    log_reference: Tensor | None


def outer_step(
    problem: OuterProblem,
    observations: Tensor,
    theta: Tensor,
    value: Tensor,
    reference: Tensor,
    opponent: tuple[Tensor, Tensor],
    play: Play,
    shaping: bool = True,
) -> OuterStep:
    """Gradients of U players' objectives through their opponents' learning, side by side.

    Parameters
    ----------
    problem : OuterProblem
        Sizes, objective, steps and rates, the same for all.
    observations : (S, D) tensor
        What is seen in each state of the game.
    theta, value : (U, P), (U, V) tensors
        Policies and values of the players.
    reference : (U, P) tensor
        Their reference policies.
    opponent : ((U, P), (U, V)) tensors
        Policies and values of their opponents before these learn.
    play : callable(k, weights) -> Played
        Games of the policies, k = 0, ..., K - 1 for the opponents' steps and K for the players'.
    shaping : bool
        Whether to differentiate through the opponents' steps.

    Returns
    -------
    OuterStep
        With a leading axis U in every tensor.
    """
    count, engine = len(theta), engine_for(theta)
    phi, other_value = opponent
    tapes, inner = [], []
    log_start: Tensor | None = None
    for k in range(problem.inner_steps):
        r = _round(problem, observations, theta, phi, k, play)
        if k and problem.inner_beta:
            log_start = _log_policy(problem, observations, opponent[0], r.games.states)
        tape, step = _inner_step(problem, observations, r, phi, other_value, log_start if k else None)
        tapes.append(tape)
        inner.append(step)
        phi, other_value = step.policy, step.value
    r = _round(problem, observations, theta, phi, problem.inner_steps, play)
    own, other = slice(0, count), slice(count, 2 * count)
    mine = _values(problem, observations, value, r.games.states, r.games.own_rewards)
    gain = _gain(problem.objective, r.games.own_rewards, mine.values)
    probabilities = r.log_policies.exp()
    d_own = -gain.weight.unsqueeze(-1) * _score(r.games.own_actions, probabilities[:, own])
    total = gain.dice + mine.loss
    if problem.outer_beta:
        log_reference = _log_policy(problem, observations, reference, r.games.states)
        far = _distance(r.log_policies[:, own], log_reference, problem.objective.reverse_kl)
        d_own, total = d_own + problem.outer_beta * far.slope, total + problem.outer_beta * far.value
    if not (shaping and tapes):
        direct = engine.pull_back(r.policies.part(own), r.activations.part(own), r.seen.single(), d_own)
        gradient = direct.gradient
    else:
        d_other = -gain.weight.unsqueeze(-1) * _score(r.games.other_actions, probabilities[:, other])
        both = engine.pull_back(r.policies, r.activations, r.seen, torch.cat([d_own, d_other], 1)).gradient
        gradient = _back(problem, tapes, both[own], both[other])
    return OuterStep(LossReport(gain.dice, mine.loss, total), gradient, mine.gradient, inner)


def _log_policy(problem: OuterProblem, observations: Tensor, flat: Tensor, states: Tensor) -> Tensor:
    """Log-probabilities of U policies in the states of their games."""
    engine = engine_for(flat)
    w = passes.weights(problem.policy, observations, flat)
    seen = Visits(states[:-1], 1, len(observations))
    return passes.read_out(w, engine.forward(w, seen).after).log_softmax(-1)


def _inner_step(
    problem: OuterProblem,
    observations: Tensor,
    r: _Round,
    phi: Tensor,
    other_value: Tensor,
    log_reference: Tensor | None,
) -> tuple[_InnerTape, InnerStep]:
    """One step of the opponents."""
    engine = engine_for(phi)
    other = slice(len(phi), 2 * len(phi))
    theirs = _values(problem, observations, other_value, r.games.states, r.games.other_rewards)
    gain = _gain(problem.objective, r.games.other_rewards, theirs.values)
    log_other = r.log_policies[:, other]
    d_out = -gain.weight.unsqueeze(-1) * _score(r.games.other_actions, log_other.exp())
    total = gain.dice + theirs.loss
    if log_reference is not None:
        far = _distance(log_other, log_reference, problem.objective.reverse_kl)
        d_out, total = d_out + problem.inner_beta * far.slope, total + problem.inner_beta * far.value
    pull = engine.pull_back(r.policies.part(other), r.activations.part(other), r.seen.single(), d_out)
    step = InnerStep(
        LossReport(gain.dice, theirs.loss, total),
        pull.gradient,
        theirs.gradient,
        phi - problem.inner_rate * pull.gradient,
        other_value - problem.value_rate * theirs.gradient,
    )
    return _InnerTape(r, gain, pull, d_out, log_reference), step


def _back(problem: OuterProblem, tapes: list[_InnerTape], gradient: Tensor, adjoint: Tensor) -> Tensor:
    """Add to the players' gradients what reaches them through the opponents' steps."""
    count, eta, engine = len(gradient), problem.inner_rate, engine_for(gradient)
    own, other = slice(0, count), slice(count, 2 * count)
    for k in range(len(tapes) - 1, -1, -1):
        tape, r = tapes[k], tapes[k].round
        w, a, seen = r.policies.part(other), r.activations.part(other), r.seen.single()
        push = engine.push_forward(w, a, seen, adjoint)
        score = _score(r.games.other_actions, r.log_policies[:, other].exp())
        change = (score * push.outputs).sum(-1)
        omega = _omega(problem.objective, tape.gain, change)
        own_score = _score(r.games.own_actions, r.log_policies[:, own].exp())
        crossed = engine.pull_back(
            r.policies.part(own), r.activations.part(own), r.seen.single(), omega.unsqueeze(-1) * own_score
        )
        gradient = gradient + eta * crossed.gradient
        if k:
            d_dot = _inner_slope_dot(problem, tape, push.outputs, score, omega)
            adjoint = adjoint - eta * engine.curvature(w, a, seen, push, tape.pull, tape.d_out, d_dot)
    return gradient


def _omega(objective: Objective, gain: _Gain, change: Tensor) -> Tensor:
    """Weights of the other log-probabilities in the derivative of J along `change`."""
    so_far, nothing = change.cumsum(0), torch.zeros_like(change[0])
    if not objective.baseline:
        return backward_sums(gain.terms * so_far, 1.0, nothing)
    later = backward_sums(gain.terms * change, 1.0, nothing)
    return gain.terms * so_far + torch.cat([later[1:], nothing[None]])


def _inner_slope_dot(
    problem: OuterProblem, tape: _InnerTape, dot: Tensor, score: Tensor, omega: Tensor
) -> Tensor:
    """Derivative of the opponents' gradient by their logits along `dot`."""
    log_other = tape.round.log_policies[:, len(omega[0]) :]
    p = log_other.exp()
    p_dot = p * (dot - (p * dot).sum(-1, keepdim=True))
    found = tape.gain.weight.unsqueeze(-1) * p_dot - omega.unsqueeze(-1) * score
    if tape.log_reference is not None:
        bent = _distance_dot(log_other, tape.log_reference, dot, problem.objective.reverse_kl)
        found = found + problem.inner_beta * bent
    elif (
        problem.inner_beta
    ):  # the first step: the policy is its own reference, and only the slope's slope is left
        found = found + problem.inner_beta * _distance_dot(
            log_other, log_other, dot, problem.objective.reverse_kl
        )
    return found
