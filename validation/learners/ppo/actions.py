"""Actions of one or several heads under masks.

A masked action gets the logit -1e7: its probability is 0 exactly in single precision, and it is never drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

CLOSED = -1e7
LEAST = -80.0  # the logarithm of what counts as no probability: numbers below are slow to handle
SOONEST = 1e-38  # of exponential clocks


def _probabilities(logs: Tensor) -> Tensor:
    """Probabilities, those below exp(-80) rounded up to it."""
    return logs.clamp_min(LEAST).exp()


class Heads:
    """Independent choices, one a head, from logits that stand one head after another.

    Parameters
    ----------
    sizes : sequence of int
        Number of actions of each head.

    Attributes
    ----------
    sizes : tuple of int
        The same.
    total : int
        Number of logits.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        if not sizes or min(sizes) < 1:
            raise ValueError(f"sizes must be positive numbers of actions, got {tuple(sizes)}")
        self.sizes = tuple(int(size) for size in sizes)
        self.total = sum(self.sizes)
        # Heads of one size that follow each other are worked on together.
        self._groups = [(len(list(run)), size) for size, run in itertools.groupby(self.sizes)]

    def logs(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Log-probabilities (..., total) from logits (..., total) and masks (..., total), nonzero where allowed."""
        closed = logits.masked_fill(mask == 0, CLOSED)
        parts = [part.log_softmax(-1).flatten(-2) for part in self._split(closed)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def _split(self, array: Tensor) -> list[Tensor]:
        widths = [count * size for count, size in self._groups]
        parts = array.split(widths, -1)
        return [part.unflatten(-1, group) for part, group in zip(parts, self._groups, strict=True)]

    def of(self, logs: Tensor, actions: Tensor) -> Tensor:
        """Log-probability (...) of joint actions (..., heads)."""
        chosen = actions.split([count for count, _ in self._groups], -1)
        pairs = zip(self._split(logs), chosen, strict=True)
        parts = [part.gather(-1, action.unsqueeze(-1)).squeeze(-1).sum(-1) for part, action in pairs]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    @staticmethod
    def entropy(logs: Tensor) -> Tensor:
        """Entropy (...), summed over heads."""
        return -(_probabilities(logs) * logs).sum(-1)

    @staticmethod
    def divergence(old: Tensor, new: Tensor) -> Tensor:
        """Kullback-Leibler divergence (...) of new log-probabilities from old ones, summed over heads."""
        return (_probabilities(old) * (old - new)).sum(-1)

    def sample(self, logs: Tensor, generator: torch.Generator) -> Tensor:
        """Joint actions (..., heads), drawn as a race of exponential clocks."""
        u = torch.empty_like(logs).uniform_(generator=generator)
        clocks = torch.log1p(-u).neg_().clamp_min_(SOONEST)
        parts = [part.argmax(-1) for part in self._split(logs.exp() / clocks)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def best(self, logs: Tensor) -> Tensor:
        """The likeliest joint action (..., heads)."""
        return torch.cat([part.argmax(-1) for part in self._split(logs)], -1)
