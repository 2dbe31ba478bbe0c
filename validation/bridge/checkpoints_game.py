"""A normal-form game whose actions are saved policies: each type chooses the checkpoint that plays for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pycrld_econ.environments import NormalForm


@dataclass(frozen=True)
class EmpiricalGame:
    """Mean rewards of all combinations, with standard errors.

    Attributes
    ----------
    payoffs, errors : (N, k1, ..., kN) arrays
        Of each player.
    names : list of list of str
        Checkpoints of each player.
    """

    payoffs: np.ndarray
    errors: np.ndarray
    names: list[list[str]]

    def game(self) -> NormalForm:
        """The game for learning dynamics."""
        return NormalForm(self.payoffs, action_names=self.names)

    def deviation_gain(self, profile: Sequence[int]) -> np.ndarray:
        """What each player gains at most by another of its checkpoints, (N,): epsilon is at least that."""
        gains = []
        for player in range(len(self.payoffs)):
            index: list[int | slice] = list(profile)
            index[player] = slice(None)
            column = self.payoffs[(player, *index)]
            gains.append(column.max() - column[profile[player]])
        return np.array(gains)


def empirical_game(
    choices: Mapping[str, Sequence[str]], play: Callable[[dict[str, str]], Mapping[str, np.ndarray]]
) -> EmpiricalGame:
    """Play all combinations of checkpoints.

    Parameters
    ----------
    choices : mapping of type to checkpoints
        Players in order, at least one checkpoint each.
    play : callable(type -> checkpoint) -> type -> (B,) array
        Rewards of each type in B independent games, B at least 2.
    """
    for kind, names in choices.items():
        if not names:
            raise ValueError(
                f"choices must have at least one checkpoint for each player, got none for {kind}"
            )
    sizes = [len(names) for names in choices.values()]
    payoffs, errors = np.zeros((len(sizes), *sizes)), np.zeros((len(sizes), *sizes))
    for index in itertools.product(*map(range, sizes)):
        chosen = {kind: names[k] for (kind, names), k in zip(choices.items(), index, strict=True)}
        rewards = play(chosen)
        for player, kind in enumerate(choices):
            sample = np.asarray(rewards[kind], dtype=float)
            payoffs[(player, *index)] = sample.mean()
            errors[(player, *index)] = sample.std(ddof=1) / np.sqrt(len(sample))
    return EmpiricalGame(payoffs, errors, [list(names) for names in choices.values()])
