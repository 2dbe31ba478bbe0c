"""Passes through many recurrent networks at once: forward, and its first and second derivatives along given directions.

N networks of one shape run side by side, each on the states of its own batch of games; time is the first axis. What a
network computes from an observation before its recurrent unit is a table over the states of the game, so a step looks
it up. With f_n = (1 - z)(1 - n^2), f_z = (h - n) z (1 - z), f_r = u r (1 - r), where u = h K_hn + b_hn and h is the
state before the step, all derivatives along the time axis are two linear recursions,

    forward   h'_t = c_t + F_t * (h'_(t-1) K_h) + z_t h'_(t-1)        F = [f_n f_r, f_z, f_n r], summed over gates
    backward  d_t = s_t + d_(t+1) z_(t+1) + (d_(t+1) F_(t+1)) K_h^T

and everything else is done for all steps together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pycrld_econ.validation.learners.dice.networks import NetworkShape

FEW_STATES = 16  # up to here a sum over states is a product with indicators


@dataclass(frozen=True)
class Layer:
    """A layer of the tower below the recurrent unit, with what went in (N, S, i), and which outputs passed, if any."""

    weight: Tensor
    bias: Tensor
    entered: Tensor
    passed: Tensor | None


@dataclass(frozen=True)
class Weights:
    """Parameters of N networks, as passes use them.

    Attributes
    ----------
    shape : NetworkShape
        Sizes.
    tower : list of Layer
        From observations to `table`.
    table : (N, S, 3H) tensor
        Input half of the gates in each state.
    recurrent : (N, H, 3H) tensor
        K_h of all gates.
    bias : (N, 1, 3H) tensor
        Zeros, zeros, b_hn.
    out, out_bias : (N, H, A), (N, 1, A) tensors
        Output layer.
    """

    shape: NetworkShape
    tower: list[Layer]
    table: Tensor
    recurrent: Tensor
    bias: Tensor
    out: Tensor
    out_bias: Tensor

    def part(self, networks: slice) -> Weights:
        """Some of the networks."""
        tower = [
            Layer(
                layer.weight[networks],
                layer.bias[networks],
                layer.entered if layer.entered.shape[0] == 1 else layer.entered[networks],
                None if layer.passed is None else layer.passed[networks],
            )
            for layer in self.tower
        ]
        rest = (self.table, self.recurrent, self.bias, self.out, self.out_bias)
        return Weights(self.shape, tower, *(tensor[networks] for tensor in rest))


def gathered(parts: dict[str, Tensor], prefix: str, dim: int) -> Tensor:
    """The blocks of the three gates side by side."""
    return torch.cat([parts[f"{prefix}{gate}"] for gate in "rzn"], dim=dim)


def weights(shape: NetworkShape, observations: Tensor, flat: Tensor) -> Weights:
    """Parameters (N, size) made ready for passes over states with these observations (S, D)."""
    parts = shape.unpack(flat)
    names = [(f"W{k}", f"b{k}", k == 1) for k in range(1, shape.layers + 1)]
    layers = [(parts[w], parts[b].unsqueeze(1), relu) for w, b, relu in names]
    layers.append((gathered(parts, "K_i", -1), gathered(parts, "b_i", -1).unsqueeze(1), False))
    tower, x = [], observations.unsqueeze(0)
    for weight, bias, relu in layers:
        y = torch.matmul(x, weight) + bias
        tower.append(Layer(weight, bias, x, y > 0 if relu else None))
        x = torch.relu(y) if relu else y
    bias = torch.cat([torch.zeros_like(flat[:, : 2 * shape.hidden]), parts["b_hn"]], dim=-1).unsqueeze(1)
    recurrent = gathered(parts, "K_h", -1)
    return Weights(shape, tower, x, recurrent, bias, parts["W_o"], parts["b_o"].unsqueeze(1))


@dataclass
class Visits:
    """Which states were seen, by N networks that share the games of U batches: network c * U + u sees those of u.

    Attributes
    ----------
    games : (T, U, B) int64 tensor
        State of each game before each step.
    copies : int
        N / U.
    count : int
        S.
    """

    games: Tensor
    copies: int
    count: int

    @cached_property
    def rows(self) -> Tensor:
        """States (T, N, B) as rows of a table (N * S, ...)."""
        networks = self.copies * self.games.shape[1]
        offsets = (torch.arange(networks, device=self.games.device) * self.count).view(1, -1, 1)
        return self.games.repeat(1, self.copies, 1) + offsets

    @cached_property
    def indicators(self) -> Tensor | None:
        """1 where a step was made in a state, (U, S, T * B) in bytes; only for few states."""
        if self.count > FEW_STATES:
            return None
        flat = self.games.transpose(0, 1).reshape(self.games.shape[1], 1, -1)
        return flat == torch.arange(self.count, device=flat.device).view(1, -1, 1)

    def sums(self, x: Tensor) -> Tensor:
        """Sums of x (T, N, B, k) over the steps in each state, (N, S, k)."""
        steps, networks, games, width = x.shape
        if self.indicators is not None:
            ones = self.indicators.to(x.dtype).repeat(self.copies, 1, 1)
            return torch.bmm(ones, x.transpose(0, 1).reshape(networks, steps * games, width))
        out = x.new_zeros(networks * self.count, width)
        out.scatter_add_(0, self.rows.reshape(-1, 1).expand(-1, width), x.reshape(-1, width))
        return out.view(networks, self.count, width)

    def single(self) -> Visits:
        """The same for one network for each batch of games."""
        return self if self.copies == 1 else Visits(self.games, 1, self.count)


@dataclass(frozen=True)
class Slopes:
    """Derivatives of the gates: f_n, f_z, f_r and F = [f_n f_r, f_z, f_n r]."""

    n: Tensor
    z: Tensor
    r: Tensor
    all: Tensor

    def part(self, where: tuple[slice, ...]) -> Slopes:
        """Those of some steps and networks."""
        return Slopes(self.n[where], self.z[where], self.r[where], self.all[where])


@dataclass
class Activations:
    """What N networks went through: tensors (T, N, B, H).

    `before` and `after` are the states of the units, `r`, `z`, `n` the gates, `u` = h K_hn + b_hn.
    """

    before: Tensor
    after: Tensor
    r: Tensor
    z: Tensor
    n: Tensor
    u: Tensor

    @cached_property
    def slopes(self) -> Slopes:
        """Slopes of the pass; parts share them."""
        of_n = (1 - self.z) * (1 - self.n * self.n)
        of_z = (self.before - self.n) * self.z * (1 - self.z)
        of_r = self.u * self.r * (1 - self.r)
        return Slopes(of_n, of_z, of_r, torch.cat([of_n * of_r, of_z, of_n * self.r], dim=-1))

    def part(self, networks: slice) -> Activations:
        """Those of some of the networks."""
        return self._cut((slice(None), networks))

    def until(self, steps: int) -> Activations:
        """Those of the first steps."""
        return self._cut((slice(steps),))

    def _cut(self, where: tuple[slice, ...]) -> Activations:
        names = ("before", "after", "r", "z", "n", "u")
        found = Activations(*(getattr(self, name)[where] for name in names))
        if "slopes" in self.__dict__:
            found.__dict__["slopes"] = self.slopes.part(where)
        return found


def share(activations: Activations) -> None:
    """Compute once what all passes over parts of these networks share."""
    _ = activations.slopes


def cell(w: Weights, inputs: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One step of N units: the new state, r, z, n and u, each (N, B, H), from gate inputs (N, B, 3H)."""
    size = w.shape.hidden
    m = torch.baddbmm(w.bias, h, w.recurrent)
    gates = torch.sigmoid(inputs[..., : 2 * size] + m[..., : 2 * size])
    r, z, u = gates[..., :size], gates[..., size:], m[..., 2 * size :]
    n = torch.tanh(torch.addcmul(inputs[..., 2 * size :], r, u))
    return torch.lerp(n, h, z), r, z, n, u


def gate_inputs(w: Weights, rows: Tensor) -> Tensor:
    """Rows of the table of gate inputs."""
    return w.table.reshape(-1, w.table.shape[-1])[rows]


def collected(start: Tensor, steps: Sequence[tuple[Tensor, ...]]) -> Activations:
    """What `cell` gave at each step, stacked."""
    after, r, z, n, u = (torch.stack(parts) for parts in zip(*steps, strict=True))
    return Activations(torch.cat([start[None], after[:-1]]), after, r, z, n, u)


def forward(w: Weights, seen: Visits) -> Activations:
    """Run N networks over the states that were seen."""
    inputs = gate_inputs(w, seen.rows)
    start = h = inputs.new_zeros(*inputs.shape[1:-1], w.shape.hidden)
    steps: list[tuple[Tensor, ...]] = []
    for row in inputs.unbind(0):
        steps.append(cell(w, row, h))
        h = steps[-1][0]
    return collected(start, steps)


def read_out(w: Weights, after: Tensor) -> Tensor:
    """Outputs (T, N, B, A) from states of the units (T, N, B, H)."""
    return torch.matmul(after, w.out) + w.out_bias


def times_gates(d: Tensor, factors: Tensor) -> Tensor:
    """d (..., H) times each third of factors (..., 3H)."""
    return (d.unsqueeze(-2) * factors.unflatten(-1, (3, d.shape[-1]))).flatten(-2)


def backward_scan(source: Tensor, factors: Tensor, z: Tensor, recurrent: Tensor) -> Tensor:
    """The backward recursion of the module, (T, N, B, H)."""
    back = recurrent.transpose(1, 2)
    found, carry = [], torch.zeros_like(source[0])
    for s, f, keep in zip(
        reversed(source.unbind(0)), reversed(factors.unbind(0)), reversed(z.unbind(0)), strict=True
    ):
        d = s + carry
        found.append(d)
        carry = torch.baddbmm(d * keep, times_gates(d, f), back)
    return torch.stack(found[::-1])


def forward_scan(source: Tensor, factors: Tensor, z: Tensor, recurrent: Tensor) -> Tensor:
    """The forward recursion of the module, (T, N, B, H)."""
    size = source.shape[-1]
    found, h = [], torch.zeros_like(source[0])
    for c, f, keep in zip(source.unbind(0), factors.unbind(0), z.unbind(0), strict=True):
        pushed = (torch.bmm(h, recurrent) * f).unflatten(-1, (3, size)).sum(-2)
        h = torch.addcmul(c + pushed, keep, h)
        found.append(h)
    return torch.stack(found)


def over_steps(left: Tensor, right: Tensor) -> Tensor:
    """Sums over steps and games of outer products, (N, i, j) from (T, N, B, i) and (T, N, B, j)."""
    steps, networks, games, _ = left.shape
    rows = [x.transpose(0, 1).reshape(networks, steps * games, -1) for x in (left, right)]
    return torch.bmm(rows[0].transpose(1, 2), rows[1])


def tower_gradient(tower: list[Layer], d: Tensor) -> dict[str, Tensor]:
    """Gradients of the tower's blocks for a gradient d (N, S, 3H) of its table."""
    parts: dict[str, Tensor] = {}
    for depth in range(len(tower) - 1, -1, -1):
        layer = tower[depth]
        parts |= _blocks(depth == len(tower) - 1, depth, layer.entered.transpose(1, 2) @ d, d.sum(1))
        if depth:
            d = d @ layer.weight.transpose(1, 2)
            passed = tower[depth - 1].passed
            d = d if passed is None else d * passed
    return parts


def _blocks(last: bool, depth: int, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    if not last:
        return {f"W{depth + 1}": weight, f"b{depth + 1}": bias}
    found = {f"K_i{gate}": part for gate, part in zip("rzn", weight.chunk(3, -1), strict=True)}
    return found | {f"b_i{gate}": part for gate, part in zip("rzn", bias.chunk(3, -1), strict=True)}


@dataclass(frozen=True)
class Pull:
    """A gradient (N, size), with what its own derivative needs: d of the backward recursion, and that of the table."""

    gradient: Tensor
    d: Tensor
    of_table: Tensor


def pull_back(w: Weights, a: Activations, seen: Visits, d_out: Tensor) -> Pull:
    """Gradients of N networks for gradients d_out (T, N, B, A) of their outputs."""
    f = a.slopes
    d = backward_scan(torch.matmul(d_out, w.out.transpose(1, 2)), f.all, a.z, w.recurrent)
    d_m = times_gates(d, f.all)
    d_inputs = torch.cat([d_m[..., : 2 * w.shape.hidden], d * f.n], dim=-1)
    of_table = seen.sums(d_inputs)
    parts = tower_gradient(w.tower, of_table)
    parts |= _recurrent_blocks(over_steps(a.before, d_m), d_m.sum((0, 2)))
    parts |= {"W_o": over_steps(a.after, d_out), "b_o": d_out.sum((0, 2))}
    return Pull(w.shape.pack(parts), d, of_table)


def _recurrent_blocks(matrix: Tensor, bias: Tensor) -> dict[str, Tensor]:
    blocks = {f"K_h{gate}": part for gate, part in zip("rzn", matrix.chunk(3, -1), strict=True)}
    return blocks | {"b_hn": bias.chunk(3, -1)[2]}


@dataclass(frozen=True)
class Push:
    """Derivatives of a pass along a direction: of the outputs, of what `Activations` holds, and of the tower."""

    outputs: Tensor
    before: Tensor
    after: Tensor
    r: Tensor
    z: Tensor
    n: Tensor
    u: Tensor
    entered: list[Tensor]
    direction: dict[str, Tensor]


def push_forward(w: Weights, a: Activations, seen: Visits, direction: Tensor) -> Push:
    """Derivative of the outputs of N networks along directions (N, size) of their parameters."""
    v, size = w.shape.unpack(direction), w.shape.hidden
    table, entered = tower_push(w, v)
    inputs = table.reshape(-1, 3 * size)[seen.rows]
    f = a.slopes
    bias = torch.cat([torch.zeros_like(direction[:, : 2 * size]), v["b_hn"]], -1).unsqueeze(1)
    given = torch.matmul(a.before, gathered(v, "K_h", -1)) + bias
    both = torch.cat([given[..., : 2 * size] + inputs[..., : 2 * size], given[..., 2 * size :]], dim=-1)
    source = (both * f.all).unflatten(-1, (3, size)).sum(-2) + f.n * inputs[..., 2 * size :]
    after = forward_scan(source, f.all, a.z, w.recurrent)
    before = torch.cat([torch.zeros_like(after[:1]), after[:-1]])
    m = torch.matmul(before, w.recurrent) + given
    r = a.r * (1 - a.r) * (inputs[..., :size] + m[..., :size])
    z = a.z * (1 - a.z) * (inputs[..., size : 2 * size] + m[..., size : 2 * size])
    u = m[..., 2 * size :]
    n = (1 - a.n * a.n) * (inputs[..., 2 * size :] + r * a.u + a.r * u)
    out = torch.matmul(after, w.out) + torch.matmul(a.after, v["W_o"]) + v["b_o"].unsqueeze(1)
    return Push(out, before, after, r, z, n, u, entered, v)


def _tower_directions(w: Weights, v: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    pairs = [(v[f"W{k}"], v[f"b{k}"].unsqueeze(1)) for k in range(1, w.shape.layers + 1)]
    return [*pairs, (gathered(v, "K_i", -1), gathered(v, "b_i", -1).unsqueeze(1))]


def tower_push(w: Weights, v: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Derivative of the table, and of what enters each layer."""
    entered, x = [], torch.zeros_like(w.tower[0].entered)
    for layer, (weight, bias) in zip(w.tower, _tower_directions(w, v), strict=True):
        entered.append(x)
        x = x @ layer.weight + layer.entered @ weight + bias
        x = x if layer.passed is None else x * layer.passed
    return x, entered


def curvature(
    w: Weights, a: Activations, seen: Visits, push: Push, pull: Pull, d_out: Tensor, d_out_dot: Tensor
) -> Tensor:
    """Derivative of `pull_back` along the direction of `push`, (N, size).

    Parameters
    ----------
    w, a, seen
        Of the pass.
    push : Push
        From `push_forward`.
    pull : Pull
        From `pull_back` with `d_out`.
    d_out, d_out_dot : (T, N, B, A) tensors
        Gradient of the outputs, and its own derivative along the direction.
    """
    size, v, d = w.shape.hidden, push.direction, pull.d
    f, f_dot = a.slopes, _slopes_dot(a, push)
    d_m = times_gates(d, f.all)
    v_recurrent = gathered(v, "K_h", -1)
    given = d * push.z + torch.matmul(times_gates(d, f_dot.all), w.recurrent.transpose(1, 2))
    given = given + torch.matmul(d_m, v_recurrent.transpose(1, 2))
    source = torch.matmul(d_out_dot, w.out.transpose(1, 2)) + torch.matmul(d_out, v["W_o"].transpose(1, 2))
    source = source + torch.cat([given[1:], torch.zeros_like(given[:1])])
    d_dot = backward_scan(source, f.all, a.z, w.recurrent)
    d_m_dot = times_gates(d_dot, f.all) + times_gates(d, f_dot.all)
    d_inputs = torch.cat([d_m_dot[..., : 2 * size], d_dot * f.n + d * f_dot.n], dim=-1)
    parts = tower_curvature(w, v, push.entered, pull.of_table, seen.sums(d_inputs))
    matrix = over_steps(a.before, d_m_dot) + over_steps(push.before, d_m)
    parts |= _recurrent_blocks(matrix, d_m_dot.sum((0, 2)))
    out = over_steps(a.after, d_out_dot) + over_steps(push.after, d_out)
    parts |= {"W_o": out, "b_o": d_out_dot.sum((0, 2))}
    return w.shape.pack(parts)


def _slopes_dot(a: Activations, push: Push) -> Slopes:
    """Derivatives of the slopes along the direction of a push."""
    of_n = -push.z * (1 - a.n * a.n) - 2 * (1 - a.z) * a.n * push.n
    of_z = (push.before - push.n) * a.z * (1 - a.z) + (a.before - a.n) * (1 - 2 * a.z) * push.z
    of_r = push.u * a.r * (1 - a.r) + a.u * (1 - 2 * a.r) * push.r
    f = a.slopes
    of_all = [of_n * f.r + f.n * of_r, of_z, of_n * a.r + f.n * push.r]
    return Slopes(of_n, of_z, of_r, torch.cat(of_all, dim=-1))


def tower_curvature(
    w: Weights, v: dict[str, Tensor], entered: list[Tensor], d: Tensor, d_dot: Tensor
) -> dict[str, Tensor]:
    """Derivative of `tower_gradient` along a direction."""
    parts: dict[str, Tensor] = {}
    directions = _tower_directions(w, v)
    for depth in range(len(w.tower) - 1, -1, -1):
        layer, entered_dot = w.tower[depth], entered[depth]
        matrix = layer.entered.transpose(1, 2) @ d_dot + entered_dot.transpose(1, 2) @ d
        parts |= _blocks(depth == len(w.tower) - 1, depth, matrix, d_dot.sum(1))
        if depth:
            d_dot = d_dot @ layer.weight.transpose(1, 2) + d @ directions[depth][0].transpose(1, 2)
            d = d @ layer.weight.transpose(1, 2)
            passed = w.tower[depth - 1].passed
            if passed is not None:
                d, d_dot = d * passed, d_dot * passed
    return parts
