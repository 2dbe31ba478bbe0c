"""Policies for many agents of one type: one network, a part of its input common to all, several action heads.

A type is a group of n exchangeable agents that share one network. What they see splits into a public part, the same for
all n, and a private part; so the first layer is a product for the public part, computed once for an environment, plus
one for the private part. The numbers are those of a network on the joined input, up to rounding.

    h1 = relu(public P' + private Q' + b1)      fc1 = [P Q]
    h2 = relu(h1 W2' + b2)                      fc2
    logits = h2 W3' + b3, one slice a head      fc3, or action_heads.0, action_heads.1, ... where there are several
    value = h2 w4' + b4                         fc4

The parameters have the names of the published models, so their state dictionaries can be exchanged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 128  # units of both hidden layers in the published models


@dataclass(frozen=True)
class PolicyShape:
    """Sizes of a policy.

    Attributes
    ----------
    public, private : int
        Inputs common to all agents of the type, and inputs of one agent. At least 0, one of them at least 1.
    heads : tuple of int
        Number of actions of each head; an agent takes one action a head, independently of each other.
    hidden : int
        Units of each hidden layer.
    """

    public: int
    private: int
    heads: tuple[int, ...]
    hidden: int = HIDDEN

    def __post_init__(self) -> None:
        if min(self.public, self.private) < 0 or self.public + self.private < 1:
            raise ValueError(
                f"public and private must be at least 0 and not both 0, got {self.public}, {self.private}"
            )
        if not self.heads or min(self.heads) < 1:
            raise ValueError(f"heads must be positive numbers of actions, got {self.heads}")
        if self.hidden < 1:
            raise ValueError(f"hidden must be at least 1, got {self.hidden}")

    @property
    def actions(self) -> int:
        """Number of logits of all heads together."""
        return sum(self.heads)

    def groups(self) -> list[tuple[int, int]]:
        """Runs of heads of one size, as pairs (how many, size): they are worked on together."""
        return [(len(list(run)), size) for size, run in itertools.groupby(self.heads)]


class HeadedPolicy(nn.Module):
    """A two-layer network with action heads and a value, shared by all agents of a type.

    Parameters
    ----------
    shape : PolicyShape
        Sizes.
    seed : int
        Of the initial parameters, in [0, 2**63). They are torch's defaults for linear layers, drawn in the order fc1,
        fc2, heads, fc4, and leave torch's own generator as it was.
    """

    def __init__(self, shape: PolicyShape, seed: int) -> None:
        super().__init__()
        self.shape = shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.fc1 = nn.Linear(shape.public + shape.private, shape.hidden)
            self.fc2 = nn.Linear(shape.hidden, shape.hidden)
            heads = [nn.Linear(shape.hidden, size) for size in shape.heads]
            if len(heads) == 1:
                self.fc3 = heads[0]
            else:
                self.action_heads = nn.ModuleList(heads)
            self.fc4 = nn.Linear(shape.hidden, 1)

    def heads(self) -> list[nn.Linear]:
        """The layers of the heads, in order."""
        return [self.fc3] if len(self.shape.heads) == 1 else [*self.action_heads]  # type: ignore[list-item]

    def trunk(self, public: Tensor, private: Tensor) -> Tensor:
        """Second hidden layer, (..., n, hidden), of inputs (..., public) and (..., n, private)."""
        common, own = self.fc1.weight.split([self.shape.public, self.shape.private], dim=1)
        first = functional.linear(public, common, self.fc1.bias).unsqueeze(-2)
        if self.shape.private:
            first = torch.relu_(functional.linear(private, own).add_(first))
        else:
            first = torch.relu(first.expand(*private.shape[:-1], self.shape.hidden))
        return torch.relu_(self.fc2(first))

    def forward(self, public: Tensor, private: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of all heads one after another, (..., n, actions), and values, (..., n).

        Parameters
        ----------
        public : (..., public) tensor
            What all agents of the type see.
        private : (..., n, private) tensor
            What each sees besides.
        """
        layers = [*self.heads(), self.fc4]
        weight = torch.cat([layer.weight for layer in layers])
        bias = torch.cat([layer.bias for layer in layers])
        out = functional.linear(self.trunk(public, private), weight, bias)
        logits, values = out.split([self.shape.actions, 1], dim=-1)  # backwards cheaper than two slices
        return logits, values.squeeze(-1)

    def values(self, public: Tensor, private: Tensor) -> Tensor:
        """Values alone, (..., n)."""
        return self.fc4(self.trunk(public, private)).squeeze(-1)

    def split(self, logits: Tensor) -> list[Tensor]:
        """Logits (..., actions) as one tensor (..., count, size) for each run of heads of one size."""
        groups = self.shape.groups()
        parts = logits.split([count * size for count, size in groups], dim=-1)
        return [part.unflatten(-1, (count, size)) for part, (count, size) in zip(parts, groups, strict=True)]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of all heads one after another, (..., actions)."""
        return torch.cat([part.softmax(-1).flatten(-2) for part in self.split(logits)], dim=-1)

    def evaluate(self, logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of joint actions and entropy, both summed over heads.

        Parameters
        ----------
        logits : (..., actions) tensor
            With masks added.
        actions : (..., heads) integer tensor
            Action of each head.

        Returns
        -------
        (...) tensor, (...) tensor
            log pi(a | s), and the entropy of pi( . | s).
        """
        logarithm, entropy = torch.zeros(()), torch.zeros(())
        for logs, action in self._logs(logits, actions):
            logarithm = logarithm + logs.gather(-1, action.unsqueeze(-1)).squeeze(-1).sum(-1)
            entropy = entropy - (logs.exp() * logs).sum((-2, -1))
        return logarithm, entropy

    def log_probability(self, logits: Tensor, actions: Tensor) -> Tensor:
        """The first of what `evaluate` gives, at a lower price."""
        logarithm = torch.zeros(())
        for logs, action in self._logs(logits, actions):
            logarithm = logarithm + logs.gather(-1, action.unsqueeze(-1)).squeeze(-1).sum(-1)
        return logarithm

    def _logs(self, logits: Tensor, actions: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Log-probabilities (..., count, size) and actions (..., count) of each run of heads of one size."""
        chosen = actions.split([count for count, _ in self.shape.groups()], dim=-1)
        for part, action in zip(self.split(logits), chosen, strict=True):
            yield part.log_softmax(-1), action

    def load_parameters(self, parameters: Mapping[str, Tensor], source: str) -> None:
        """Take parameters over, or raise ValueError with everything that does not fit.

        Parameters
        ----------
        parameters : mapping of str to tensor
            A state dictionary.
        source : str
            Where it comes from, for the message.
        """
        own = self.state_dict()
        wrong = [f"no {name}" for name in own if name not in parameters]
        wrong += [f"unknown {name}" for name in parameters if name not in own]
        for name in own.keys() & parameters.keys():
            here, there = tuple(own[name].shape), tuple(getattr(parameters[name], "shape", ()))
            if here != there:
                wrong.append(f"{name} has shape {there}, expected {here}")
        if wrong:
            raise ValueError(f"{source} does not fit this policy: {'; '.join(sorted(wrong))}")
        self.load_state_dict(dict(parameters))


@cache
def _powers(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """10, 100, ..., 10^size, kept on the device."""
    return torch.tensor([10.0**k for k in range(1, size + 1)], dtype=dtype, device=device)


def digits(values: Tensor, size: int) -> Tensor:
    """Each number as its remainders by 10, 100, ..., 10^size, as fractions of them.

    A stock of goods or of money spans many orders of magnitude; the remainders show each of them to a network with
    inputs in [0, 1). The remainder is that of floored division, so a debt loses its sign: -3 looks as 7 does at k = 1.

    Parameters
    ----------
    values : (...) tensor
        Numbers.
    size : int
        Number of remainders, at least 1.

    Returns
    -------
    (..., size) tensor
        (values mod 10^k) / 10^k for k = 1, ..., size.
    """
    powers = _powers(size, values.dtype, values.device)
    return torch.remainder(values.unsqueeze(-1), powers) / powers


def expand_digits(states: Tensor, columns: Sequence[int], size: int) -> Tensor:
    """States with some of their entries replaced, in place, by their digits.

    Parameters
    ----------
    states : (..., dim) tensor
        States.
    columns : sequence of int
        Which entries, increasing.
    size : int
        Digits of each.

    Returns
    -------
    (..., dim + len(columns) * (size - 1)) tensor
        Expanded states.
    """
    parts, start = [], 0
    for column in columns:
        parts += [states[..., start:column], digits(states[..., column], size)]
        start = column + 1
    return torch.cat([*parts, states[..., start:]], dim=-1)
