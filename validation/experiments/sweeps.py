"""Sweeps: the Cartesian product of lists of values, each cell a run of its own, in parallel processes."""

from __future__ import annotations

import itertools
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib


@dataclass(frozen=True)
class Cell:
    """One combination of values.

    Attributes
    ----------
    name : str
        Name of its folder, made from the values; unique in the sweep.
    values : dict
        Dotted keys and their values.
    """

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CellResult:
    """What became of a cell: `result` of the run, or `error`, the text of what it raised."""

    cell: Cell
    result: Any
    error: str | None


def product(vary: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """All combinations, the last key varying fastest.

    Parameters
    ----------
    vary : mapping of dotted key to list of values
        Each with at least one value, none twice.

    Raises
    ------
    ValueError
        If a list is no list, empty, or holds a value twice.
    """
    for key, values in vary.items():
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"{key} must have a list of at least one value, got {values!r}")
        if any(value in values[:k] for k, value in enumerate(values)):
            raise ValueError(f"{key} must not have a value twice, got {list(values)!r}")
    cells = []
    for combination in itertools.product(*vary.values()):
        chosen = dict(zip(vary, combination, strict=True))
        name = ",".join(f"{key}={_word(value)}" for key, value in chosen.items())
        cells.append(Cell(name or "all", chosen))
    names = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        cells = [Cell(f"{k:04d},{cell.name}", cell.values) for k, cell in enumerate(cells)]
    return cells


def _word(value: Any) -> str:
    """A value as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", str(value)).strip("_")[:40] or "none"


def sweep(
    run: Callable[[Mapping[str, Any], Path], Any],
    cells: Sequence[Cell],
    folder: str | Path,
    processes: int = -1,
    scheduler: str | None = None,
) -> list[CellResult]:
    """Run all cells; what fails does not stop the others.

    Parameters
    ----------
    run : callable(values, folder of the cell) -> result
        A function of a module. Runs of `loop.train` that are finished return at once, so a sweep can be repeated.
    cells : sequence of Cell
        What to run.
    folder : path
        Where each cell gets a folder.
    processes : int
        Number of processes of this machine; -1: one a core.
    scheduler : str, optional
        Address of a Dask scheduler, as `tcp://host:8786`, whose workers see the same files. Default: this machine.

    Returns
    -------
    list of CellResult
        In the order of the cells.

    Raises
    ------
    RuntimeError
        If a scheduler is named and dask is not installed.
    """
    target = Path(folder)
    tasks = [joblib.delayed(_one)(run, cell, target / cell.name) for cell in cells]
    if scheduler is None:
        return list(joblib.Parallel(n_jobs=processes)(tasks))
    try:
        from dask.distributed import Client
    except ImportError:
        raise RuntimeError("a scheduler needs dask: pip install 'dask[distributed]'") from None
    with Client(scheduler), joblib.parallel_config(backend="dask"):
        return list(joblib.Parallel()(tasks))


def _one(run: Callable[[Mapping[str, Any], Path], Any], cell: Cell, folder: Path) -> CellResult:
    try:
        return CellResult(cell, run(cell.values, folder), None)
    except Exception:
        return CellResult(cell, None, traceback.format_exc())
