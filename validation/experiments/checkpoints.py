"""Checkpoints: written at once or not at all, checked when read.

The name of a file holds a digest of its content, so that a truncated or altered one is recognised. States are nested
dictionaries and lists of tensors, numbers, words and None, and are read with `weights_only=True`: reading a file runs
none of its code.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pycrld_econ.validation.experiments.config import write_atomically

KEPT = 2
NAME = re.compile(r"checkpoint-(\d{10})-([0-9a-f]{16})\.pt")


class DamagedCheckpointWarning(UserWarning):
    """A checkpoint whose content is not what was written."""


def save(folder: str | Path, step: int, state: Any, kept: int = KEPT) -> Path:
    """Write a checkpoint, then remove the older ones.

    Parameters
    ----------
    folder : path
        Where; made if absent.
    step : int
        How far the computation is, at least 0.
    state : nested dict, list or tuple
        Of tensors, numpy arrays (saved as tensors), numbers, words, None.
    kept : int
        Number of the newest checkpoints that stay, at least 1.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If the state holds anything that could not be read back.
    """
    if step < 0 or kept < 1:
        raise ValueError(f"step must be at least 0 and kept at least 1, got {step} and {kept}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(_plain(state, "state"), buffer)
    content = buffer.getvalue()
    path = target / f"checkpoint-{step:010d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write_atomically(path, content)
    for old in checkpoints(target)[kept:]:
        old.unlink()
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """All checkpoints in a folder, the newest first."""
    found = [path for path in Path(folder).glob("checkpoint-*.pt") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (path.name.split("-")[1], path.stat().st_mtime_ns), reverse=True)


def latest(folder: str | Path) -> tuple[int, Any] | None:
    """The newest checkpoint that is whole.

    Returns
    -------
    (step, state), or None if there is no checkpoint

    Raises
    ------
    ValueError
        If there are checkpoints, and all are damaged.

    Warns
    -----
    DamagedCheckpointWarning
        For each newer one that is damaged.
    """
    found, damaged = checkpoints(folder), []
    for path in found:
        try:
            step, state = int(path.name.split("-")[1]), read(path)
        except ValueError as error:
            damaged.append(str(error))
            continue
        for words in damaged:
            warnings.warn(f"{words}; the one before is used", DamagedCheckpointWarning, stacklevel=2)
        return step, state
    if damaged:
        raise ValueError(f"{folder} has no whole checkpoint: {'; '.join(damaged)}")
    return None


def read(path: str | Path) -> Any:
    """The state in a checkpoint; ValueError if the file is not what was written."""
    content, name = Path(path).read_bytes(), NAME.fullmatch(Path(path).name)
    if name is None:
        raise ValueError(f"{path} is not named as a checkpoint")
    if hashlib.sha256(content).hexdigest()[:16] != name[2]:
        raise ValueError(f"{path} is damaged: its {len(content)} bytes are not those that were written")
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def _plain(value: Any, where: str) -> Any:
    """What can be read back without running code; equal states give equal bytes.

    A pickle refers back to objects that it has seen, so equal words have to be one object.
    """
    if isinstance(value, dict):
        return {_plain(key, where): _plain(inner, f"{where}[{key!r}]") for key, inner in value.items()}
    if type(value) is str:
        return sys.intern(value)
    if isinstance(value, list | tuple):
        return type(value)(_plain(inner, f"{where}[{k}]") for k, inner in enumerate(value))
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, torch.Tensor | bool | int | float | str | bytes):
        return value.detach().cpu() if isinstance(value, torch.Tensor) else value
    raise TypeError(
        f"{where} must be a tensor, array, number, word, list, dict or None, got {type(value).__name__}"
    )
