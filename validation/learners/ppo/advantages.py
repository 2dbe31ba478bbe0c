"""Generalised advantage estimates.

    delta_t = r_t + gamma V_{t+1} (1 - done_t) - V_t
    A_t     = delta_t + gamma lambda (1 - done_t) A_{t+1}

A fragment that is cut off in the middle of an episode ends with the value of what comes next (bootstrapping); an
episode that is over ends with nothing.

J. Schulman, P. Moritz, S. Levine, M. Jordan, P. Abbeel, High-dimensional continuous control using generalized
advantage estimation, arXiv 1506.02438.
"""

from __future__ import annotations

import torch
from torch import Tensor


def generalised_advantages(
    rewards: Tensor, values: Tensor, done: Tensor, gamma: float, smoothing: float
) -> Tensor:
    """Advantages of a fragment.

    Parameters
    ----------
    rewards : (T, L) tensor
        What each lane gained in each step.
    values : (T + 1, L) tensor
        Values of what was seen before each step, and after the last.
    done : (T, L) bool tensor
        Whether the episode was over after the step.
    gamma, smoothing : float
        Discount factor and lambda, in [0, 1].

    Returns
    -------
    (T, L) tensor
        Advantages. Added to `values[:-1]` they are the targets of the values.
    """
    alive = (~done).to(values.dtype)
    delta = rewards + gamma * values[1:] * alive - values[:-1]
    decay = gamma * smoothing * alive
    advantages = torch.empty_like(delta)
    later = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        later = torch.addcmul(delta[t], decay[t], later, out=advantages[t])
    return advantages
