"""Networks with a policy and a value: flat ones, and convolutional recurrent ones.

Flat (the four regimes): all numbers, maps and masks included, pass twice through Dense -> LayerNorm -> tanh; logits
and value are linear in the result.

Recurrent (the AI Economist): two towers, one for the logits and one for the value. Maps and embeddings of owners and
agents pass through two convolutions of width 3 and stride 2; with all other numbers through two dense layers, all with
ReLU, then LayerNorm, LSTM, and a linear layer. States are 0 at the beginning of an episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycrld_econ.validation.learners.ppo.window_layer import WindowShape, dense, embed
from pycrld_econ.validation.learners.ppo.window_rules import MARKS

KINDS = ("flat", "recurrent")
VOCABULARY, EMBEDDING = 100, 4  # of owners and agents
FILTERS = (16, 32)


class Views(NamedTuple):
    """What was seen, N times.

    Attributes
    ----------
    numbers : (N, F) float32 tensor
        Numbers.
    cells : (N, cells, 2) int64 tensor, optional
        Windows, in the words of the simulator.
    mask : (N, A) tensor
        Not 0 where an action is allowed.
    """

    numbers: Tensor
    cells: Tensor | None
    mask: Tensor


@dataclass(frozen=True)
class NetworkSettings:
    """What a network is.

    Attributes
    ----------
    kind : str
        flat or recurrent.
    hidden : int
        Units of each of the two dense layers.
    cell : int
        Units of the LSTM.
    max_seq_len : int
        Most steps that gradients pass through the LSTM; divides the length of fragments.
    """

    kind: str = "flat"
    hidden: int = 256
    cell: int = 128
    max_seq_len: int = 25

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"network.kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for name in ("hidden", "cell", "max_seq_len"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.{name} must be at least 1, got {getattr(self, name)}")


def normed_columns(outputs: int, inputs: int, scale: float, generator: torch.Generator) -> Tensor:
    """Normal weights (outputs, inputs), with all those of an output scaled to the same length."""
    weight = torch.randn((outputs, inputs), generator=generator)
    return weight * (scale / weight.square().sum(1, keepdim=True).sqrt())


def normed_linear(inputs: int, outputs: int, scale: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with such weights, and without a bias at first."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(normed_columns(outputs, inputs, scale, generator))
        layer.bias.zero_()
    return layer


class FlatNetwork(nn.Module):
    """Two dense layers that policy and value share.

    Parameters
    ----------
    numbers : int
        F.
    actions : int
        A, logits.
    window : WindowShape, optional
        Of maps; None if there are none.
    settings : NetworkSettings
        Sizes.
    generator : torch.Generator
        Of the first weights.
    """

    def __init__(
        self,
        numbers: int,
        actions: int,
        window: WindowShape | None,
        settings: NetworkSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.window, hidden = window, settings.hidden
        maps = 0 if window is None else window.cells * window.features
        weight = normed_columns(hidden, maps + numbers, 1.0, generator)
        self.first = nn.Linear(numbers, hidden)
        with torch.no_grad():
            self.first.weight.copy_(weight[:, maps:])
            self.first.bias.zero_()
        if window is not None:
            self.maps = nn.Parameter(weight[:, :maps].t().contiguous())
        self.norm1, self.norm2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.second = normed_linear(hidden, hidden, 1.0, generator)
        self.logits = normed_linear(hidden, actions, 0.01, generator)
        self.value = normed_linear(hidden, 1, 1.0, generator)

    def initial_state(self, lanes: int) -> Tensor:
        """No memory: (lanes, 0)."""
        return torch.zeros((lanes, 0), device=self.value.weight.device)

    def forward(
        self, views: Views, rows: Tensor, state: Tensor, fresh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (..., A), values (...) and the state, of views numbers `rows` (...)."""
        x = self.first(views.numbers[rows])
        if self.window is not None:
            assert views.cells is not None
            x = x + embed(views.cells, rows.flatten(), self.maps, self.window).view_as(x)
        x = torch.tanh(self.norm1(x))
        x = torch.tanh(self.norm2(self.second(x)))
        return self.logits(x), self.value(x).squeeze(-1), state


class Tower(nn.Module):
    """Convolutions, dense layers, LSTM, and a linear layer.

    Parameters
    ----------
    numbers, outputs : int
        F, and numbers that come out.
    window : WindowShape, optional
        Of maps.
    settings : NetworkSettings
        Sizes.
    """

    def __init__(
        self, numbers: int, outputs: int, window: WindowShape | None, settings: NetworkSettings
    ) -> None:
        super().__init__()
        self.window, width = window, numbers
        if window is not None:
            self.codes = nn.ModuleList(nn.Embedding(VOCABULARY, EMBEDDING) for _ in range(MARKS))
            self.conv1 = nn.Conv2d(window.shown + MARKS * EMBEDDING, FILTERS[0], 3, 2)
            self.conv2 = nn.Conv2d(FILTERS[0], FILTERS[1], 3, 2)
            height, across = (((size - 3) // 2 + 1 - 3) // 2 + 1 for size in (window.height, window.width))
            width += FILTERS[1] * height * across
        self.dense1 = nn.Linear(width, settings.hidden)
        self.dense2 = nn.Linear(settings.hidden, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden)
        self.cell = nn.LSTMCell(settings.hidden, settings.cell)
        self.out = nn.Linear(settings.cell, outputs)

    def before(self, views: Views, rows: Tensor) -> Tensor:
        """What the LSTM takes in, (..., hidden)."""
        x = views.numbers[rows]
        if self.window is not None:
            assert views.cells is not None
            w = self.window
            found = dense(views.cells[rows.flatten()], w).unflatten(1, (w.height, w.width))
            codes = [embedding(found[..., w.shown + k].long()) for k, embedding in enumerate(self.codes)]
            image = torch.cat([found[..., : w.shown], *codes], -1).permute(0, 3, 1, 2)
            image = torch.relu(self.conv2(torch.relu(self.conv1(image))))
            x = torch.cat([x, image.flatten(1).view(*rows.shape, -1)], -1)
        return self.norm(torch.relu(self.dense2(torch.relu(self.dense1(x)))))

    def forward(self, views: Views, rows: Tensor, state: Tensor, fresh: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (T, B, outputs) and the state (B, 2 cell) after them, of views `rows` (T, B)."""
        inputs = functional.linear(self.before(views, rows), self.cell.weight_ih, self.cell.bias_ih)
        h, c = state.chunk(2, -1)
        kept = (~fresh).to(h.dtype).unsqueeze(-1)
        found = []
        for t in range(len(rows)):
            gates = inputs[t] + functional.linear(h * kept[t], self.cell.weight_hh, self.cell.bias_hh)
            i, f, g, o = gates.chunk(4, -1)
            c = torch.sigmoid(f) * (c * kept[t]) + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            found.append(h)
        return self.out(torch.stack(found)), torch.cat([h, c], -1)


class RecurrentNetwork(nn.Module):
    """A tower for the policy and another one for the value; arguments as of `FlatNetwork`."""

    def __init__(
        self,
        numbers: int,
        actions: int,
        window: WindowShape | None,
        settings: NetworkSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.units = 2 * settings.cell
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            self.policy = Tower(numbers, actions, window, settings)
            self.critic = Tower(numbers, 1, window, settings)

    def initial_state(self, lanes: int) -> Tensor:
        """States at the beginning of episodes, (lanes, 4 cell): of the policy, then of the value."""
        return torch.zeros((lanes, 2 * self.units), device=self.policy.out.weight.device)

    def forward(
        self, views: Views, rows: Tensor, state: Tensor, fresh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, values and the next state of sequences.

        Parameters
        ----------
        views : Views
            What was seen.
        rows : (T, B) int64 tensor
            Which views, step by step.
        state : (B, 4 cell) tensor
            State before the first step.
        fresh : (T, B) bool tensor
            Where an episode begins: the state is 0 there.

        Returns
        -------
        (T, B, A) tensor, (T, B) tensor, (B, 4 cell) tensor
            Logits, values, state after the last step.
        """
        logits, after = self.policy(views, rows, state[:, : self.units], fresh)
        values, later = self.critic(views, rows, state[:, self.units :], fresh)
        return logits, values.squeeze(-1), torch.cat([after, later], -1)


Network = FlatNetwork | RecurrentNetwork


def network_of(
    numbers: int,
    actions: int,
    window: WindowShape | None,
    settings: NetworkSettings,
    generator: torch.Generator,
) -> Network:
    """The network that settings ask for; arguments as of `FlatNetwork`."""
    kind = FlatNetwork if settings.kind == "flat" else RecurrentNetwork
    return kind(numbers, actions, window, settings, generator)
