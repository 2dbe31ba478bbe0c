"""Files of a run in the published formats: menus, dense episodes, policies."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.experiments.config import write_atomically
from pycrld_econ.validation.learners.rbc_players import Episode, Players
from pycrld_econ.validation.simulators.rbc import TYPES, EconomyConfig

MODELS = "saved_models"


def menus(config: EconomyConfig) -> dict[str, np.ndarray]:
    """Menus of actions under their published names, float32."""
    grids = config.grids
    return {
        "consumption_choices": np.array(grids.consumption, dtype=np.float32)[:, None],
        "work_choices": np.array(grids.hours, dtype=np.float32)[:, None],
        "price_and_wage": np.array(grids.firm, dtype=np.float32),
        "tax_choices": np.array(grids.government, dtype=np.float32),
    }


def save_menus(folder: Path, config: EconomyConfig) -> None:
    """Write `action_arrays.npz`, and the published pickle of the same for programs that read it; we never do.

    A file that is there stays as it is.
    """
    arrays = menus(config)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    contents = {"npz": buffer.getvalue(), "pickle": pickle.dumps(arrays, protocol=4)}
    for ending, content in contents.items():
        path = folder / f"action_arrays.{ending}"
        if not path.exists():
            write_atomically(path, content)


def save_episode(folder: Path, name: str, config: EconomyConfig, episode: Episode) -> list[Path]:
    """Write `episode_NAME_TYPE.npz` for all types.

    Raises
    ------
    ValueError
        If the episode was played without keeping its states.
    """
    if not episode.states:
        raise ValueError("episode must be played with keep_states=True")
    grids, written = menus(config), []
    tables = {"consumer": "work_choices", "firm": "price_and_wage", "government": "tax_choices"}
    others = {"consumer": episode.consumption, "firm": episode.exported}
    for kind in TYPES:
        actions = episode.actions[kind].cpu().numpy().astype(np.int32)
        arrays = {
            "states": episode.states[kind].astype(np.float32),
            "actions": actions if kind == "consumer" else actions[..., 0],
            "rewards": episode.rewards[kind].astype(np.float32),
            "action_array": grids[tables[kind]],
            # The original has an object None here; an empty array can be read without a pickle.
            "aux_array": others.get(kind, np.zeros(0)).astype(np.float32),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        path = folder / f"episode_{name}_{kind}.npz"
        write_atomically(path, buffer.getvalue())
        written.append(path)
    return written


KEYS = ("states", "actions", "rewards", "action_array", "aux_array")


def load_episode(path: str | Path) -> dict[str, np.ndarray]:
    """Arrays of an episode of one type.

    Raises
    ------
    ValueError
        If the file is cut off, has other contents, or arrays that disagree; its name is in the message.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise ValueError(f"{path} cannot be read: it holds one array, not those of an episode")
    try:
        with loaded as data:
            missing = [key for key in KEYS if key not in data]
            if missing:
                raise ValueError(f"{path} has no {', '.join(missing)}")
            found = {key: data[key] for key in KEYS if key != "aux_array"}
            agents = found["rewards"].shape
            for key in ("states", "actions"):
                if found[key].shape[: len(agents)] != agents:
                    raise ValueError(
                        f"{path} has {key} of shape {found[key].shape}, but rewards of {agents}: they disagree"
                    )
            try:
                found["aux_array"] = data["aux_array"]
            except ValueError:  # the original's object None
                found["aux_array"] = np.zeros(0, dtype=np.float32)
            return found
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def save_models(folder: Path, episode: int, players: Players) -> None:
    """Write `saved_models/TYPE_policy_EPISODE.pt` and `..._latest.pt` of types that have a policy."""
    target = folder / MODELS
    target.mkdir(exist_ok=True)
    for kind, policy in players.learning().items():
        buffer = io.BytesIO()
        torch.save({name: value.cpu() for name, value in policy.state_dict().items()}, buffer)
        for name in (str(episode), "latest"):
            write_atomically(target / f"{kind}_policy_{name}.pt", buffer.getvalue())


def load_models(folder: Path, episode: str, players: Players) -> None:
    """Take the policies of a checkpoint over.

    Parameters
    ----------
    folder : Path
        Of a run.
    episode : str
        Number of the episode, or `latest`.
    players : Players
        Of the same sizes.

    Raises
    ------
    ValueError
        If a file is missing (the message lists the episodes that are there), cut off, or of other sizes.
    """
    for kind, policy in players.learning().items():
        path = folder / MODELS / f"{kind}_policy_{episode}.pt"
        if not path.exists():
            names = (p.stem.rsplit("_", 1)[1] for p in (folder / MODELS).glob(f"{kind}_policy_*.pt"))
            there = sorted(names, key=by_number)
            raise ValueError(f"{path} does not exist; episodes with policies: {', '.join(there) or 'none'}")
        policy.load_parameters(read_model(path), str(path))


def by_number(episode: str) -> tuple[bool, int, str]:
    """Key that sorts episodes by number, and words such as `latest` after them."""
    return (False, int(episode), "") if episode.isdecimal() else (True, 0, episode)


def read_model(path: Path) -> dict[str, Tensor]:
    """A state dictionary; ValueError if the file cannot be read."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a state dictionary, got {type(found).__name__}")
    return found
