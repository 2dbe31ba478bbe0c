"""Q-learners who update at every play and explore ever less: what the literature on algorithmic pricing simulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.agents.games import sizes
from pycrld_econ.environments.base import check_count, check_numbers, make_variable_vector
from pycrld_econ.validation.backend import Lanes, check_device, split_seed, to_device, to_host
from pycrld_econ.validation.learners import incremental_rules
from pycrld_econ.validation.learners.incremental_rules import Outcomes, Rates, Tables

WATCHED = 2520  # greedy plays whose rewards are averaged: whole cycles of every length up to 10


def outcomes_of(env: Any) -> Outcomes:
    """A finite game as lists of possible outcomes: small where few states can follow, however many there are.

    Parameters
    ----------
    env : environment
        With the tensors `T` and `R`, all actions available, and no final state.

    Returns
    -------
    Outcomes
        In the order of the next states; lists are filled up with outcomes that never happen.
    """
    N, Z, M = sizes(env)
    if not np.all(getattr(env, "available", True)) or np.any(getattr(env, "F", 0)):
        raise ValueError("env must have all actions in all states, and no final states")
    T = np.asarray(env.T, dtype=float).reshape(-1, Z)
    row, following = np.nonzero(T)
    count = np.bincount(row, minlength=len(T))
    k = int(count.max())
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    probability, where = np.zeros((len(T), k)), np.zeros((len(T), k), np.int64)
    pays = np.zeros((len(T), k, N))
    probability[row, place], where[row, place] = T[row, following], following
    pays[row, place] = np.asarray(env.R, dtype=float).reshape(N, -1, Z)[:, row, following].T
    arrives = np.minimum(np.cumsum(probability, -1), 1.0)
    arrives[np.arange(k) >= count[:, None] - 1] = 1.0
    return Outcomes(
        arrives=arrives.reshape(Z, -1, k), where=where.reshape(Z, -1, k), pays=pays.reshape(Z, -1, k, N),
        joint=M ** np.arange(N)[::-1],
    )  # fmt: skip


@dataclass(frozen=True)
class IncrementalRuns:
    """Replicates at the end of learning.

    Attributes
    ----------
    values : (E, N, Z, M) array
        Their tables.
    greedy : (E, N, Z) int array
        The best action in each state.
    earned : (E, N) array
        Mean rewards of greedy play.
    state : (E,) int array
        Where greedy play was left.
    plays : (E,) int array
        Plays learned from.
    settled : (E,) bool array
        Whether greedy actions stayed the same for as long as asked for.
    """

    values: np.ndarray
    greedy: np.ndarray
    earned: np.ndarray
    state: np.ndarray
    plays: np.ndarray
    settled: np.ndarray


class IncrementalQLearning:
    """Epsilon-greedy Q-learning with one update a play and exploration exp(-decay * plays).

    Parameters
    ----------
    env : environment
        The game.
    learning_rates, discount_factors : float or N of them
        In (0, 1] and [0, 1).
    decay : float or N of them, > 0
        How fast exploration falls; both the decision to explore and the action are drawn anew for each agent and play.
    device : "cpu" or "cuda"
        Where to learn.
    threads : int, optional
        Number of processor threads. Default: all.

    Raises
    ------
    ValueError
        If a parameter leaves its range, or actions are missing or states final.

    Notes
    -----
    E. Calvano, G. Calzolari, V. Denicolò, S. Pastorello, Amer. Econ. Rev. 110, 3267 (2020), section II. A replicate has
    the same draws whichever others run beside it, on every device.
    """

    def __init__(
        self,
        env: Any,
        learning_rates: ArrayLike,
        discount_factors: ArrayLike,
        decay: ArrayLike,
        *,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.N, self.Z, self.M = sizes(env)
        alpha = make_variable_vector(learning_rates, self.N, "learning_rates")
        gamma = make_variable_vector(discount_factors, self.N, "discount_factors")
        falls = make_variable_vector(decay, self.N, "decay")
        check_numbers("learning_rates", alpha, np.nextafter(0, 1), 1)
        check_numbers("discount_factors", gamma, 0, np.nextafter(1, 0))
        check_numbers("decay", falls, np.nextafter(0, 1))
        self.device, self.rates, self.game = (
            check_device(device),
            Rates(alpha, gamma, falls),
            outcomes_of(env),
        )
        self._rule = Lanes(incremental_rules, "learn_at_every_play", device, threads)

    def optimistic_values(self) -> np.ndarray:
        """Values (N, Z, M) that expect the mean reward against random others for ever, as in the literature."""
        share = np.diff(self.game.arrives, axis=-1, prepend=0.0)
        reward = np.einsum("zjk,zjkn->nzj", share, self.game.pays).reshape(
            self.N, self.Z, *(self.M,) * self.N
        )
        mean = [
            reward[i].mean(tuple(1 + j for j in range(self.N) if j != i)) / (1 - self.rates.gamma[i])
            for i in range(self.N)
        ]
        return np.array(mean)

    def run(
        self,
        start: ArrayLike | None = None,
        replicates: int = 1,
        seed: int = 0,
        *,
        patience: int = 100_000,
        longest: int = 2**31,
        first: int = 0,
        progress: bool = True,
    ) -> IncrementalRuns:
        """Learn until greedy actions stay the same.

        Parameters
        ----------
        start : (N, Z, M) array, or (replicates, N, Z, M)
            First values. Default: `optimistic_values`.
        replicates : int
            Number of replicates.
        seed : int in [0, 2**64)
            Key of the random numbers.
        patience : int
            Plays without a change of any greedy action after which learning ends.
        longest : int below 2**32 - 2**20
            Plays after which learning ends in any case.
        first : int
            Number of the first replicate; replicate e begins in state e modulo the number of states.
        progress : bool
            Whether to show a bar after two seconds.

        Returns
        -------
        IncrementalRuns
            What was learned, and what it earns: `WATCHED` greedy plays are averaged, after as many as there are states.
        """
        E, shape = check_count("replicates", replicates), (self.N, self.Z, self.M)
        check_count("patience", patience)
        if not 1 <= check_count("longest", longest) < 2**32 - 2**20:
            raise ValueError(f"longest must be in [1, 2**32 - 2**20), got {longest}")
        if not 0 <= first or first + E >= 2**32:
            raise ValueError(f"first must be in [0, 2**32 - replicates), got {first}")
        values = self.optimistic_values() if start is None else np.asarray(start, dtype=float)
        if values.shape not in (shape, (E, *shape)) or not np.isfinite(values).all():
            raise ValueError(f"start must be finite values of shape {shape} or {(E, *shape)}")
        lane = np.arange(first, first + E)
        tables = Tables(
            q=np.array(np.broadcast_to(values, (E, *shape))), best=np.zeros((E, self.N, self.Z), np.int64),
            chosen=np.zeros((E, self.N), np.int64), state=lane % self.Z, lane=lane, length=np.zeros(E, np.int64),
            settled=np.zeros(E, np.int64), earned=np.zeros((E, self.N)),
        )  # fmt: skip
        tables = Tables(*(to_device(array, self.device) for array in tables))
        game, rates = (
            type(record)(*(to_device(np.ascontiguousarray(array), self.device) for array in record))
            for record in (self.game, self.rates)
        )
        key = to_device(np.array(split_seed(seed), dtype=np.int64), self.device)
        self._rule(E, game, rates, tables, key, patience, longest, self.Z, WATCHED, progress=progress)
        q, best, _, state, _, length, settled, earned = (to_host(array) for array in tables)
        return IncrementalRuns(q, best, earned, state, length, settled.astype(bool))
