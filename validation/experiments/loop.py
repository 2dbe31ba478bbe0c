"""One training loop for all learners: progress, metrics, checkpoints, resumption.

A run is a folder:

    hparams.yaml             the configuration
    metrics.csv              one row an update
    events.out.tfevents...   the same for TensorBoard, if it is installed
    checkpoints/             the last two states

Training in the folder of a run goes on where the run stopped. Whenever it was killed, the end is the same, bit for
bit on a processor: a state holds everything that the next update depends on.
"""

from __future__ import annotations

import csv
import io
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from pycrld_econ.validation.experiments import checkpoints
from pycrld_econ.validation.experiments.config import (
    as_mapping,
    differences,
    dump,
    read_mapping,
    write_atomically,
)

HPARAMS, METRICS, STATES = "hparams.yaml", "metrics.csv", "checkpoints"


class Trainer(Protocol):
    """What the loop asks of a learner."""

    @property
    def done(self) -> int:
        """Updates made."""

    @property
    def total(self) -> int:
        """Updates to make."""

    def advance(self) -> Mapping[str, float]:
        """Make one update and return numbers to record, the same names each time."""

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on; see `checkpoints.save`."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state over."""


class RunStatus(Enum):
    """How a call of `train` ended."""

    FINISHED = "all updates are made"
    INTERRUPTED = "interrupted; the same command goes on from here"


@dataclass(frozen=True)
class RunResult:
    """What a call of `train` did.

    Attributes
    ----------
    folder : Path
        The run.
    status : RunStatus
        How it ended.
    done : int
        Updates made since the run began.
    resumed_at : int
        Updates it found already made.
    metrics : dict
        Numbers of the last update; empty if none was made.
    """

    folder: Path
    status: RunStatus
    done: int
    resumed_at: int
    metrics: Mapping[str, float]


def train(
    trainer: Trainer,
    folder: str | Path,
    config: Any,
    checkpoint_every: int = 100,
    checkpoint_seconds: float = 60.0,
    progress: bool | None = None,
    unit: str = "update",
) -> RunResult:
    """Make a learner's updates, or those that are left.

    Parameters
    ----------
    trainer : Trainer
        A fresh one, of this configuration.
    folder : path
        Of the run; made if absent.
    config : dataclass
        Written to `hparams.yaml`.
    checkpoint_every : int
        Most updates between two checkpoints, at least 1.
    checkpoint_seconds : float
        Most seconds between two checkpoints, looked at after each update.
    progress : bool, optional
        Whether to show a bar. Default: if stderr is a terminal.
    unit : str
        What to call an update in the bar.

    Returns
    -------
    RunResult
        INTERRUPTED after Ctrl-C or SIGTERM: the update in progress was finished and saved. A second Ctrl-C does not
        wait.

    Raises
    ------
    ValueError
        If the folder holds a run of another configuration (the message has every difference), or a state that does
        not fit.
    """
    if checkpoint_every < 1 or not checkpoint_seconds > 0:
        raise ValueError(
            f"checkpoint_every must be at least 1 and checkpoint_seconds > 0, got {checkpoint_every}, "
            f"{checkpoint_seconds}"
        )
    run = Path(folder)
    prepare(run, config)
    resumed_at = resume(trainer, run)
    metrics: Mapping[str, float] = {}
    show = sys.stderr.isatty() if progress is None else progress
    bar = tqdm(total=trainer.total, initial=trainer.done, unit=unit, disable=not show, dynamic_ncols=True)
    last_saved, last_time = trainer.done, time.monotonic()
    with interruptions() as stop, MetricsLog(run, trainer.done) as log, bar:
        while trainer.done < trainer.total and not stop.is_set():
            metrics = trainer.advance()
            log.write(trainer.done, metrics)
            bar.update(trainer.done - bar.n)
            bar.set_postfix(
                {name: f"{value:.4g}" for name, value in list(metrics.items())[:4]}, refresh=False
            )
            late = time.monotonic() - last_time >= checkpoint_seconds
            if trainer.done - last_saved >= checkpoint_every or late or stop.is_set():
                log.flush()
                checkpoints.save(run / STATES, trainer.done, trainer.state())
                last_saved, last_time = trainer.done, time.monotonic()
        if trainer.done != last_saved or not checkpoints.checkpoints(run / STATES):
            log.flush()
            checkpoints.save(run / STATES, trainer.done, trainer.state())
    finished = trainer.done >= trainer.total
    status = RunStatus.FINISHED if finished else RunStatus.INTERRUPTED
    return RunResult(run, status, trainer.done, resumed_at, dict(metrics))


def prepare(run: Path, config: Any) -> None:
    """Make the folder of a run, or check that it belongs to this configuration.

    Raises
    ------
    ValueError
        If it belongs to another one, or if a folder with other things in it is no run.
    """
    if (run / HPARAMS).exists():
        mapping = config if isinstance(config, Mapping) else as_mapping(config)
        changed = differences(read_mapping(run / HPARAMS), dict(mapping))
        if changed:
            raise ValueError(f"{run} holds a run of another configuration: {'; '.join(changed)}")
        return
    if run.exists() and (not run.is_dir() or any(not path.name.startswith(".") for path in run.iterdir())):
        raise ValueError(f"{run} must be a new or empty folder, or one with {HPARAMS}")
    run.mkdir(parents=True, exist_ok=True)
    dump(config, run / HPARAMS)


def resume(trainer: Trainer, run: Path) -> int:
    """Load the newest whole state, if there is one, and cut the metrics at it.

    Raises
    ------
    ValueError
        If all states are damaged, one does not fit the trainer, or the metrics cannot be read; nothing is changed.
    """
    found = checkpoints.latest(run / STATES)
    if found is not None:
        try:
            trainer.load_state(found[1])
        except (KeyError, RuntimeError, TypeError) as error:
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ValueError(f"{run}: the state of update {found[0]} does not fit: {words}") from error
        if trainer.done != found[0]:
            raise ValueError(
                f"{run}: the checkpoint of update {found[0]} says it is at update {trainer.done}"
            )
    cut_metrics(run / METRICS, trainer.done)
    return trainer.done


def cut_metrics(path: Path, done: int) -> None:
    """Drop the rows of updates after `done`, which will be made again, and a row that was cut off."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    lines = text.splitlines(keepends=True)
    try:
        kept = [
            line
            for number, line in enumerate(lines)
            if line.endswith("\n") and (number == 0 or int(line.partition(",")[0]) <= done)
        ]
    except ValueError:
        raise ValueError(f"{path} must have rows that begin with the number of an update") from None
    if kept != lines:
        write_atomically(path, "".join(kept).encode())


class MetricsLog:
    """Writes numbers to `metrics.csv`, and to TensorBoard's files where it is installed."""

    def __init__(self, run: Path, done: int) -> None:
        self.path = run / METRICS
        self._file: io.TextIOWrapper | None = None
        self._names: list[str] = []
        self._board = _board(run, done)

    def __enter__(self) -> MetricsLog:
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open(newline="", encoding="utf-8") as file:
                self._names = next(csv.reader(file))[1:]
        self._file = self.path.open("a", newline="", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        assert self._file is not None
        self._file.close()
        if self._board is not None:
            self._board.close()

    def write(self, update: int, metrics: Mapping[str, float]) -> None:
        """Record the numbers of one update."""
        assert self._file is not None
        writer = csv.writer(self._file, lineterminator="\n")
        if not self._names:
            self._names = list(metrics)
            writer.writerow(["update", *self._names])
        if list(metrics) != self._names:
            raise ValueError(f"metrics must be {self._names} in each update, got {list(metrics)}")
        writer.writerow([update, *(repr(float(value)) for value in metrics.values())])
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(name, value, update)

    def flush(self) -> None:
        """Hand everything to the operating system."""
        assert self._file is not None
        self._file.flush()
        if self._board is not None:
            self._board.flush()


def _board(run: Path, done: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run), purge_step=done + 1 if done else None)


def read_metrics(run: str | Path) -> dict[str, list[float]]:
    """The numbers of all updates of a run, by name, with `update` for their numbers.

    Raises
    ------
    ValueError
        If the file has no header or a row that does not fit it. A last row that is being written is left out.
    """
    path = Path(run) / METRICS
    with path.open(newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    names, *rows = csv.reader(lines) if lines else [[]]
    if names[:1] != ["update"]:
        raise ValueError(f"{path} must begin with a row of names, update first, got {','.join(names)[:80]!r}")
    found: dict[str, list[float]] = {name: [] for name in names}
    for number, row in enumerate(rows, start=2):
        try:
            for name, word in zip(names, row, strict=True):
                found[name].append(float(word))
        except ValueError:
            raise ValueError(f"{path} must have {len(names)} numbers in row {number}, got {row}") from None
    return found


@contextmanager
def interruptions() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one acts as it always does.

    Only the main thread hears signals: elsewhere the event stays unset.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def heard(number: int, frame: object) -> None:
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in numbers:
        signal.signal(number, heard)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
