"""What was gained by deviating from the policies of a business-cycle economy: numbers, epsilon, tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from pycrld_econ.validation.experiments.loop import METRICS, read_metrics
from pycrld_econ.validation.simulators.rbc import TYPES

LEVEL = 0.95  # of confidence intervals
BLOCKS = 20  # of a run, for the range of a reward over training


@dataclass(frozen=True)
class Gain:
    """What a type, or one agent of it, gained by learning against fixed others.

    Attributes
    ----------
    kind : str
        Who.
    before, after : float
        Mean reward of an agent and step, of the first policy and of the best one found, in episodes that were not used
        to find it.
    gain, error : float
        Their difference, and its standard error over environments (paired).
    episodes : int
        Episodes after which it was best; 0: learning never helped.
    agent : int, optional
        The agent who deviated alone. None: the whole type.
    """

    kind: str
    before: float
    after: float
    gain: float
    error: float
    episodes: int
    agent: int | None = None

    @property
    def who(self) -> str:
        """Type, and number of the agent if it is one."""
        return self.kind if self.agent is None else f"{self.kind} {self.agent}"

    def band(self, compared: int = 1) -> tuple[float, float]:
        """Ends of the 95 % confidence interval of the gain.

        Parameters
        ----------
        compared : int
            Gains that are looked at together, as when the largest of them is reported: by Bonferroni, the intervals of
            all of them hold at once with 95 %, however they depend on each other. 1: this one alone.
        """
        reach = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * compared)) * self.error
        return self.gain - reach, self.gain + reach

    def __str__(self) -> str:
        """One line."""
        low, high = self.band()
        return (
            f"{self.who:<12} before {self.before:12.5g}  after {self.after:12.5g}  gain {self.gain:11.4g} "
            f"[{low:.4g}, {high:.4g}]  ({self.gain / max(abs(self.before), 1e-12):.2%})  at episode {self.episodes}"
        )


@dataclass(frozen=True)
class Responses:
    """Gains at one checkpoint of a run.

    Attributes
    ----------
    episode : str
        The checkpoint.
    gains : list of Gain
        Of types and agents, repetitions one after another.
    ranges : dict of float
        Of each type: how far its mean reward moved over training (blocks of a twentieth of the run).
    """

    episode: str
    gains: list[Gain]
    ranges: dict[str, float]

    def epsilon(self) -> str:
        """The equilibrium that the policies are, as far as these responses show.

        Of each type the largest gain is told, of the whole type or an agent of it, in any repetition. Agents share
        random numbers, and the largest of several flatters itself: its interval is by Bonferroni over all compared.
        """
        parts = []
        for kind in TYPES:
            own = [gain for gain in self.gains if gain.kind == kind]
            if own:
                most = max(own, key=lambda gain: gain.gain)
                low, high = (max(end, 0.0) for end in most.band(len(own)))
                value = max(most.gain, 0.0)
                moved = self.ranges.get(kind, float("nan"))
                share = f", {value / moved:.2%} of its range in training" if moved > 0 else ""
                chosen = f"of {most.who}" + (f", the most of {len(own)}" if len(own) > 1 else "")
                parts.append(f"{kind} {value:.4g} [{low:.4g}, {high:.4g}] ({chosen}{share})")
        unit = "reward per agent and step; 95 % intervals by Bonferroni over those compared"
        return f"epsilon of the equilibrium is at least ({unit}): {'; '.join(parts)}"

    def rows(self) -> Iterator[list[object]]:
        """Rows of the table that goes into the run."""
        for gain in self.gains:
            who = "" if gain.agent is None else gain.agent
            moved = self.ranges.get(gain.kind, float("nan"))
            numbers = (gain.before, gain.after, gain.gain, gain.error, *gain.band(), moved)
            yield [self.episode, gain.kind, who, *(f"{value:.6g}" for value in numbers), gain.episodes]


COLUMNS = (
    "checkpoint",
    "type",
    "agent",
    "before",
    "after",
    "gain",
    "error",
    "low",
    "high",
    "range",
    "learned",
)


def table(found: Sequence[Responses]) -> str:
    """Responses as CSV; agent is empty where a whole type responded."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for responses in found:
        writer.writerows(responses.rows())
    return buffer.getvalue()


def training_ranges(run: Path) -> dict[str, float]:
    """How far each type's mean reward moved over a run; empty if the run has no metrics.

    Raises
    ------
    ValueError
        If the metrics cannot be read, or are not those of such a run.
    """
    try:
        metrics = read_metrics(run)
    except FileNotFoundError:
        return {}
    missing = [f"{kind}_reward" for kind in TYPES if f"{kind}_reward" not in metrics]
    if missing:
        raise ValueError(f"{run / METRICS} has no {', '.join(missing)}")
    if not metrics["update"]:
        return {}
    found = {}
    for kind in TYPES:
        rewards = np.array(metrics[f"{kind}_reward"])
        means = [block.mean() for block in np.array_split(rewards, min(BLOCKS, len(rewards)))]
        found[kind] = float(max(means) - min(means))
    return found
