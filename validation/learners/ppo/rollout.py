"""Fragments of fixed length, written straight into buffers that stay.

A lane is an agent of an environment. Lanes of agents run fastest, so that lane `e n + i` is agent `i` of environment
`e`. A fragment may hold the end of an episode and the beginning of the next one, anywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pycrld_econ.validation.learners.ppo.networks import Views


class Fragment:
    """T steps of L lanes.

    Parameters
    ----------
    steps, lanes : int
        T and L.
    numbers, actions, heads : int
        F numbers seen, A logits, and actions taken at once.
    cells : int
        Cells of a window; 0: none.
    state : int
        Numbers that a network remembers.
    sequence : int
        Steps between two states that are kept; T if there are none to keep.
    device : torch.device
        Where.

    Attributes
    ----------
    numbers, cells, mask : tensors, (T + 1, L, ...)
        What was seen before each step, and after the last.
    actions : (T, L, heads) int64 tensor
        What was done.
    log, logs : (T, L), (T, L, A) tensors
        Log-probability of what was done, and of all actions.
    values : (T + 1, L) tensor
        Values, also after the last step.
    rewards : (T, L) tensor
        Gains.
    fresh : (T + 1, L) bool tensor
        Whether an episode began before the step; `fresh[1:]` says after which steps one was over.
    states : (T // sequence, L, state) tensor
        What the network remembered before each sequence.
    """

    def __init__(
        self,
        steps: int,
        lanes: int,
        numbers: int,
        actions: int,
        heads: int,
        cells: int,
        state: int,
        sequence: int,
        device: str = "cpu",
    ) -> None:
        if steps % sequence:
            raise ValueError(f"sequence must divide the {steps} steps of a fragment, got {sequence}")
        self.steps, self.lanes, self.sequence = steps, lanes, sequence
        self.numbers = torch.zeros((steps + 1, lanes, numbers), device=device)
        self.cells = (
            torch.zeros((steps + 1, lanes, cells, 2), dtype=torch.int64, device=device) if cells else None
        )
        self.mask = torch.zeros((steps + 1, lanes, actions), dtype=torch.uint8, device=device)
        self.actions = torch.zeros((steps, lanes, heads), dtype=torch.int64, device=device)
        self.log = torch.zeros((steps, lanes), device=device)
        self.logs = torch.zeros((steps, lanes, actions), device=device)
        self.values = torch.zeros((steps + 1, lanes), device=device)
        self.rewards = torch.zeros((steps, lanes), device=device)
        self.fresh = torch.zeros((steps + 1, lanes), dtype=torch.bool, device=device)
        self.states = torch.zeros((steps // sequence, lanes, state), device=device)

    @property
    def samples(self) -> int:
        """Number of steps of all lanes."""
        return self.steps * self.lanes

    def views(self) -> Views:
        """What was seen, row `t L + l` for lane l at step t."""
        cells = None if self.cells is None else self.cells.flatten(0, 1)
        return Views(self.numbers.flatten(0, 1), cells, self.mask.flatten(0, 1))

    def rows_of_sequences(self) -> Tensor:
        """Rows of all sequences, (sequence, T // sequence * L); those of a column follow each other in time."""
        rows = torch.arange(self.samples, device=self.numbers.device)
        split = rows.view(self.steps // self.sequence, self.sequence, self.lanes)
        return split.transpose(0, 1).flatten(1)
