"""`pycrld-econ train`, `evaluate`, `sweep` and `report`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pycrld_econ.validation.experiments import registry

CONFIG_SUFFIXES = (".yaml", ".yml")
KIND_FILE = "experiment.yaml"
SHOWN = 6  # numbers printed at the end; metrics.csv has all


def train(arguments: Sequence[str]) -> int:
    """Train the learners of an experiment, or go on with a run.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ train`.

    Returns
    -------
    int
        0; 1 if learning diverged; 130 if it was interrupted; argparse ends with 2 on a mistake.
    """
    parser = _parser("train", train)
    _add_kind(parser)
    parser.add_argument(
        "name", metavar="NAME", help="a named configuration, or a .yaml file; `list` prints the names"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="what to change in it, by dotted key"
    )
    parser.add_argument(
        "--size", "--budget", dest="size", metavar="SIZE", help="size of a named configuration"
    )
    parser.add_argument("--seed", type=int, help="the same as seed=SEED")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default runs/KIND/NAME-SIZE-SEED)"
    )
    given = parser.parse_intermixed_args(list(arguments))
    from pycrld_econ.validation.experiments import loop

    with _refusals(parser):
        kind = registry.experiment(given.kind)
        if given.name == "list":
            sys.stdout.write(
                "".join(f"{name}\n" for name in kind.names) + f"sizes: {', '.join(kind.sizes)}\n"
            )
            return 0
        config = _configuration(kind, given)
        folder = given.out or _default_folder(given, kind, config)
        trainer = kind.trainer(config, given.device, folder)
        loop.prepare(folder, config)
        loop.resume(trainer, folder)
    _mark(folder, given.kind)
    try:
        result = loop.train(trainer, folder, config, kind.checkpoint_every, unit=kind.unit)
    except FloatingPointError as error:  # the last checkpoint is from before
        sys.stderr.write(f"{parser.prog}: {folder}: learning diverged: {error}\n")
        return 1
    shown = list(result.metrics.items())[:SHOWN]
    numbers = "  ".join(f"{key} {value:.4g}" for key, value in shown)
    sys.stdout.write(f"{folder}: {result.done} {kind.unit}s, {result.status.value}\n{numbers}\n")
    return 0 if result.status is loop.RunStatus.FINISHED else 130


def _mark(folder: Path, kind: str) -> None:
    """Note in the folder of a run what kind it is."""
    from pycrld_econ.validation.experiments.config import dump

    dump({"experiment": kind}, folder / KIND_FILE)


def _configuration(kind: registry.Experiment, given: argparse.Namespace) -> Any:
    from pycrld_econ.validation.experiments.config import assignments, load, override, read_mapping

    changes = assignments(given.overrides)
    if given.seed is not None:
        changes["seed"] = given.seed
    if given.name.endswith(CONFIG_SUFFIXES):
        if given.size is not None:
            raise ValueError(f"--size belongs to named configurations, got the file {given.name}")
        base: Mapping[str, Any] = _translated(kind, read_mapping(given.name))
    else:
        base = named(kind, given.name, given.size)
    return load(kind.config, override(base, changes))


def _translated(kind: registry.Experiment, mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a file holds, in the form of the configuration."""
    return mapping if kind.translate is None else kind.translate(mapping)


def named(kind: registry.Experiment, name: str, size: str | None) -> Mapping[str, Any]:
    """A named configuration as a mapping; ValueError if there is no such name or size."""
    if name not in kind.names:
        raise ValueError(f"NAME must be a .yaml file or one of {', '.join(kind.names)}, got {name!r}")
    if size is not None and size not in kind.sizes:
        raise ValueError(f"--size must be one of {', '.join(kind.sizes)}, got {size!r}")
    return kind.named(name, size or kind.sizes[0])


def _default_folder(given: argparse.Namespace, kind: registry.Experiment, config: Any) -> Path:
    is_file = given.name.endswith(CONFIG_SUFFIXES)
    stem = Path(given.name).stem if is_file else f"{given.name}-{given.size or kind.sizes[0]}"
    return Path("runs", given.kind, f"{stem}-{config.seed}")


def evaluate(arguments: Sequence[str]) -> int:
    """Say what the learners of a run do.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ evaluate`.

    Returns
    -------
    int
        0; argparse ends with 2 on a mistake.
    """
    parser = _parser("evaluate", evaluate)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    given = parser.parse_args(list(arguments))
    with _refusals(parser):
        text = registry.experiment(kind_of(given.run)).evaluate(given.run)
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def kind_of(run: Path) -> str:
    """The kind of experiment of a run; ValueError if the folder is none."""
    from pycrld_econ.validation.experiments.config import read_mapping

    if not (run / KIND_FILE).is_file():
        raise ValueError(f"RUN must be a folder that `pycrld-econ train` made, got {str(run)!r}")
    return str(read_mapping(run / KIND_FILE).get("experiment"))


def report(arguments: Sequence[str]) -> int:
    """Draw the figures of several runs.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ report`.

    Returns
    -------
    int
        0; argparse ends with 2 on a mistake.
    """
    parser = _parser("report", report)
    _add_kind(parser)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="where to (default report)"
    )
    given = parser.parse_args(list(arguments))
    with _refusals(parser):
        kind = registry.experiment(given.kind)
        if kind.report is None:
            raise ValueError(f"{given.kind} has no report; `pycrld-econ evaluate RUN` says what a run did")
        for run in given.runs:
            if kind_of(run) != given.kind:
                raise ValueError(f"{run} is a run of {kind_of(run)}, not of {given.kind}")
        given.out.mkdir(parents=True, exist_ok=True)
        written = kind.report(given.runs, given.out)
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


def sweep(arguments: Sequence[str]) -> int:
    """Train every combination of values that a .yaml file lists.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `pycrld-econ sweep`. The file has `base`, a named configuration or a mapping; optionally
        `size`; and `vary`, a mapping of dotted keys to lists of values.

    Returns
    -------
    int
        0; 1 if a cell failed; argparse ends with 2 on a mistake.
    """
    parser = _parser("sweep", sweep)
    _add_kind(parser)
    parser.add_argument("file", type=Path, metavar="SWEEP.yaml", help="keys: base, size, vary")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the cells (default runs/KIND/FILE)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    parser.add_argument("--processes", type=int, default=-1, help="of this machine; -1: one a core (default)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler, instead of this machine")
    given = parser.parse_args(list(arguments))
    with _refusals(parser):
        return _sweep(given)


def _sweep(given: argparse.Namespace) -> int:
    from pycrld_econ.validation.experiments import sweeps
    from pycrld_econ.validation.experiments.config import load, override

    kind = registry.experiment(given.kind)
    base, vary = _sweep_file(kind, given.file)
    cells = sweeps.product(vary)
    for cell in cells:  # before hours of work, not after
        load(kind.config, override(base, cell.values))
    out = given.out or Path("runs", given.kind, given.file.stem)
    run = functools.partial(run_cell, given.kind, base, given.device)
    failed = 0
    for result in sweeps.sweep(run, cells, out, given.processes, given.scheduler):
        failed += result.error is not None
        last = result.error.strip().splitlines()[-1] if result.error else f"{result.result[1]}"
        sys.stdout.write(f"{result.cell.name}: {'failed: ' if result.error else ''}{last}\n")
    return int(failed > 0)


def _sweep_file(kind: registry.Experiment, path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from pycrld_econ.validation.experiments.config import as_mapping, load, read_mapping

    content = read_mapping(path)
    unknown = sorted(content.keys() - {"base", "size", "vary"})
    if unknown or not isinstance(content.get("vary"), dict) or "base" not in content:
        raise ValueError(
            f"{path} must have base and vary (a mapping), may have size, and nothing else; got "
            f"{', '.join(map(str, content))}"
        )
    base = content["base"]
    if isinstance(base, str):
        base = named(kind, base, content.get("size"))
    elif "size" in content:
        raise ValueError(f"{path}: size belongs to named configurations")
    else:
        base = _translated(kind, base)
    return as_mapping(load(kind.config, base)), content["vary"]


def run_cell(
    name: str, base: Mapping[str, Any], device: str, values: Mapping[str, Any], folder: Path
) -> tuple[str, str]:
    """Train one cell of a sweep; the folder and the status of its run."""
    from pycrld_econ.validation.experiments import loop
    from pycrld_econ.validation.experiments.config import load, override

    kind = registry.experiment(name)
    config: Any = load(kind.config, override(base, values))
    loop.prepare(folder, config)
    _mark(folder, name)
    trainer = kind.trainer(config, device, folder)
    result = loop.train(trainer, folder, config, kind.checkpoint_every, progress=False, unit=kind.unit)
    return str(folder), result.status.value


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(registry.KINDS), help="kind of experiment")


def _parser(name: str, command: Any) -> argparse.ArgumentParser:
    from pycrld_econ.cli import OneLineParser

    return OneLineParser(prog=f"pycrld-econ {name}", description=command.__doc__.splitlines()[0])


@contextlib.contextmanager
def _refusals(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Report what cannot be done, and what is not installed, in one line."""
    from pycrld_econ.cli import refusals

    try:
        with refusals(parser):
            yield
    except RuntimeError as error:
        parser.error(str(error))
