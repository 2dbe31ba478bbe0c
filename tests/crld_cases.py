"""Cases of the reference topic `crld`, listed from its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SINGLE = {"rtol": 1e-10, "atol": 1e-12}  # tolerances of the folder's README: one evaluation
MANY = {"rtol": 0.0, "atol": 1e-9}  # trajectories of 200 steps


class Case:
    """One random game of the reference set: its tensors, its parameters, and every array stored for it."""

    def __init__(
        self, name: str, parameters: dict[str, Any], files: dict[str, dict[str, np.ndarray]]
    ) -> None:
        self.name, self.parameters = name, parameters
        self.core, self.trajectories = (below(files[stem], f"{name}_") for stem in CORE)
        self.extensions = {
            kind: below(files["extensions"], f"{kind}_{name}_")
            for kind in ("Q", "F", "POS", "POc", "eig")
            if below(files["extensions"], f"{kind}_{name}_")
        }
        self.X = self.core["X"]

    def learner(self, kind: type, *, env: dict[str, Any] | None = None, **options: Any) -> Any:
        """A learner of class `kind` in this game, with the case's parameters; `env` adds attributes to the game."""
        tensors = {name: self.core[name] for name in ("T", "R", "O")}
        game = SimpleNamespace(**tensors, id=lambda: self.name, **(env or {}))
        names = {"learning_rates": "alpha", "discount_factors": "gamma", "choice_intensities": "beta"}
        chosen = {name: self.parameters[symbol] for name, symbol in names.items()}
        return kind(game, **chosen, use_prefactor=self.parameters["use_prefactor"], **options)


CORE = ("core_random", "trajectories_random")


def below(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def load(folder: Path, stem: str) -> dict[str, np.ndarray]:
    """All arrays of one file."""
    with np.load(folder / f"{stem}.npz", allow_pickle=False) as data:
        return dict(data)


def random_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """All random games."""
    files = {stem: load(folder, stem) for stem in (*CORE, "extensions")}
    for name, parameters in json.loads((folder / "cases.json").read_text())["random_cases"].items():
        yield name, Case(name, parameters, files)


def numbered(arrays: dict[str, np.ndarray], stem: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Groups of arrays named `stem<k>_...` or `..._X<k>`, by their number: `memo1_X0, memo1_traj0` and the like."""
    group = below(arrays, stem)
    for number in sorted({key[1:] for key in group if key[0] == "X" and key[1:].isdigit()}):
        yield number, {key[: -len(number)]: array for key, array in group.items() if key.endswith(number)}
