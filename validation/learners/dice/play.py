"""Playing games in batches: policies against policies, and against scripts.

Random numbers are a function of the seed, the stream, the number of the batch, the game and the step, so what is played
depends neither on how many updates run side by side nor on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.backend import Lanes, as_torch, split_seed
from pycrld_econ.validation.learners.dice import draw_rules, fused, passes
from pycrld_econ.validation.learners.dice.adjoint import Played, engine_for
from pycrld_econ.validation.learners.dice.passes import Weights
from pycrld_econ.validation.simulators.table_games import SCRIPTS, TableGame


class Draws:
    """Streams of random numbers for U updates.

    Parameters
    ----------
    seeds : sequence of int
        One for each update, in [0, 2**64).
    streams : sequence of int
        One for each update: updates of one seed and different streams are independent.
    device : "cpu" or "cuda"
        Where numbers are made.
    """

    def __init__(self, seeds: list[int], streams: list[int], device: str = "cpu") -> None:
        if len(seeds) != len(streams):
            raise ValueError(f"seeds and streams must be equally many, got {len(seeds)} and {len(streams)}")
        self.keys = np.array([split_seed(seed) for seed in seeds], dtype=np.int64)
        self.streams = np.array(streams, dtype=np.int64)
        self.device = device
        self._rule = Lanes(draw_rules, "draw", device)

    def __call__(self, batch: int, steps: int, games: int) -> Tensor:
        """Numbers in [0, 1) of a batch, (steps, U, games, 3), float32."""
        count = len(self.streams)
        counters = np.stack([self.streams, np.full(count, batch)], axis=1)
        if self.device == "cpu":
            out = np.empty((steps, count, games, 3), dtype=np.float32)
            self._rule(count * games, out, self.keys, counters)
            return torch.from_numpy(out)
        from numba import cuda

        there = cuda.device_array((steps, count, games, 3), dtype=np.float32)
        self._rule(count * games, there, cuda.to_device(self.keys), cuda.to_device(counters))
        return as_torch(there)


class DeviceGame:
    """The tables of a game as tensors.

    Parameters
    ----------
    game : TableGame
        The game.
    dtype : torch.dtype
        Of rewards and observations.
    device : str
        Where.
    """

    def __init__(self, game: TableGame, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        def table(array: np.ndarray, kind: torch.dtype) -> Tensor:
            return torch.tensor(np.ascontiguousarray(array), dtype=kind, device=device)

        self.game, self.dtype, self.device = game, dtype, device
        self.observations = table(game.observations, dtype)
        self.rewards = table(game.rewards.reshape(2, -1), dtype)
        self.successors = table(game.successors.reshape(-1), torch.int64)
        self.branches = table(game.branches.reshape(-1), torch.int64)
        self.starts = table(game.starts, torch.int64)
        self.defects = table(game.defects, torch.int64)
        self.cooperates = table(game.cooperates, torch.int64)
        self.events = {name: table(array.reshape(-1), torch.int64) for name, array in game.events.items()}
        self.width = game.successors.shape[-1]
        self.arrays = {
            "starts": np.ascontiguousarray(game.starts, dtype=np.int64),
            "successors": np.ascontiguousarray(game.successors.reshape(-1, self.width), dtype=np.int64),
            "branches": np.ascontiguousarray(game.branches.reshape(-1), dtype=np.int64),
        }

    def start(self, u: Tensor) -> Tensor:
        """First states for numbers in [0, 1)."""
        return self.starts[(u * len(self.starts)).long()]

    def after(self, joint: Tensor, u: Tensor) -> Tensor:
        """Next states, for rows of the tables and numbers in [0, 1)."""
        if self.width == 1:
            return self.successors[joint]
        return self.successors[joint * self.width + (u * self.branches[joint]).long()]


@dataclass(frozen=True)
class Seats:
    """Who sits where in U updates: 1 or 2, the seat of the player.

    `own` and `other` (U, 1) multiply actions to give rows of tables; `player` (U, 1) is the seat from 0.
    """

    own: Tensor
    other: Tensor
    player: Tensor

    def strides(self) -> Tensor:
        """`own` and `other` side by side, (U, 2)."""
        return torch.cat([self.own, self.other], dim=1)


def seats(taken: list[int], actions: int, device: str = "cpu") -> Seats:
    """Seats of players; ValueError unless each is 1 or 2."""
    if any(seat not in (1, 2) for seat in taken):
        raise ValueError(f"seats must be 1 or 2, got {taken}")
    player = torch.tensor(taken, device=device).unsqueeze(1) - 1
    first = player == 0
    one, many = torch.ones_like(player), torch.full_like(player, actions)
    return Seats(torch.where(first, many, one), torch.where(first, one, many), player)


def chosen(logits: Tensor, u: Tensor) -> Tensor:
    """Actions drawn from softmax policies (..., A) by numbers (...) in [0, 1)."""
    below = logits.softmax(-1)[..., :-1].cumsum(-1)
    return (u.unsqueeze(-1) >= below).sum(-1)


def play(game: DeviceGame, seated: Seats, policies: Weights, u: Tensor) -> Played:
    """Games of U pairs of policies.

    Parameters
    ----------
    game : DeviceGame
        What is played.
    seated : Seats
        Where the players sit.
    policies : Weights
        Of the U players and then of the U others.
    u : (T + 1, U, B, 3) tensor
        Numbers in [0, 1); those of the last step choose the first state.

    Returns
    -------
    Played
        With activations.
    """
    if engine_for(policies.table) is fused:
        return _played(game, seated, *fused.play(game.arrays, seated.strides(), policies, u))
    steps, count, games = len(u) - 1, u.shape[1], u.shape[2]
    actions, networks = game.game.actions, 2 * count
    offsets = (torch.arange(networks, device=u.device) * game.game.states).view(2, count, 1)
    table = policies.table.reshape(-1, policies.table.shape[-1])
    first = h = table.new_zeros(networks, games, policies.shape.hidden)
    mine = torch.cat([u[:-1, ..., 0], u[:-1, ..., 1]], dim=1)
    state = game.start(u[-1, ..., 2])
    states, taken, joints, cells = [state], [], [], []
    for t in range(steps):
        inputs = table[(state + offsets).view(networks, games)]
        cells.append(passes.cell(policies, inputs, h))
        h = cells[-1][0]
        action = chosen(torch.baddbmm(policies.out_bias, h, policies.out), mine[t])
        joint = state * (actions * actions) + action[:count] * seated.own + action[count:] * seated.other
        state = game.after(joint, u[t, ..., 2])
        states.append(state)
        taken.append(action)
        joints.append(joint)
    through = passes.collected(first, cells)
    return _played(game, seated, torch.stack(states), torch.stack(taken), torch.stack(joints), through)


def _played(
    game: DeviceGame,
    seated: Seats,
    states: Tensor,
    done: Tensor,
    rows: Tensor,
    activations: passes.Activations,
) -> Played:
    """Games with their rewards, from actions (T, 2 U, B) and rows of the tables."""
    count, size, flat = rows.shape[1], game.rewards.shape[1], game.rewards.reshape(-1)
    return Played(
        states,
        done[:, :count],
        done[:, count:],
        flat[rows + seated.player * size],
        flat[rows + (1 - seated.player) * size],
        activations,
    )


def joint_rows(game: DeviceGame, seated: Seats, games: Played) -> Tensor:
    """Rows of the tables, (T, U, B), that were visited."""
    pairs = games.own_actions * seated.own + games.other_actions * seated.other
    return games.states[:-1] * game.game.actions**2 + pairs


class ScriptedPlayers:
    """Opponents of U players that follow scripts, each in B games.

    Parameters
    ----------
    game, seated : DeviceGame, Seats
        As for `play`; scripted players sit in the other seats.
    scripts : list of str
        U of always-defect, always-cooperate, tit-for-tat.
    games : int
        B.
    """

    def __init__(self, game: DeviceGame, seated: Seats, scripts: list[str], games: int) -> None:
        if any(name not in SCRIPTS for name in scripts):
            raise ValueError(f"scripts must be among {', '.join(SCRIPTS)}, got {scripts}")
        device = seated.player.device
        self.game, self.seated = game, seated
        self.fickle = torch.tensor([name == SCRIPTS[2] for name in scripts], device=device).unsqueeze(1)
        kind = torch.tensor([name != SCRIPTS[0] for name in scripts], device=device).unsqueeze(1)
        self.kind = kind.expand(len(scripts), games)
        self.seat = 1 - seated.player

    def act(self, state: Tensor) -> Tensor:
        """Actions in states (U, B)."""
        row = state + self.seat * self.game.game.states
        return torch.where(
            self.kind, self.game.cooperates.reshape(-1)[row], self.game.defects.reshape(-1)[row]
        )

    def notice(self, state: Tensor, action: Tensor, joint: Tensor) -> None:
        """Take in what the player did in a state, and where that lies in the tables."""
        game = self.game
        if game.game.answers_actions:
            later = action == game.cooperates.reshape(-1)[state + self.seated.player * game.game.states]
        else:
            gain = game.rewards.reshape(-1)[joint + self.seat * game.rewards.shape[1]]
            later = torch.where(gain == 0, self.kind, gain > 0)
        self.kind = torch.where(self.fickle, later, self.kind)


def play_scripts(game: DeviceGame, seated: Seats, policies: Weights, scripts: list[str], u: Tensor) -> Played:
    """Games of U policies against scripted opponents.

    Parameters
    ----------
    game, seated, scripts
        As for `ScriptedPlayers`.
    policies : Weights
        Of the U players.
    u : (T + 1, U, B, 3) tensor
        As for `play`; scripts leave theirs unused.

    Returns
    -------
    Played
        Without activations.
    """
    steps, count, games = len(u) - 1, u.shape[1], u.shape[2]
    opponents = ScriptedPlayers(game, seated, scripts, games)
    offsets = (torch.arange(count, device=u.device) * game.game.states).unsqueeze(1)
    table = policies.table.reshape(-1, policies.table.shape[-1])
    h = table.new_zeros(count, games, policies.shape.hidden)
    state = game.start(u[-1, ..., 2])
    states, own, other, joints = [state], [], [], []
    for t in range(steps):
        h = passes.cell(policies, table[state + offsets], h)[0]
        action = chosen(torch.baddbmm(policies.out_bias, h, policies.out), u[t, ..., 0])
        answer = opponents.act(state)
        joint = state * game.game.actions**2 + action * seated.own + answer * seated.other
        opponents.notice(state, action, joint)
        state = game.after(joint, u[t, ..., 2])
        states.append(state)
        own.append(action)
        other.append(answer)
        joints.append(joint)
    rows, size = torch.stack(joints), game.rewards.shape[1]
    rewards = [game.rewards.reshape(-1)[rows + seat * size] for seat in (seated.player, 1 - seated.player)]
    return Played(torch.stack(states), torch.stack(own), torch.stack(other), rewards[0], rewards[1])
