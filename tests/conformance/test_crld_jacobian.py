"""Jacobians of a step against automatic differentiation of the original system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crld_cases import SINGLE, Case, random_cases
from pycrld_econ.agents import StrategyActorCritic, StrategySARSA
from pycrld_econ.agents.jacobian import jacobian

KINDS = {"AC": StrategyActorCritic, "S": StrategySARSA, "SARSA": StrategySARSA}


def with_jacobian(folder: Path) -> Iterator[tuple[str, tuple[Case, str]]]:
    for name, case in random_cases(folder):
        for key in sorted(case.core):
            if key.endswith("_jac"):
                yield f"{name}_{key}", (case, key.removesuffix("_jac"))


@pytest.mark.reference("crld", with_jacobian)
def test_jacobian(case: tuple[Case, str]) -> None:
    game, kind = case
    size = game.X.size
    found = jacobian(game.learner(KINDS[kind]), game.X).reshape(size, size)
    np.testing.assert_allclose(found, game.core[f"{kind}_jac"], **SINGLE)


def with_eigenvalues(folder: Path) -> Iterator[tuple[str, tuple[Case, str]]]:
    for name, case in random_cases(folder):
        for kind in sorted(case.extensions.get("eig", {})):
            yield f"{name}_{kind}", (case, kind)


@pytest.mark.reference("crld", with_eigenvalues)
def test_reduced_eigenvalues(case: tuple[Case, str]) -> None:
    game, kind = case
    full = jacobian(game.learner(KINDS[kind]), game.X)
    reduced = (full[..., :-1] - full[..., -1:])[:, :, :-1]
    size = int(np.prod(reduced.shape[:3]))
    found, expected = np.linalg.eigvals(reduced.reshape(size, size)), list(game.extensions["eig"][kind])
    for value in found:  # as multisets: the order of nearly equal real parts is not defined
        nearest = min(range(len(expected)), key=lambda k: abs(expected[k] - value))
        assert abs(expected.pop(nearest) - value) < 1e-9
