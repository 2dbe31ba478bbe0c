"""Opponent shaping from samples, as an experiment: `pycrld-econ train dice fig4_pola --size small`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pycrld_econ.validation.bridge.intervals import exact_share
from pycrld_econ.validation.experiments.config import load, read_mapping
from pycrld_econ.validation.experiments.loop import HPARAMS, read_metrics
from pycrld_econ.validation.experiments.registry import Experiment
from pycrld_econ.validation.learners.dice.evaluation import Scores, evaluate
from pycrld_econ.validation.learners.dice.learning import EVALUATION, Shaping, ShapingSettings
from pycrld_econ.validation.learners.dice.play import Draws
from pycrld_econ.validation.simulators.table_games import SCRIPTS

CONFIGURATIONS = Path(__file__).with_name("dice.yaml")
SIZES = ("small", "published")
COOPERATES, RESISTS = (
    0.30,
    -0.05,
)  # mean rewards of a pair like tit-for-tat: together, and against always-defect


@dataclass(frozen=True)
class DiceConfig:
    """A run.

    Attributes
    ----------
    seed : int
        Of the first pair of players, in [0, 2**63).
    replicates : int
        Pairs that learn side by side, with seeds seed, seed + 1, ...; at least 1.
    eval_every : int
        Epochs between two evaluations; it divides the number of epochs or the last ones come alone.
    eval_games : int
        Games of each evaluation, as long as those of learning.
    shaping : ShapingSettings
        How they learn.
    """

    seed: int
    replicates: int = 1
    eval_every: int = 1
    eval_games: int = 2000
    shaping: ShapingSettings = field(default_factory=ShapingSettings)

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be in [0, 2**63), got {self.seed}")
        for name in ("replicates", "eval_every", "eval_games"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def seeds(self) -> list[int]:
        """Seeds of all pairs."""
        return [self.seed + k for k in range(self.replicates)]


@cache
def _file() -> dict[str, Any]:
    return read_mapping(CONFIGURATIONS)


def names() -> tuple[str, ...]:
    """Named configurations."""
    return tuple(name for name in _file() if not name.startswith("common"))


def named(name: str, size: str) -> Mapping[str, Any]:
    """A named configuration as a mapping."""
    found: dict[str, Any] = {}
    for layer in (_file()["common"], _file()[f"common_{size}"], _file()[name][size]):
        shaping = found.get("shaping", {}) | layer.get("shaping", {})
        found |= layer | {"shaping": shaping}
    return found


class DiceTrainer:
    """Epochs of all pairs up to the next evaluation, as one update of the training loop; counted in epochs."""

    def __init__(self, config: DiceConfig, device: str) -> None:
        self.config = config
        self.shaping = Shaping(config.shaping, config.seeds(), device)
        streams = [EVALUATION + k for k in range(1 + 2 * len(SCRIPTS)) for _ in config.seeds()]
        self.draws = Draws(config.seeds() * (1 + 2 * len(SCRIPTS)), streams, device)

    @property
    def done(self) -> int:
        """Epochs made."""
        return self.shaping.epoch

    @property
    def total(self) -> int:
        """Epochs to make."""
        return self.config.shaping.epochs

    def advance(self) -> dict[str, float]:
        """Make epochs, evaluate, and return scores: means over all pairs first, then each pair's."""
        for _ in range(min(self.config.eval_every, self.total - self.done)):
            self.shaping.advance()
        return numbers(self.evaluate(), self.config)

    def evaluate(self) -> Scores:
        """Scores of the present players."""
        shaping = self.shaping
        return evaluate(
            shaping.game,
            shaping.problem.policy,
            shaping.policies,
            self.draws,
            shaping.epoch,
            self.config.shaping.rollout_len,
            self.config.eval_games,
        )

    def state(self) -> dict[str, Any]:
        """State of the players."""
        return self.shaping.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state over."""
        self.shaping.load_state(state)


def numbers(scores: Scores, config: DiceConfig) -> dict[str, float]:
    """Scores by name: `together`, one for each script, `own_share` (coin), and `SEED/NAME/PLAYER` of each pair."""
    labels = ["together", *(name.replace("-", "_") for name in SCRIPTS)]
    table = torch.cat([scores.together.unsqueeze(-1), scores.scripted], dim=-1).double()
    found = {label: float(table[..., k].mean()) for k, label in enumerate(labels)}
    if scores.events:
        share = scores.own_share()
        found["own_share"] = float(share.nanmean())
        found |= {f"{seed}/own_share": float(share[r]) for r, seed in enumerate(config.seeds())}
    for r, seed in enumerate(config.seeds()):
        for player in range(2):
            for k, label in enumerate(labels):
                found[f"{seed}/{label}/{player + 1}"] = float(table[r, player, k])
    return found


def like_tit_for_tat(metrics: Mapping[str, Sequence[float]], seed: int) -> np.ndarray:
    """Whether a pair cooperated and resisted always-defect, at each evaluation."""
    together, alone = (
        np.mean([metrics[f"{seed}/{name}/{player}"] for player in (1, 2)], axis=0)
        for name in ("together", "always_defect")
    )
    return (together > COOPERATES) & (alone > RESISTS)


def evaluate_run(folder: Path) -> str:
    """What became of each pair of a run."""
    config = load(DiceConfig, folder / HPARAMS)
    metrics = read_metrics(folder)
    lines = [
        "seed  together  vs always-defect  vs always-cooperate  vs tit-for-tat  like tit-for-tat from epoch"
    ]
    reached = 0
    for seed in config.seeds():
        last = [
            np.mean([metrics[f"{seed}/{name}/{player}"][-1] for player in (1, 2)])
            for name in ("together", *(name.replace("-", "_") for name in SCRIPTS))
        ]
        when = np.flatnonzero(like_tit_for_tat(metrics, seed))
        reached += bool(len(when))
        first = f"{metrics['update'][when[0]]:.0f}" if len(when) else "never"
        lines.append(f"{seed:<4}  {last[0]:8.3f}  {last[1]:16.3f}  {last[2]:19.3f}  {last[3]:14.3f}  {first}")
    share = exact_share(reached, len(config.seeds()))
    lines.append(
        f"{reached} of {len(config.seeds())} pairs were like tit-for-tat (more than {COOPERATES} together and "
        f"{RESISTS} against always-defect); 95% interval of the share {share.low:.2f} to {share.high:.2f}"
    )
    return "\n".join(lines)


def report(folders: Sequence[Path], out: Path) -> list[Path]:
    """Figure 4 or 5 with one curve for each run: scores over outer steps, mean over pairs and 95% band."""
    from pycrld_econ.validation.experiments.dice_figures import learning_curves

    return learning_curves(folders, out)


EXPERIMENT = Experiment(
    config=DiceConfig,
    names=names(),
    sizes=SIZES,
    named=named,
    trainer=lambda config, device, folder: DiceTrainer(config, device),
    evaluate=evaluate_run,
    report=report,
    checkpoint_every=1000,
    unit="epoch",
)
