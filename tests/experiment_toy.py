"""A kind of experiment for the tests: a random walk whose every step depends on all before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pycrld_econ.validation.experiments.loop import read_metrics
from pycrld_econ.validation.experiments.registry import Experiment


@dataclass(frozen=True)
class Pace:
    length: float = 1.0
    drift: float | None = None

    def __post_init__(self) -> None:
        if not self.length > 0:
            raise ValueError(f"length must be > 0, got {self.length!r}")


@dataclass(frozen=True)
class Walk:
    seed: int
    steps: int = 20
    pace: Pace = field(default_factory=Pace)
    marks: tuple[float, ...] = ()
    fail: bool = False


class Walker:
    def __init__(self, config: Walk) -> None:
        self.config, self.done, self.total = config, 0, config.steps
        self.rng = np.random.default_rng(config.seed)
        self.place = np.zeros(3)

    def advance(self) -> Mapping[str, float]:
        if self.config.fail:
            raise ArithmeticError("fell over")
        if not self.config.pace.length < 1e6:
            raise FloatingPointError("the pace is too fast")
        self.place += self.config.pace.length * self.rng.normal(size=3)
        self.done += 1
        return {"x": self.place[0], "far": float(np.linalg.norm(self.place))}

    def state(self) -> dict[str, Any]:
        return {"done": self.done, "place": self.place, "rng": self.rng.bit_generator.state}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.done, self.place = state["done"], state["place"].numpy()
        self.rng.bit_generator.state = state["rng"]


def evaluate(folder: Path) -> str:
    return f"far {read_metrics(folder)['far'][-1]:.17g}"


def report(folders: Sequence[Path], out: Path) -> list[Path]:
    path = out / "table.txt"
    path.write_text("\n".join(evaluate(folder) for folder in folders))
    return [path]


def named(name: str, size: str) -> Mapping[str, Any]:
    return {"seed": 1, "steps": {"small": 20, "large": 40}[size]}


EXPERIMENT = Experiment(
    Walk,
    ("walk",),
    ("small", "large"),
    named,
    lambda config, device, folder: Walker(config),
    evaluate,
    report,
    7,
    "step",
)
