"""Tensors and names of the environments against the original system: exact."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.environments import (
    EcologicalPublicGood,
    Environment,
    HistoryEmbedded,
    RenewableResource,
    RiskReward,
    SocialDilemma,
    TwoStateMatchingPennies,
    TwoStatePD,
    UncertainSocialDilemma,
)

EXACT = {"rtol": 0.0, "atol": 1e-15}
KINDS: dict[str, Any] = {
    "SD": SocialDilemma,
    "EPG": EcologicalPublicGood,
    "USD": UncertainSocialDilemma,
    "RR": RenewableResource,
    "RK": RiskReward,
    "HE": lambda base, base_params, h: HistoryEmbedded(KINDS[base](**base_params), h),
}
TWO_STATES = {"PD": TwoStatePD, "MP": TwoStateMatchingPennies}


def environments(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    recorded = json.loads((folder / "cases.json").read_text())["environments"]
    with np.load(folder / "environments.npz", allow_pickle=False) as data:
        for key, case in recorded.items():
            yield key, {**case, "kind": key.rstrip("0123456789"), **{x: data[f"{key}_{x}"] for x in "TROF"}}


def build(case: dict[str, Any]) -> Environment:
    return KINDS[case["kind"]](**case["params"])


@pytest.mark.reference("crld", environments)
@pytest.mark.parametrize("name", ["T", "R", "O", "F"])
def test_tensor(case: dict[str, Any], name: str) -> None:
    tensor = getattr(build(case), name)
    assert tensor.shape == case[name].shape
    np.testing.assert_allclose(tensor, case[name], **EXACT)


@pytest.mark.reference("crld", environments)
def test_sizes(case: dict[str, Any]) -> None:
    env = build(case)
    assert [env.N, env.M, env.Z, [env.N, env.Z, env.Q]] == [case[x] for x in ("N", "M", "Z", "O_shape")]


def unpaired(recorded: list[Any], copies: int | None) -> list[Any]:
    """Names as they were meant: some games of the original return (list of indices, list of names)."""
    pair = len(recorded) == 2 and isinstance(recorded[1], list)
    if not pair or recorded[0] != [str(k) for k in range(len(recorded[0]))]:
        return recorded
    return recorded[1] if copies is None else [recorded[1]] * copies


@pytest.mark.reference("crld", environments)
def test_environment_names(case: dict[str, Any]) -> None:
    env = build(case)
    assert env.Aset == unpaired(case["Aset"], env.N)
    assert env.Sset == unpaired(case["Sset"], None)
    assert env.Oset == case["Oset"]


@pytest.mark.reference("crld", environments)
def test_environment_id(case: dict[str, Any]) -> None:
    recorded = case["id"]
    if case["kind"] == "USD":  # the original writes R1 where R2 belongs
        words = recorded.split("_")
        words[6] = str(case["params"]["R2"])
        recorded = "_".join(words)
    assert build(case).id() == recorded


def two_state_games(folder: Path) -> Iterator[tuple[str, tuple[str, Any, Any]]]:
    with np.load(folder / "extensions.npz", allow_pickle=False) as data:
        for key in data:
            if match := re.fullmatch(r"detrl_([A-Z]+)_T", key):
                yield match[1], (match[1], data[key], data[f"detrl_{match[1]}_R"])


@pytest.mark.reference("crld", two_state_games)
def test_two_state_game(case: tuple[str, Any, Any]) -> None:
    name, T, R = case
    env = TWO_STATES[name]()
    np.testing.assert_allclose(env.T, T, **EXACT)
    np.testing.assert_allclose(env.R, R, **EXACT)
