"""The kinds of experiments, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pycrld_econ.validation.experiments.loop import Trainer

# Imported on use: each needs what the others do not.
KINDS: dict[str, str] = {
    "rbc": "pycrld_econ.validation.experiments.rbc:EXPERIMENT",
    "dice": "pycrld_econ.validation.experiments.dice:EXPERIMENT",
    "gtb": "pycrld_econ.validation.experiments.gtb:EXPERIMENT",
}


@dataclass(frozen=True)
class Experiment:
    """A kind of experiment.

    Attributes
    ----------
    config : dataclass type
        Its configurations; it has a field `seed`.
    names : tuple of str
        Named configurations.
    sizes : tuple of str
        Sizes they come in, the default first.
    named : callable(name, size) -> mapping
        A named configuration as a mapping, for `config.load` after overrides.
    trainer : callable(config, device, folder of the run) -> Trainer
        A fresh learner, which may leave other files in the folder.
    evaluate : callable(folder of a run) -> str
        Text about a run; it may draw figures into the folder.
    report : callable(folders of runs, folder to write to) -> list of Path
        Figures of several runs.
    checkpoint_every : int
        Most updates between two checkpoints.
    unit : str
        What an update is called.
    translate : callable(mapping) -> mapping, optional
        Of what files hold, where these may have another form than `config`.
    """

    config: type
    names: tuple[str, ...]
    sizes: tuple[str, ...]
    named: Callable[[str, str], Mapping[str, Any]]
    trainer: Callable[[Any, str, Path], Trainer]
    evaluate: Callable[[Path], str]
    report: Callable[[Sequence[Path], Path], list[Path]] | None = None
    checkpoint_every: int = 100
    unit: str = "update"
    translate: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


def experiment(kind: str) -> Experiment:
    """The kind of that name.

    Raises
    ------
    ValueError
        If it is unknown.
    RuntimeError
        If something it needs is not installed; the message says what.
    """
    if kind not in KINDS:
        raise ValueError(f"experiment must be one of {', '.join(sorted(KINDS))}, got {kind!r}")
    module, _, name = KINDS[kind].partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pycrld_econ"):
            raise
        raise RuntimeError(f"{kind} needs {error.name}: pip install 'pycrld_econ[training]'") from None
