"""SARSA, Q-learning, value-space and partially observable learners against the original systems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crld_cases import MANY, SINGLE, Case, below, load, random_cases
from pycrld_econ.agents import (
    POStrategyActorCritic,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueSARSA,
    multiagent_epsilongreedy_strategy,
)
from pycrld_econ.environments import UncertainSocialDilemma


@pytest.mark.reference("crld", random_cases)
def test_sarsa_step(case: Case) -> None:
    learner = case.learner(StrategySARSA)
    following, drive = learner.step(case.X)
    np.testing.assert_allclose(following, case.core["S_step"], **SINGLE)
    np.testing.assert_allclose(drive, case.core["S_RPE"], **SINGLE)
    np.testing.assert_allclose(learner.RPEisa(case.X, norm=True), case.core["S_RPEnorm"], **SINGLE)
    np.testing.assert_allclose(learner.reverse_step(case.X)[0], case.core["S_reverse"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_values_of_the_next_state(case: Case) -> None:
    learner = case.learner(StrategySARSA)
    np.testing.assert_allclose(learner.NextQisa(case.X), case.core["S_NextQisa"], **SINGLE)
    np.testing.assert_allclose(learner.NextVisa(case.X), case.core["AC_NextVisa"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_sarsa_trajectory(case: Case) -> None:
    steps = case.trajectories["idx"]
    points, _ = case.learner(StrategySARSA).trajectory(case.X, Tmax=int(steps[-1]) + 1)
    np.testing.assert_allclose(points[steps], case.trajectories["S"], **MANY)


@pytest.mark.reference("crld", random_cases)
def test_sarsa_length_with_tolerance(case: Case) -> None:
    expected = case.parameters["S_tol1e-6"]
    points, reached = case.learner(StrategySARSA).trajectory(case.X, Tmax=5000, tolerance=1e-6)
    assert (len(points), reached) == (expected["length"], expected["fixpoint"])
    np.testing.assert_allclose(points[-1], case.trajectories["S_last"], **MANY)


def with_extension(kind: str) -> Any:
    """Lists the random cases for which arrays of this kind are stored."""

    def lister(folder: Path) -> Iterator[tuple[str, Case]]:
        return ((name, case) for name, case in random_cases(folder) if kind in case.extensions)

    return lister


@pytest.mark.reference("crld", with_extension("Q"))
def test_q_learning(case: Case) -> None:
    learner, expected = case.learner(StrategyQLearning), case.extensions["Q"]
    following, drive = learner.step(case.X)
    np.testing.assert_allclose(following, expected["step"], **SINGLE)
    np.testing.assert_allclose(drive, expected["RPE"], **SINGLE)
    points, _ = learner.trajectory(case.X, Tmax=51)
    np.testing.assert_allclose(points[[0, 1, 2, 5, 10, 20, 50]], expected["traj50"], **MANY)


def value_learner(case: Case) -> ValueSARSA:
    explorer = multiagent_epsilongreedy_strategy(case.parameters["eps"])
    return case.learner(ValueSARSA, strategy_function=explorer)


@pytest.mark.reference("crld", random_cases)
def test_value_sarsa_step(case: Case) -> None:
    learner, q = value_learner(case), case.core["Q0"]
    following, drive = learner.step(q)
    np.testing.assert_allclose(learner.strategy(q), case.core["V_X"], **SINGLE)
    np.testing.assert_allclose(learner.valRisa(q), case.core["V_Risa"], **SINGLE)
    np.testing.assert_allclose(learner.value_NextQisa(q), case.core["V_NextQisa"], **SINGLE)
    np.testing.assert_allclose(drive, case.core["V_RPE"], **SINGLE)
    np.testing.assert_allclose(following, case.core["V_step"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_value_sarsa_trajectory(case: Case) -> None:
    steps = case.trajectories["idx"]
    points, _ = value_learner(case).trajectory(case.core["Q0"], Tmax=int(steps[-1]) + 1)
    np.testing.assert_allclose(points[steps], case.trajectories["V"], **MANY)


def two_state_games(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
    notes = json.loads((folder / "extensions.json").read_text())["detrl_params"]
    data = below(load(folder, "extensions"), "detrl_")
    for name in sorted({key.split("_")[0] for key in data}):
        yield name, (notes, below(data, f"{name}_"))


@pytest.mark.reference("crld", two_state_games)
@pytest.mark.parametrize(
    ("kind", "options", "prefix"),
    [
        (StrategyActorCritic, {}, "AC"),
        (StrategySARSA, {}, "SARSA"),
        (StrategyQLearning, {"q_continuation": "policy_average"}, "Qquirk"),
        (StrategyQLearning, {}, "Qfixed"),
    ],
    ids=["actor-critic", "sarsa", "q-policy-average", "q-own-action"],
)
@pytest.mark.parametrize("rounding", [None, 15])
def test_code_of_2019(
    case: tuple[dict[str, Any], dict[str, np.ndarray]],
    kind: type,
    options: dict[str, str],
    prefix: str,
    rounding: int | None,
) -> None:
    notes, arrays = case
    env = SimpleNamespace(T=arrays["T"], R=arrays["R"])
    learner = kind(
        env, notes["alpha"], notes["gamma"], notes["beta"], notes["prefactor"], rounding=rounding, **options
    )
    X, expected = arrays["X"], below(arrays, f"{prefix}_")
    tolerance = SINGLE if rounding is None else {"rtol": 0.0, "atol": 1e-14}
    np.testing.assert_allclose(learner.step(X)[0], expected["step"], **tolerance)
    if "RPEnorm" in expected:  # there, errors are in the unit of rewards
        np.testing.assert_allclose(
            learner.RPEisa(X, norm=True) / notes["beta"], expected["RPEnorm"], **SINGLE
        )


OBSERVED = ["Xisa", "Tss", "Ps", "Bios", "Tioo", "Tioao", "Rioa", "Rio", "Vio", "Qioa", "NextVioa", "obsdist"]


@pytest.mark.reference("crld", random_cases)
@pytest.mark.parametrize("average", [*OBSERVED, "Ri", "Qisa", "Vis"])
def test_average_under_partial_observability(case: Case, average: str) -> None:
    learner = case.learner(POStrategyActorCritic)
    np.testing.assert_allclose(
        getattr(learner, average)(case.core["Xo"]), case.core[f"PO_{average}"], **SINGLE
    )


@pytest.mark.reference("crld", random_cases)
def test_observing_actor_critic_step(case: Case) -> None:
    learner, X = case.learner(POStrategyActorCritic), case.core["Xo"]
    following, drive = learner.step(X)
    np.testing.assert_allclose(following, case.core["PO_step"], **SINGLE)
    np.testing.assert_allclose(drive, case.core["PO_RPE"], **SINGLE)
    np.testing.assert_allclose(learner.RPEisa(X, norm=True), case.core["PO_RPEnorm"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_rewards_and_values_of_the_learner(case: Case) -> None:
    learner, X = case.learner(POStrategyActorCritic), case.core["Xo"]
    rewards = learner.Rio(X, learner.Rioa(X))
    np.testing.assert_allclose(rewards, case.core["PO_Rio_from_Rioa"], **SINGLE)
    np.testing.assert_allclose(learner.Vio(X, rewards), case.core["PO_Vio_from_Rioa"], **SINGLE)


@pytest.mark.reference("crld", random_cases)
def test_observing_actor_critic_trajectory(case: Case) -> None:
    steps = case.trajectories["idx"]
    points, _ = case.learner(POStrategyActorCritic).trajectory(case.core["Xo"], Tmax=int(steps[-1]) + 1)
    np.testing.assert_allclose(points[steps], case.trajectories["PO"], **MANY)


@pytest.mark.reference("crld", with_extension("POS"))
def test_observing_sarsa(case: Case) -> None:
    following, drive = case.learner(POStrategySARSA).step(case.core["Xo"])
    np.testing.assert_allclose(following, case.extensions["POS"]["step"], **SINGLE)
    np.testing.assert_allclose(drive, case.extensions["POS"]["RPE"], **SINGLE)


@pytest.mark.reference("crld", with_extension("POc"))
def test_conditional_closure(case: Case) -> None:
    learner, X = case.learner(POStrategyActorCritic, closure="conditional"), case.core["Xo"]
    following, drive = learner.step(X)
    expected = case.extensions["POc"]
    np.testing.assert_allclose(learner.Tioo(X), expected["Tioo"], **SINGLE)
    np.testing.assert_allclose(learner.Vio(X), expected["Vio"], **SINGLE)
    np.testing.assert_allclose(following, expected["step"], **SINGLE)
    np.testing.assert_allclose(drive, expected["RPE"], **SINGLE)


def uncertain_dilemmas(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
    notes = json.loads((folder / "flow_and_literature.json").read_text())
    arrays = load(folder, "flow_and_literature")
    for name in sorted(key for key in notes if key.startswith("usd")):
        yield name, (notes[name], below(arrays, f"{name}_"))


@pytest.mark.reference("crld", uncertain_dilemmas)
def test_uncertain_dilemma_trajectory(case: tuple[dict[str, Any], dict[str, np.ndarray]]) -> None:
    notes, expected = case
    payoffs = [float(number) for number in notes["env"].split("_")[2:11]]
    learner = POStrategyActorCritic(UncertainSocialDilemma(*payoffs, notes["noise"]), 0.1, 0.9)
    points, _ = learner.trajectory(expected["X0"], Tmax=len(expected["traj"]))
    np.testing.assert_allclose(points, expected["traj"], **MANY)
