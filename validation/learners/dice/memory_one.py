"""Memory-one players of the iterated dilemma: what sampled derivatives should be on average, exactly.

Each player cooperates with a probability that depends on the last joint action alone; both index it in the same way,
2 a1 + a2 with player 1's action first, and 4 at the start. With J the probabilities of joint actions in each state, the
state's distribution goes from d to (d J, 0), and

    V_i = sum_(t < T) gamma^t d_t J R_i + gamma^T d_T . v_i.

This is differentiable, so all derivatives of V are exact. Of sampled objectives, the first derivatives and the second
ones are equal to them on average: for plain DiCE, for loaded DiCE with values 0, and for loaded DiCE with lambda = 1
and any values v, which count after the last step. What a finite batch gets wrong on average is the whole gradient
through an opponent's step, as the step itself is random: by O(1 / B).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pycrld_econ.validation.learners.dice.objectives import Objective, policy_loss
from pycrld_econ.validation.simulators.iterated_games import START, payoffs

STATES = START + 1


def joint_actions(first: Tensor, second: Tensor) -> Tensor:
    """Probabilities (5, 4) of the joint actions DD, DC, CD, CC in each state, from logits (5,) of cooperation."""
    p, q = torch.sigmoid(first), torch.sigmoid(second)
    return torch.stack([(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q], dim=-1)


def values(
    first: Tensor,
    second: Tensor,
    contribution_factor: float,
    gamma: float,
    steps: int,
    terminal: Tensor | None = None,
) -> Tensor:
    """Values of both players.

    Parameters
    ----------
    first, second : (5,) tensors
        Logits of cooperation after DD, DC, CD, CC and at the start.
    contribution_factor : float
        Of the game.
    gamma : float
        Discount factor, in (0, 1].
    steps : int
        Length T, at least 1.
    terminal : (2, 5) tensor, optional
        What each player gets for the state after the last step. Default: nothing.

    Returns
    -------
    (2,) tensor
        Sums of discounted rewards, differentiable.
    """
    joint = joint_actions(first, second)
    rewards = torch.tensor(payoffs(contribution_factor), dtype=first.dtype).reshape(2, 4)
    state = functional.one_hot(torch.tensor(START), STATES).to(first.dtype)
    total = first.new_zeros(2)
    for t in range(steps):
        after = state @ joint
        total = total + gamma**t * (rewards @ after)
        state = functional.pad(after, (0, 1))
    return total if terminal is None else total + gamma**steps * (terminal @ state)


def games(
    first: Tensor,
    second: Tensor,
    contribution_factor: float,
    steps: int,
    count: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Play.

    Returns
    -------
    states : (T + 1, B) int64 tensor
        Index of the last joint action.
    actions : (2, T, B) int64 tensor
        What both did.
    rewards : (2, T, B) tensor
        What both got.
    """
    cooperate = torch.sigmoid(torch.stack([first, second])).detach()
    table = torch.tensor(payoffs(contribution_factor), dtype=first.dtype)
    state = torch.full((count,), START)
    states, actions = [state], []
    for _ in range(steps):
        u = torch.rand(2, count, generator=generator, dtype=first.dtype)
        both = (u < cooperate[:, state]).long()
        state = 2 * both[0] + both[1]
        states.append(state)
        actions.append(both)
    done = torch.stack(actions, dim=1)
    return torch.stack(states), done, table[:, done[0], done[1]]


def sampled_loss(
    objective: Objective,
    first: Tensor,
    second: Tensor,
    played: tuple[Tensor, Tensor, Tensor],
    player: int,
    baseline: Tensor,
) -> Tensor:
    """-J of a player, differentiable by the logits of both.

    Parameters
    ----------
    objective : Objective
        Which J.
    first, second : (5,) tensors
        Logits.
    played : tuple
        From `games`.
    player : int
        0 or 1.
    baseline : (5,) tensor
        Values of the states, for objectives that look at them.
    """
    states, actions, rewards = played
    logits = torch.stack([first, second])[:, states[:-1]]
    signs = 2.0 * actions.to(logits.dtype) - 1.0
    logarithms = functional.logsigmoid(signs * logits).sum(0)
    value = baseline[states]
    return policy_loss(objective, logarithms, rewards[player], value[:-1], value[-1])
