"""The passes of `passes` by the rules of `pass_rules`: single precision on a processor, several times as fast."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.backend import Lanes
from pycrld_econ.validation.learners.dice import pass_rules, passes
from pycrld_econ.validation.learners.dice.passes import Activations, Pull, Push, Visits, Weights, gathered


@cache
def rule(name: str) -> Lanes:
    """A rule of `pass_rules`; lanes are networks, or pairs of them."""
    return Lanes(pass_rules, name)


def arrays(*tensors: Tensor) -> list[np.ndarray]:
    """Tensors as arrays in one layout, so that each rule is compiled once."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def empty(*shape: int) -> np.ndarray:
    """Room for single-precision numbers."""
    return np.empty(shape, dtype=np.float32)


def zeros(*shape: int) -> np.ndarray:
    """Single-precision zeros."""
    return np.zeros(shape, dtype=np.float32)


def share(activations: Activations) -> None:
    """Nothing is shared between passes over parts of networks: steps are recomputed where they are needed."""


def room(steps: int, networks: int, games: int, size: int) -> list[np.ndarray]:
    """States of the units (T + 1, N, B, H), the first 0, and room for r, z, n, u."""
    h = empty(steps + 1, networks, games, size)
    h[0] = 0.0
    return [h, *(empty(steps, networks, games, size) for _ in range(4))]


def as_activations(parts: list[np.ndarray]) -> Activations:
    """Filled room as activations."""
    h, r, z, n, u = (torch.from_numpy(part) for part in parts)
    return Activations(h[:-1], h[1:], r, z, n, u)


def states_of(seen: Visits) -> tuple[np.ndarray, int]:
    """States (T, U, B) of the games, and the number of networks that see them."""
    return arrays(seen.games)[0], seen.copies * seen.games.shape[1]


def forward(w: Weights, seen: Visits) -> Activations:
    """As `passes.forward`."""
    states, networks = states_of(seen)
    steps, _, games = states.shape
    parts = room(steps, networks, games, w.shape.hidden)
    given = arrays(w.table, w.recurrent, w.bias.squeeze(1))
    rule("forward")(networks, states, *given, *parts, empty(networks, 3 * w.shape.hidden))
    return as_activations(parts)


def taken_apart(a: Activations) -> list[np.ndarray]:
    """h (T + 1, N, B, H), r, z, n, u as arrays."""
    h = torch.cat([a.before[:1], a.after])
    return arrays(h, a.r, a.z, a.n, a.u)


def sums(w: Weights, networks: int, count: int) -> list[np.ndarray]:
    """Zeros for the gradients of table, recurrent matrix and bias, output matrix (N, A, H) and bias."""
    size, actions = w.shape.hidden, w.shape.outputs
    return [
        zeros(networks, count, 3 * size),
        zeros(networks, size, 3 * size),
        zeros(networks, 3 * size),
        zeros(networks, actions, size),
        zeros(networks, actions),
    ]


def blocks(found: list[np.ndarray]) -> dict[str, Tensor]:
    """Gradients above the tower, by name."""
    _, recurrent, bias, out, out_bias = (torch.from_numpy(part) for part in found)
    parts = {f"K_h{gate}": part for gate, part in zip("rzn", recurrent.chunk(3, -1), strict=True)}
    return parts | {"b_hn": bias.chunk(3, -1)[2], "W_o": out.transpose(1, 2), "b_o": out_bias}


def pull_back(w: Weights, a: Activations, seen: Visits, d_out: Tensor) -> Pull:
    """As `passes.pull_back`."""
    (states, networks), size = states_of(seen), w.shape.hidden
    steps, _, games = states.shape
    found, d = sums(w, networks, seen.count), empty(steps, networks, games, size)
    given = arrays(d_out, w.recurrent.transpose(1, 2), w.out.transpose(1, 2))
    scratch = [zeros(networks, games, size), empty(networks, 3 * size)]
    rule("pull")(networks, states, *taken_apart(a), *given, d, *found, *scratch)
    of_table = torch.from_numpy(found[0])
    parts = passes.tower_gradient(w.tower, of_table) | blocks(found)
    return Pull(w.shape.pack(parts), torch.from_numpy(d), of_table)


def push_forward(w: Weights, a: Activations, seen: Visits, direction: Tensor) -> Push:
    """As `passes.push_forward`."""
    (states, networks), size = states_of(seen), w.shape.hidden
    steps, _, games = states.shape
    v = w.shape.unpack(direction)
    table, entered = passes.tower_push(w, v)
    bias = torch.cat([torch.zeros_like(direction[:, : 2 * size]), v["b_hn"]], -1)
    along = arrays(table, gathered(v, "K_h", -1), bias, v["W_o"].transpose(1, 2), v["b_o"])
    own = arrays(w.recurrent, w.out.transpose(1, 2))
    dots, outputs = room(steps, networks, games, size), empty(steps, networks, games, w.shape.outputs)
    rule("push")(networks, states, *taken_apart(a), *along, *own, *dots, outputs, empty(networks, 3 * size))
    h, r, z, n, u = (torch.from_numpy(part) for part in dots)
    return Push(torch.from_numpy(outputs), h[:-1], h[1:], r, z, n, u, entered, v)


def curvature(
    w: Weights, a: Activations, seen: Visits, push: Push, pull: Pull, d_out: Tensor, d_out_dot: Tensor
) -> Tensor:
    """As `passes.curvature`."""
    (states, networks), size, v = states_of(seen), w.shape.hidden, push.direction
    games = states.shape[-1]
    found = sums(w, networks, seen.count)
    dots = arrays(torch.cat([push.before[:1], push.after]), push.r, push.z, push.n, push.u)
    given = arrays(pull.d, d_out, d_out_dot, w.recurrent.transpose(1, 2), w.out.transpose(1, 2))
    along = arrays(gathered(v, "K_h", -1).transpose(1, 2), v["W_o"].transpose(1, 2))
    scratch = [zeros(networks, games, size), empty(networks, 3 * size), empty(networks, 3 * size)]
    rule("curve")(networks, states, *taken_apart(a), *dots, *given, *along, *found, *scratch)
    table = torch.from_numpy(found[0])
    parts = passes.tower_curvature(w, v, push.entered, pull.of_table, table) | blocks(found)
    return w.shape.pack(parts)


def play(
    tables: dict[str, Any], strides: Tensor, policies: Weights, u: Tensor
) -> tuple[Tensor, Tensor, Tensor, Activations]:
    """Games of U pairs of policies.

    Parameters
    ----------
    tables : dict
        starts (n,), successors (S A A, W) and branches (S A A,) as int64 arrays.
    strides : (U, 2) int64 tensor
        What actions of player and other count in a row of the tables.
    policies : Weights
        Of the 2 U policies.
    u : (T + 1, U, B, 3) float32 tensor
        Numbers in [0, 1).

    Returns
    -------
    states (T + 1, U, B), actions (T, 2 U, B), rows (T, U, B), and activations
    """
    steps, pairs, games = u.shape[0] - 1, u.shape[1], u.shape[2]
    size, actions = policies.shape.hidden, policies.shape.outputs
    states = np.empty((steps + 1, pairs, games), dtype=np.int64)
    done = np.empty((steps, 2 * pairs, games), dtype=np.int64)
    rows = np.empty((steps, pairs, games), dtype=np.int64)
    parts = room(steps, 2 * pairs, games, size)
    given = arrays(policies.table, policies.recurrent, policies.bias.squeeze(1), policies.out)
    given += arrays(policies.out_bias.squeeze(1))
    world = (tables["starts"], tables["successors"], tables["branches"])
    scratch = (empty(2 * pairs, 3 * size), empty(2 * pairs, actions))
    rule("play")(pairs, *arrays(u), *world, *arrays(strides), *given, states, done, rows, *parts, *scratch)
    return torch.from_numpy(states), torch.from_numpy(done), torch.from_numpy(rows), as_activations(parts)
