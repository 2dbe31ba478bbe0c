"""The iterated prisoner's dilemma in which both players see the last joint action; memory is the players' own business.

Actions are 0 (defect) and 1 (cooperate). Cooperating costs 1, and the contribution factor times all contributions is
shared: with factor c, both get c - 1 if both cooperate, a lone cooperator c/2 - 1, a lone defector c/2.

S. Zhao, C. Lu, R. B. Grosse, J. N. Foerster, Proximal learning with opponent-learning awareness, NeurIPS 2022.
"""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.table_games import TableGame

DEFECT, COOPERATE, NOTHING = 0, 1, 2
START = 4  # states 0 to 3 are 2 a1 + a2 of the last joint action


def payoffs(contribution_factor: float) -> np.ndarray:
    """Rewards (2, 2, 2) of each player by both actions.

    Parameters
    ----------
    contribution_factor : float
        Finite. In (1, 2) the game is a dilemma; other games may be wanted, so others are allowed.
    """
    factor = float(contribution_factor)
    if not np.isfinite(factor):
        raise ValueError(f"contribution_factor must be finite, got {contribution_factor!r}")
    row = np.array([[0.0, factor / 2], [factor / 2 - 1, factor - 1]])
    return np.stack([row, row.T])


def iterated_dilemma(contribution_factor: float = 1.33, start_cooperative: bool = False) -> TableGame:
    """The iterated dilemma.

    Parameters
    ----------
    contribution_factor : float
        See `payoffs`.
    start_cooperative : bool
        What is seen first: as after mutual cooperation, or a sign of its own.

    Returns
    -------
    TableGame
        Observations are one-hot over (defect, cooperate, nothing yet), player 1's and then player 2's.
    """
    last = [(o // 2, o % 2) for o in range(4)]
    last.append((COOPERATE, COOPERATE) if start_cooperative else (NOTHING, NOTHING))
    observations = np.concatenate([np.eye(3)[[pair[k] for pair in last]] for k in range(2)], axis=1)
    after = np.broadcast_to(np.arange(4).reshape(2, 2, 1), (5, 2, 2, 1)).copy()
    return TableGame(
        name="iterated dilemma",
        observations=observations,
        rewards=np.repeat(payoffs(contribution_factor)[:, None], 5, axis=1),
        successors=after,
        branches=np.ones((5, 2, 2), dtype=np.int64),
        starts=np.array([START]),
        defects=np.full((2, 5), DEFECT),
        cooperates=np.full((2, 5), COOPERATE),
        answers_actions=True,
        events={},
    )
