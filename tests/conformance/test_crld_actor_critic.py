"""Averages, steps and trajectories of actor-critic learners against the original system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crld_cases import MANY, SINGLE, Case, below, load, numbered, random_cases
from pycrld_econ.agents import StrategyActorCritic, ergodic_distributions, stationary_distribution
from pycrld_econ.environments import EcologicalPublicGood, HistoryEmbedded, SocialDilemma

AVERAGES = ["Tss", "Tisas", "Ris", "Risa", "Vis", "Qisa", "Ps", "Ri"]


@pytest.mark.reference("crld", random_cases)
@pytest.mark.parametrize("average", AVERAGES)
def test_average(case: Case, average: str) -> None:
    learner = case.learner(StrategyActorCritic)
    np.testing.assert_allclose(getattr(learner, average)(case.X), case.core[average], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_actor_critic_step(case: Case) -> None:
    learner = case.learner(StrategyActorCritic)
    following, drive = learner.step(case.X)
    np.testing.assert_allclose(following, case.core["AC_step"], **SINGLE)
    np.testing.assert_allclose(drive, case.core["AC_RPE"], **SINGLE)
    np.testing.assert_allclose(learner.RPEisa(case.X, norm=True), case.core["AC_RPEnorm"], **SINGLE)
    np.testing.assert_allclose(learner.reverse_step(case.X)[0], case.core["AC_reverse"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_actor_critic_trajectory(case: Case) -> None:
    steps = case.trajectories["idx"]
    points, _ = case.learner(StrategyActorCritic).trajectory(case.X, Tmax=int(steps[-1]) + 1)
    np.testing.assert_allclose(points[steps], case.trajectories["AC"], **MANY)


@pytest.mark.reference("crld", random_cases)
def test_actor_critic_length_with_tolerance(case: Case) -> None:
    expected = case.parameters["AC_tol1e-6"]
    points, reached = case.learner(StrategyActorCritic).trajectory(case.X, Tmax=5000, tolerance=1e-6)
    assert (len(points), reached) == (expected["length"], expected["fixpoint"])
    np.testing.assert_allclose(points[-1], case.trajectories["AC_last"], **MANY)


def final_states(folder: Path) -> Iterator[tuple[str, Case]]:
    return ((name, case) for name, case in random_cases(folder) if "F" in case.extensions)


@pytest.mark.reference("crld", final_states)
def test_final_state(case: Case) -> None:
    learner = case.learner(StrategyActorCritic, env={"F": np.eye(case.parameters["Z"], dtype=int)[0]})
    np.testing.assert_allclose(learner.Vis(case.X), case.extensions["F"]["Vis"], **SINGLE)
    np.testing.assert_allclose(learner.step(case.X)[0], case.extensions["F"]["AC_step"], **SINGLE)


def literature(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "flow_and_literature.json").read_text())


def readme(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
    yield "readme", (literature(folder)["readme"], below(load(folder, "flow_and_literature"), "readme_"))


@pytest.mark.reference("crld", readme)
def test_readme_trajectory(case: tuple[dict[str, Any], dict[str, np.ndarray]]) -> None:
    notes, expected = case
    T, R, P, S = (float(number) for number in notes["env"].split("_")[1:])
    rates = {name: notes["params"][name] for name in ("learning_rates", "discount_factors")}
    learner = StrategyActorCritic(SocialDilemma(R=R, T=T, S=S, P=P), **rates)
    limits = {name: notes["params"][name] for name in ("Tmax", "tolerance")}
    points, reached = learner.trajectory(expected["X0"], **limits)
    assert (len(points), reached) == (notes["length"], notes["fixpoint"])
    np.testing.assert_allclose(points, expected["traj"], **MANY)


def memory_one(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
    notes = literature(folder)
    for number, arrays in numbered(load(folder, "flow_and_literature"), "memo1_"):
        yield number, (notes[f"memo1_{number}"], arrays)


@pytest.mark.reference("crld", memory_one)
def test_memory_one_dilemma(case: tuple[dict[str, Any], dict[str, np.ndarray]]) -> None:
    notes, expected = case
    env = HistoryEmbedded(SocialDilemma(R=1.0, T=1.25, S=-0.25, P=0.0), h=(1, 1, 1))
    learner = StrategyActorCritic(env, learning_rates=0.1, discount_factors=0.99)
    points, reached = learner.trajectory(expected["X"], Tmax=2500, tolerance=1e-5)
    assert (len(points), reached) == (notes["length"], notes["fixpoint"])
    first = len(expected["traj"])
    np.testing.assert_allclose(points[:first], expected["traj"], atol=1e-7)
    np.testing.assert_allclose(learner.Ri(points[:first]), expected["reward"], atol=1e-6)


def multistability(folder: Path) -> Iterator[tuple[str, tuple[float, dict[str, Any]]]]:
    for key, notes in literature(folder)["multistab"].items():
        if isinstance(notes, dict):
            yield key, (float(key), notes)


def multistable_learner() -> StrategyActorCritic:
    env = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01, degraded_choice=False)
    return StrategyActorCritic(env, learning_rates=0.1, discount_factors=0.75)


def start_at(x: float, y: float) -> np.ndarray:
    "Joint strategy: `x` and `y` cooperate in the prosperous state, 0.95 in the degraded one"
    cooperation = np.array([[0.95, x], [0.95, y]])
    return np.stack([cooperation, 1 - cooperation], axis=-1)


@pytest.mark.reference("crld", multistability)
def test_multistable_public_good(case: tuple[float, dict[str, Any]]) -> None:
    start, notes = case
    points, reached = multistable_learner().trajectory(start_at(start, 0.95), Tmax=5000, tolerance=1e-5)
    assert (len(points), reached) == (notes["length"], notes["fixpoint"])
    np.testing.assert_allclose(points[-1].ravel(), notes["last"], atol=1e-9)


def critical_starts(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "multistab", literature(folder)["multistab"]


@pytest.mark.reference("crld", critical_starts)
def test_basin_boundary_and_saddle(case: dict[str, Any]) -> None:
    learner = multistable_learner()
    below_, above = case["critical_x"]
    # The recorded bracket halves the starts by where a run with this tolerance stops, be it on the saddle.
    ends = learner.ensemble(np.stack([start_at(x, 0.95) for x in (below_, above)]), Tmax=5000, tolerance=1e-5)
    assert ends.X[0, 0, 1, 0] < 0.5 < ends.X[1, 0, 1, 0]
    X = start_at(0.5, 0.5)
    for _ in range(1000):
        X, _ = learner.reverse_step(X)
    np.testing.assert_allclose(X.ravel(), case["saddle_reverse_1000_from_0.5"], atol=1e-9)


def chains(folder: Path) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    data = load(folder, "statdist")
    for key in sorted(key for key in data if key[0] == "P"):
        yield key, (data[key], data["p" + key[1:]])


@pytest.mark.reference("crld", chains)
def test_stationary_distribution(case: tuple[np.ndarray, np.ndarray]) -> None:
    chain, expected = case
    assert len(ergodic_distributions(chain)) == 1
    np.testing.assert_allclose(stationary_distribution(chain), expected, **SINGLE)
