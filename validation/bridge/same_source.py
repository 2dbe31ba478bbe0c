"""Do a simulator and a set of tensors describe the same game? Frequencies against probabilities, by chi-square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pycrld_econ.environments import joint_actions
from pycrld_econ.validation.simulators.finite import FiniteSimulator


@dataclass(frozen=True)
class SameSource:
    """The outcome of a comparison of sampled transitions with tensors.

    Attributes
    ----------
    statistic : float
        Pearson's chi-square, summed over all rows of the transition tensor.
    freedom : int
        Its degrees of freedom.
    p_value : float
        Probability of a larger statistic if both are the same; 1 where nothing is random.
    impossible : int
        Transitions that happened although the tensors exclude them.
    reward_error : float
        Largest difference between a reward received and the reward tensor.
    """

    statistic: float
    freedom: int
    p_value: float
    impossible: int
    reward_error: float


def same_source(
    env: Any, simulator: FiniteSimulator | None = None, plays: int = 1000, seed: int = 0
) -> SameSource:
    """Play every joint action in every state many times and compare with the tensors.

    Parameters
    ----------
    env : environment
        The tensors `T` and `R`.
    simulator : FiniteSimulator, optional
        Whose game is to be tested. Default: a simulator of `env` itself.
    plays : int
        How often each joint action is played in each state.
    seed : int
        Of the simulation.

    Returns
    -------
    SameSource
        Chi-square over all outcomes whose probability is strictly between 0 and 1. Rows are independent, and each
        loses one degree of freedom.
    """
    from scipy.stats import chi2

    game = env if simulator is None else simulator.env
    N, Z = np.asarray(env.R).shape[:2]
    joints = joint_actions(N, np.asarray(env.R).shape[2])
    J = len(joints)
    states = np.repeat(np.arange(Z), J * plays)
    rows = np.tile(np.repeat(np.arange(J), plays), Z)
    exists = np.asarray(env.available)[np.arange(N)[:, None], states, joints[rows].T].all(0)
    states, rows = states[exists], rows[exists]
    fresh = FiniteSimulator(game, len(states), seed)
    fresh.batch.state[:] = states
    fresh.step(joints[rows])
    landed = fresh.batch.landed
    expected_reward = np.asarray(env.R).reshape(N, Z, J, Z)[:, states, rows, landed].T
    counts = np.zeros((Z, J, Z), np.int64)
    np.add.at(counts, (states, rows, landed), 1)
    T = np.asarray(env.T).reshape(Z, J, Z)
    played = counts.sum(-1, keepdims=True)
    possible = (T > 0) & (played > 0)
    expected = np.where(possible, played * T, 1.0)
    statistic = float(np.where(possible, (counts - expected) ** 2 / expected, 0.0).sum())
    freedom = int((possible.sum(-1) - 1).clip(min=0).sum())
    return SameSource(
        statistic=statistic,
        freedom=freedom,
        p_value=float(chi2.sf(statistic, freedom)) if freedom else 1.0,
        impossible=int(counts[T == 0].sum()),
        reward_error=float(np.abs(fresh.batch.reward - expected_reward).max()),
    )
