"""How well players do: against each other, and against scripts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pycrld_econ.validation.learners.dice import passes
from pycrld_econ.validation.learners.dice.networks import NetworkShape
from pycrld_econ.validation.learners.dice.play import (
    DeviceGame,
    Draws,
    Seats,
    joint_rows,
    play,
    play_scripts,
    seats,
)
from pycrld_econ.validation.simulators.table_games import SCRIPTS


@dataclass(frozen=True)
class Scores:
    """Mean rewards per step of R pairs of players.

    Attributes
    ----------
    together : (R, 2) tensor
        Of both players against each other.
    scripted : (R, 2, 3) tensor
        Of each player, in its own seat, against always-defect, always-cooperate and tit-for-tat.
    events : dict of str to (R,) tensor
        Events of an episode of the two, on average.
    """

    together: Tensor
    scripted: Tensor
    events: dict[str, Tensor]

    def own_share(self) -> Tensor:
        """Share of the coins taken by the agent of their colour, (R,); NaN where no coin was taken."""
        taken = {name: self.events[name] for name in self.events}
        own = taken["red_takes_red"] + taken["blue_takes_blue"]
        return own / (own + taken["red_takes_blue"] + taken["blue_takes_red"])


@torch.no_grad()
def evaluate(
    game: DeviceGame, shape: NetworkShape, policies: Tensor, draws: Draws, batch: int, steps: int, games: int
) -> Scores:
    """Let players play without learning.

    Parameters
    ----------
    game : DeviceGame
        What is played.
    shape : NetworkShape
        Of the policies.
    policies : (R, 2, P) tensor
        Of the players in both seats.
    draws : Draws
        7 R streams: each pair's, then those of seat 1 against the three scripts, then those of seat 2.
    batch : int
        Number of this evaluation.
    steps, games : int
        Length and number of the games.
    """
    count = len(policies)
    u = draws(batch, steps + 1, games)
    both = policies.transpose(0, 1).reshape(2 * count, -1)
    met = play(game, _seats(game, [1] * count), _weights(game, shape, both), u[:, :count])
    together = torch.stack([met.own_rewards.mean((0, 2)), met.other_rewards.mean((0, 2))], -1)
    rows = joint_rows(game, _seats(game, [1] * count), met)
    events = {name: table[rows].sum(0).double().mean(-1) for name, table in game.events.items()}
    repeated = policies.transpose(0, 1).unsqueeze(1).expand(2, 3, count, -1).reshape(6 * count, -1)
    sitting = [seat for seat in (1, 2) for _ in range(3 * count)]
    scripts = [name for _ in (1, 2) for name in SCRIPTS for _ in range(count)]
    faced = play_scripts(
        game, _seats(game, sitting), _weights(game, shape, repeated), scripts, u[:, count:].contiguous()
    )
    scripted = faced.own_rewards.mean((0, 2)).view(2, 3, count).permute(2, 0, 1)
    return Scores(together, scripted, events)


def _seats(game: DeviceGame, taken: list[int]) -> Seats:
    return seats(taken, game.game.actions, game.device)


def _weights(game: DeviceGame, shape: NetworkShape, flat: Tensor) -> passes.Weights:
    return passes.weights(shape, game.observations, flat)


@torch.no_grad()
def cooperation(game: DeviceGame, shape: NetworkShape, policies: Tensor, u: Tensor) -> Tensor:
    """How often the first player of the iterated dilemma cooperates after each state.

    Parameters
    ----------
    game, shape, policies : DeviceGame, NetworkShape, (R, 2, P) tensor
        As for `evaluate`.
    u : (T + 1, R, B, 3) tensor
        Numbers in [0, 1).

    Returns
    -------
    (R, S) tensor
        Mean probability of action 1 in each state of the game; NaN where it was not visited.
    """
    both = policies.transpose(0, 1).reshape(2 * len(policies), -1)
    weights = _weights(game, shape, both)
    met = play(game, _seats(game, [1] * len(policies)), weights, u)
    assert met.activations is not None
    probability = passes.read_out(weights, met.activations.after).softmax(-1)[:, : len(policies), :, 1]
    states = torch.arange(game.game.states, device=u.device)
    here = (met.states[:-1].unsqueeze(-1) == states).to(probability.dtype)
    return (here * probability.unsqueeze(-1)).sum((0, 2)) / here.sum((0, 2))
