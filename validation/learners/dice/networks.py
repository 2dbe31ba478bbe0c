"""Recurrent networks with their parameters in one flat vector.

An observation x passes through L in {0, 1, 2} layers, a gated recurrent unit and an output layer,

    x <- relu(x W1 + b1),  x <- x W2 + b2 (no relu),
    r = sigmoid(x K_ir + b_ir + h K_hr),  z = sigmoid(x K_iz + b_iz + h K_hz),
    n = tanh(x K_in + b_in + r (h K_hn + b_hn)),  h <- (1 - z) n + z h,  out = h W_o + b_o.

This is the cell of Flax; that of PyTorch has two more biases, which do nothing. The flat vector lists W1, b1, W2, b2,
K_ir, b_ir, K_iz, b_iz, K_in, b_in, K_hr, K_hz, K_hn, b_hn, W_o, b_o, matrices row by row with inputs as rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TRUNCATION = 0.87962566103423978  # standard deviation of a standard normal cut off at two standard deviations


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of a network.

    Attributes
    ----------
    inputs, hidden, outputs : int
        Entries of an observation, units of each layer, entries of the output; each at least 1.
    layers : int
        Layers before the recurrent unit: 0, 1 or 2.
    """

    inputs: int
    hidden: int
    outputs: int
    layers: int = 1

    def __post_init__(self) -> None:
        for name in ("inputs", "hidden", "outputs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.layers not in (0, 1, 2):
            raise ValueError(f"layers must be 0, 1 or 2, got {self.layers}")

    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order of the flat vector."""
        hidden = self.hidden
        shapes: dict[str, tuple[int, ...]] = {}
        width = self.inputs
        for layer in range(1, self.layers + 1):
            shapes[f"W{layer}"], shapes[f"b{layer}"] = (width, hidden), (hidden,)
            width = hidden
        for gate in "rzn":
            shapes[f"K_i{gate}"], shapes[f"b_i{gate}"] = (width, hidden), (hidden,)
        for gate in "rzn":
            shapes[f"K_h{gate}"] = (hidden, hidden)
        shapes |= {"b_hn": (hidden,), "W_o": (hidden, self.outputs), "b_o": (self.outputs,)}
        return shapes

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(math.prod(shape) for shape in self.blocks().values())

    def unpack(self, flat: Tensor) -> dict[str, Tensor]:
        """Parameters (..., size) by name, as views."""
        if flat.shape[-1] != self.size:
            raise ValueError(f"parameters must have {self.size} entries, got {flat.shape[-1]}")
        blocks = self.blocks()
        parts = flat.split([math.prod(shape) for shape in blocks.values()], dim=-1)
        return {
            name: part.unflatten(-1, shape) if len(shape) > 1 else part
            for (name, shape), part in zip(blocks.items(), parts, strict=True)
        }

    def pack(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The flat vector (..., size) of parameters by name."""
        return torch.cat(
            [
                parts[name].flatten(-2) if len(shape) > 1 else parts[name]
                for name, shape in self.blocks().items()
            ],
            dim=-1,
        )


def initial_parameters(shape: NetworkShape, generator: torch.Generator) -> Tensor:
    """Random parameters, float64.

    Input and output matrices are normal, cut off at two standard deviations, with variance 1/inputs; the recurrent
    matrix of each gate is a random rotation or reflection; biases are 0.
    """
    parts = {}
    for name, block in shape.blocks().items():
        if name.startswith("b"):
            parts[name] = torch.zeros(block, dtype=torch.float64)
        elif name.startswith("K_h"):
            draw = torch.randn(block, generator=generator, dtype=torch.float64)
            rotation, triangle = torch.linalg.qr(draw)
            parts[name] = rotation * torch.sign(torch.diagonal(triangle))
        else:
            spread = math.sqrt(1.0 / block[0]) / TRUNCATION
            draw = torch.empty(block, dtype=torch.float64)
            parts[name] = nn.init.trunc_normal_(
                draw, 0.0, spread, -2 * spread, 2 * spread, generator=generator
            )
    return shape.pack(parts)


def mirrored(shape: NetworkShape, flat: Tensor) -> Tensor:
    """Parameters of the same player in the other seat of the iterated dilemma.

    What it saw as its own action it now sees as the other's, so the two halves of the rows of the first matrix are
    exchanged.

    Parameters
    ----------
    shape : NetworkShape
        With an even number of inputs.
    flat : (..., size) tensor
        Parameters.
    """
    parts = dict(shape.unpack(flat))
    half = shape.inputs // 2
    for name in ["W1"] if shape.layers else [f"K_i{gate}" for gate in "rzn"]:
        parts[name] = parts[name].roll(half, dims=-2)
    return shape.pack(parts)


def outputs(shape: NetworkShape, flat: Tensor, observations: Tensor) -> Tensor:
    """Outputs (T, B, outputs) for observations (T, B, inputs), differentiable; the state is 0 at first."""
    p = shape.unpack(flat)
    x = observations
    if shape.layers >= 1:
        x = torch.relu(x @ p["W1"] + p["b1"])
    if shape.layers == 2:
        x = x @ p["W2"] + p["b2"]
    inputs = [x @ p[f"K_i{gate}"] + p[f"b_i{gate}"] for gate in "rzn"]
    h = x.new_zeros(*x.shape[1:-1], shape.hidden)
    states = []
    for in_r, in_z, in_n in zip(*inputs, strict=True):
        r = torch.sigmoid(in_r + h @ p["K_hr"])
        z = torch.sigmoid(in_z + h @ p["K_hz"])
        n = torch.tanh(in_n + r * (h @ p["K_hn"] + p["b_hn"]))
        h = (1 - z) * n + z * h
        states.append(h)
    return torch.stack(states) @ p["W_o"] + p["b_o"]


class RecurrentNetwork(nn.Module):
    """A network as a torch module; its parameters are named as the blocks of the flat vector.

    Parameters
    ----------
    shape : NetworkShape
        Sizes.
    flat : (size,) tensor
        Parameters.
    """

    def __init__(self, shape: NetworkShape, flat: Tensor) -> None:
        super().__init__()
        self.shape = shape
        for name, block in shape.unpack(flat).items():
            self.register_parameter(name, nn.Parameter(block.detach().clone()))

    def flat(self) -> Tensor:
        """The parameters as one vector, differentiable."""
        return self.shape.pack(dict(self.named_parameters()))

    def forward(self, observations: Tensor) -> Tensor:
        """Outputs (T, B, outputs) for observations (T, B, inputs)."""
        return outputs(self.shape, self.flat(), observations)
