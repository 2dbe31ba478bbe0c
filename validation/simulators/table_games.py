"""Games of two players whose observation is the state: few states, known successors, so play is looking up.

Both players see the same vector, the row of their state in a table of observations. A joint action leads to one of a
number of equally likely successors. Everything is an array over states and joint actions, so a batch of games advances
by a handful of gathers on any device, and a learner may look up what it would otherwise compute for each observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCRIPTS = ("always-defect", "always-cooperate", "tit-for-tat")


@dataclass(frozen=True, eq=False)
class TableGame:
    """A game of two players as tables; S states, A actions, W the most successors of any joint action.

    Attributes
    ----------
    name : str
        What it is called.
    observations : (S, D) float array
        What both players see in each state.
    rewards : (2, S, A, A) float array
        Of each player, by state, action of player 1 and action of player 2.
    successors : (S, A, A, W) int array
        States that may follow; the first `branches` of them are equally likely.
    branches : (S, A, A) int array
        How many may follow, in 1, ..., W.
    starts : (n,) int array
        Equally likely first states; a state may be listed several times.
    defects, cooperates : (2, S) int arrays
        What a scripted player in each seat does when it defects and when it cooperates.
    answers_actions : bool
        What tit-for-tat goes by: True, the opponent's last action, which it repeats; False, its own last reward (after
        a loss it defects, after a gain it cooperates, after nothing it stays as it was).
    events : dict of str to (S, A, A) int array
        What is counted besides rewards.
    """

    name: str
    observations: np.ndarray
    rewards: np.ndarray
    successors: np.ndarray
    branches: np.ndarray
    starts: np.ndarray
    defects: np.ndarray
    cooperates: np.ndarray
    answers_actions: bool
    events: dict[str, np.ndarray]

    @property
    def states(self) -> int:
        """Number of states."""
        return self.observations.shape[0]

    @property
    def actions(self) -> int:
        """Number of actions."""
        return self.rewards.shape[-1]

    def state_of(self, observations: np.ndarray) -> np.ndarray:
        """States in which these vectors (..., D) are seen: the first, where several look the same.

        Raises
        ------
        ValueError
            If a vector is seen in no state.
        """
        wanted = np.asarray(observations)
        if wanted.shape[-1:] != self.observations.shape[1:]:
            raise ValueError(
                f"observations must have {self.observations.shape[1]} entries, got shape {wanted.shape}"
            )
        rows: dict[bytes, int] = {}
        for state, row in enumerate(self.observations.astype(np.int8)):
            rows.setdefault(row.tobytes(), state)
        flat = np.ascontiguousarray(wanted.reshape(-1, wanted.shape[-1]).astype(np.int8))
        try:
            found = [rows[row.tobytes()] for row in flat]
        except KeyError:
            raise ValueError(f"observations must be seen in some state of {self.name}") from None
        return np.array(found, dtype=np.int64).reshape(wanted.shape[:-1])
