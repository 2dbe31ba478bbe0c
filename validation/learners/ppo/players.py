"""Who acts in gather-trade-build: agents, that share a policy or have one each, and a planner.

A player looks at the arrays that the economy writes, acts for all its lanes at once, and keeps what happened in its
fragment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.backend import as_torch, from_torch, torch_device
from pycrld_econ.validation.learners.ppo.actions import Heads
from pycrld_econ.validation.learners.ppo.networks import NetworkSettings, Views, network_of
from pycrld_econ.validation.learners.ppo.rollout import Fragment
from pycrld_econ.validation.learners.ppo.update import PPO, PPOSettings
from pycrld_econ.validation.learners.ppo.window_layer import WindowShape, window_words
from pycrld_econ.validation.simulators.gather_trade_build import GatherTradeBuild


class Sight:
    """What a player sees of an economy: tensors in the memory of its observations.

    Parameters
    ----------
    parts : sequence of arrays
        Numbers, reshaped to (L, ...) and joined.
    mask : array
        Actions that are allowed.
    words : array, optional
        Windows, as `window_words` gives them.
    lanes : int
        L.
    kept : sequence of int, optional
        Which numbers, of a single part. None: all.
    """

    def __init__(
        self, parts: Sequence[Any], mask: Any, words: Any | None, lanes: int, kept: Sequence[int] | None
    ) -> None:
        self.parts = [as_torch(part).view(lanes, -1) for part in parts]
        self.mask = as_torch(mask).view(lanes, -1)
        self.words = None if words is None else as_torch(words).flatten(0, 1)
        device = self.mask.device
        self.kept = None if kept is None else torch.tensor(kept, dtype=torch.int64, device=device)

    @property
    def width(self) -> int:
        """Numbers without the mask."""
        return sum(part.shape[1] for part in self.parts) if self.kept is None else len(self.kept)

    def write(self, numbers: Tensor, mask: Tensor, cells: Tensor | None) -> None:
        """Put everything into rows of a fragment; `numbers` (L, F) has room for the mask or has not."""
        start = 0
        for part in self.parts:
            chosen = part if self.kept is None else part.index_select(1, self.kept)
            numbers[:, start : start + chosen.shape[1]] = chosen
            start += chosen.shape[1]
        if start < numbers.shape[1]:
            numbers[:, start:] = self.mask
        mask.copy_(self.mask)
        if cells is not None:
            assert self.words is not None
            cells.copy_(self.words)


def sight_of_agents(economy: GatherTradeBuild, hidden: Sequence[str], who: slice = slice(None)) -> Sight:
    """What agents see, or some of them, without numbers whose names begin with one of `hidden`."""
    seen, names = economy.seen, economy.flat_names
    kept = [k for k, name in enumerate(names) if not name.startswith(tuple(hidden))]
    lanes = economy.n_envs * len(range(economy.n_agents)[who])
    return Sight(
        [seen.flat[:, who]], seen.mask[:, who], window_words(seen.cells)[:, who], lanes,
        None if len(kept) == len(names) else kept,
    )  # fmt: skip


def sight_of_planner(economy: GatherTradeBuild) -> Sight:
    """What the planner sees; not the map."""
    seen = economy.seen
    return Sight([seen.planner_flat, seen.planner_agents], seen.planner_mask, None, economy.n_envs, None)


def window_of(economy: GatherTradeBuild) -> WindowShape:
    """What windows of agents hold."""
    height, width = economy.seen.bytes.shape[2:4]
    bounded = not economy.config.full_observability
    return WindowShape(height, width, 5 + economy.config.map.has_water + bounded, bounded)


class Player:
    """Lanes that act by one network.

    Parameters
    ----------
    sight : Sight
        What they see.
    heads : sequence of int
        Their actions.
    window : WindowShape, optional
        Of their maps.
    steps : int
        T, length of fragments.
    network : NetworkSettings
        What the network is.
    settings : PPOSettings
        How it learns.
    seed : int
        Of weights, actions and the order of samples, in [0, 2**32).
    """

    def __init__(
        self,
        sight: Sight,
        heads: Sequence[int],
        window: WindowShape | None,
        steps: int,
        network: NetworkSettings,
        settings: PPOSettings,
        seed: int,
    ) -> None:
        self.sight, self.heads = sight, Heads(heads)
        device = sight.mask.device
        self.generator = torch.Generator(device).manual_seed(seed)
        first = torch.Generator().manual_seed(seed)
        width = sight.width + (self.heads.total if network.kind == "flat" else 0)
        self.network = network_of(width, self.heads.total, window, network, first).to(device)
        lanes = len(sight.mask)
        self.state = self.network.initial_state(lanes)
        sequence = network.max_seq_len if network.kind == "recurrent" else steps
        self.fragment = Fragment(
            steps, lanes, width, self.heads.total, len(self.heads.sizes), 0 if window is None else window.cells,
            self.state.shape[1], sequence, str(device),
        )  # fmt: skip
        self.fragment.fresh[0] = True
        self.learner = PPO(self.network, self.heads, settings, first)
        self._rows = torch.arange(lanes, device=device)

    @torch.no_grad()
    def _think(self, t: int) -> Tensor:
        """See what there is before step t; log-probabilities, and the value into the fragment."""
        f = self.fragment
        cells = None if f.cells is None else f.cells[t]
        self.sight.write(f.numbers[t], f.mask[t], cells)
        rows = self._rows if not self.state.shape[1] else self._rows.unsqueeze(0)
        fresh = f.fresh[t] if not self.state.shape[1] else f.fresh[t : t + 1]
        logits, values, after = self.network(Views(f.numbers[t], cells, f.mask[t]), rows, self.state, fresh)
        f.values[t] = values.view(-1)
        if t < f.steps:
            self.state = after
        return self.heads.logs(logits.view(len(self._rows), -1), f.mask[t])

    def act(self, t: int, greedy: bool = False) -> Tensor:
        """Choose actions for step t of the fragment: (L, heads) int16 tensor."""
        f = self.fragment
        if t % f.sequence == 0:
            f.states[t // f.sequence] = self.state
        logs = self._think(t)
        actions = self.heads.best(logs) if greedy else self.heads.sample(logs, self.generator)
        f.logs[t], f.actions[t], f.log[t] = logs, actions, self.heads.of(logs, actions)
        return actions.to(torch.int16)

    def hear(self, t: int, rewards: Tensor, done: Tensor) -> None:
        """Take in what step t gave each lane: L rewards, and whether its episode was over."""
        self.fragment.rewards[t] = rewards.reshape(-1)
        self.fragment.fresh[t + 1] = done.reshape(-1) != 0

    def close(self) -> None:
        """Value what comes after the last step."""
        self._think(self.fragment.steps)

    def open(self) -> None:
        """Begin the next fragment where this one ended."""
        self.fragment.fresh[0] = self.fragment.fresh[-1].clone()

    def begin(self, sight: Sight) -> None:
        """Go on in another economy, at the beginning of episodes."""
        self.sight, self.state = sight, torch.zeros_like(self.state)
        self.fragment.fresh[0] = True
        self.fragment.fresh[-1] = True

    def saved(self) -> dict[str, Any]:
        """Everything that what it does next depends on, apart from the economy."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.learner.optimiser.state_dict(),
            "kl_coefficient": self.learner.kl_coefficient,
            "generators": [self.generator.get_state(), self.learner.generator.get_state()],
            "state": self.state,
            "fresh": self.fragment.fresh[0],
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take all that over."""
        self.network.load_state_dict(saved["network"])
        self.learner.optimiser.load_state_dict(saved["optimiser"])
        self.learner.kl_coefficient = float(saved["kl_coefficient"])
        for generator, state in zip(
            (self.generator, self.learner.generator), saved["generators"], strict=True
        ):
            generator.set_state(state)
        self.state = saved["state"].to(self.state.device)
        self.fragment.fresh[0] = saved["fresh"]


class Team:
    """The agents of an economy, led by one player that all share, or by one each.

    Parameters
    ----------
    players : sequence of Player
        One, whose lanes are all agents of all environments, or as many as agents.
    n_agents : int
        n, in each environment.
    """

    def __init__(self, players: Sequence[Player], n_agents: int) -> None:
        if len(players) not in (1, n_agents):
            raise ValueError(f"players must be 1 or {n_agents}, got {len(players)}")
        self.players, self.n_agents = tuple(players), n_agents

    @property
    def steps(self) -> int:
        """Length of fragments."""
        return self.players[0].fragment.steps

    @property
    def mean_reward(self) -> float:
        """Mean reward of agents and steps of the fragment."""
        return float(np.mean([float(player.fragment.rewards.mean()) for player in self.players]))

    def act(self, t: int, greedy: bool = False) -> Tensor:
        """Actions of all agents for step t: (E, n, heads) int16 tensor."""
        chosen = [player.act(t, greedy) for player in self.players]
        each = self.n_agents // len(self.players)
        return torch.cat([one.view(-1, each, one.shape[-1]) for one in chosen], 1)

    def hear(self, t: int, rewards: Tensor, done: Tensor) -> None:
        """Take in what step t gave: rewards (E, n), and which episodes were over (E,)."""
        for player, share in zip(self.players, rewards.chunk(len(self.players), 1), strict=True):
            player.hear(t, share, done.repeat_interleave(share.shape[1]))

    def close(self) -> None:
        """Value what comes after the last step."""
        for player in self.players:
            player.close()

    def open(self) -> None:
        """Begin the next fragment where this one ended."""
        for player in self.players:
            player.open()

    def saved(self) -> list[dict[str, Any]]:
        """Everything that what they do next depends on, apart from the economy."""
        return [player.saved() for player in self.players]

    def load(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Take all that over."""
        for player, one in zip(self.players, saved, strict=True):
            player.load(one)


def collect(economy: GatherTradeBuild, agents: Team, planner: Player | None = None) -> np.ndarray:
    """Fill the fragments of all players; actions, observations and rewards stay on the device.

    Parameters
    ----------
    economy : GatherTradeBuild
        Where they act.
    agents : Team
        Who act.
    planner : Player, optional
        Who sets taxes; None: rates stay as they are.

    Returns
    -------
    (E,) bool array
        In which environments an episode ended.
    """
    device = torch_device(economy.device)
    ended, refused = (torch.zeros(economy.n_envs, dtype=torch.bool, device=device) for _ in range(2))
    for t in range(agents.steps):
        chosen = from_torch(agents.act(t), economy.device)
        out = economy.advance(chosen, None if planner is None else from_torch(planner.act(t), economy.device))
        gains, done = as_torch(out.gains), as_torch(out.done)
        agents.hear(t, gains[:, :-1], done)
        if planner is not None:
            planner.hear(t, gains[:, -1], done)
        ended |= done != 0
        refused |= as_torch(out.fault) != 0
    if refused.any():
        raise RuntimeError(
            f"environment {int(refused.int().argmax())} refused a step: an action does not exist"
        )
    agents.close()
    if planner is not None:
        planner.close()
    return np.asarray(ended.cpu())
