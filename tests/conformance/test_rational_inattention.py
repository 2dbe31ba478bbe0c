"""Rational inattention, payments and wages against stored solutions and the original environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.agents import rational_inattention as attention
from pycrld_econ.agents.inattentive import InattentiveLearners, choice_game
from pycrld_econ.environments import principal_agent

VALUE = {"rtol": 0.0, "atol": 1e-8}  # tolerances of the specification, section C
MARGINAL = {"rtol": 0.0, "atol": 1e-6}
FORMULA = {"rtol": 1e-12, "atol": 1e-12}
SINGLE_PRECISION = {"rtol": 0.0, "atol": 1e-4}


def listed(*path: str) -> Callable[[Path], Iterator[tuple[str, Any]]]:
    """Lists the entries of a list within the file, or the whole of a record."""

    def lister(folder: Path) -> Iterator[tuple[str, Any]]:
        found = json.loads((folder / "cases.json").read_text())
        for key in path:
            found = found.get(key, [])
        rows = found if isinstance(found, list) else [found]
        for k, row in enumerate(rows):
            yield f"{path[-1]}{k}", row

    return lister


def assert_solution(payoffs: Any, mu: Any, stored: dict[str, Any]) -> None:
    found = attention.inattentive_choice(payoffs, mu, stored["lam"])
    assert found.condition.max() <= 1 + 1e-9
    np.testing.assert_allclose(found.objective, stored["objective"], **VALUE)
    np.testing.assert_allclose(found.information, stored["mutual_information_nats"], **VALUE)
    np.testing.assert_allclose(found.payoff, stored["expected_payoff"], **VALUE)
    np.testing.assert_allclose(found.p, stored["marginal"], **MARGINAL)
    np.testing.assert_allclose(found.X, stored["policy"], **MARGINAL)


@pytest.mark.reference("rational_inattention", listed("safe_vs_risky"))
def test_safe_or_risky(case: dict[str, Any]) -> None:
    given = case["safe"], case["prob_good"], case["lam"]
    np.testing.assert_allclose(
        attention.risky_probability(*given), case["risky_marginal_closed_form"], **FORMULA
    )
    safe, good = case["safe"], case["prob_good"]
    assert_solution([[safe, 0.0], [safe, 1.0]], [1 - good, good], case)


@pytest.mark.reference("rational_inattention", listed("find_the_good_one"))
def test_find_the_good_one(case: dict[str, Any]) -> None:
    n = case["n"]
    expected = case["prob_correct_closed"], case["mi_closed"]
    np.testing.assert_allclose(attention.find_the_good_one(n, case["lam"]), expected, **FORMULA)
    assert_solution(np.eye(n), np.full(n, 1 / n), case)


@pytest.mark.reference("rational_inattention", listed("random"))
def test_random_problems(case: dict[str, Any]) -> None:
    assert_solution(case["U"], case["mu"], case)


@pytest.mark.reference("rational_inattention", listed("wage"))
def test_wage_choices(case: dict[str, Any]) -> None:
    payoffs = principal_agent.wage_choice()
    np.testing.assert_allclose(payoffs, case["U"], **FORMULA)
    assert principal_agent.myopic_hours().tolist() == case["hours_by_wage"]
    assert payoffs.argmax(1).tolist() == case["argmax"]
    np.testing.assert_allclose(payoffs.max(1) @ case["mu"], case["full_information"], **FORMULA)
    np.testing.assert_allclose((case["mu"] @ payoffs).max(), case["no_information"], **FORMULA)
    for stored in case["solutions"]:
        assert_solution(payoffs, case["mu"], stored)


@pytest.mark.reference("rational_inattention", listed("quadratic_gaussian"))
def test_quadratic_gaussian(case: dict[str, Any]) -> None:
    posterior, information = attention.quadratic_gaussian(case["prior_variance"], case["lam"])
    np.testing.assert_allclose(posterior, [case["posterior_variance"], case["expected_loss"]], **FORMULA)
    np.testing.assert_allclose(information, case["mutual_information"], **FORMULA)
    np.testing.assert_allclose(-posterior - case["lam"] * information, case["objective"], **FORMULA)


@pytest.mark.reference("rational_inattention", listed("iterates"))
def test_iterates(case: dict[str, Any]) -> None:
    p = np.array(case["marginals"][0])
    for stored in case["marginals"][1:]:
        p = attention.blahut_arimoto_step(p, case["U"], case["mu"], case["lam"])
        np.testing.assert_allclose(p, stored, **FORMULA)
    limit = attention.inattentive_choice(
        case["U"], case["mu"], case["lam"], tolerance=1e-14, start=case["marginals"][0]
    )
    np.testing.assert_allclose(limit.p, case["limit"]["marginal"], **MARGINAL)
    np.testing.assert_allclose(limit.objective, case["limit"]["objective"], **VALUE)


@pytest.mark.reference("rational_inattention", listed("learning_map"))
def test_learning_map(case: dict[str, Any]) -> None:
    game = choice_game(case["U"], case["mu"])
    learner = InattentiveLearners(game, case["alpha"], prices=case["lam"])
    stored = np.array(case["policies"])
    points, _ = learner.trajectory(stored[:1], len(stored))
    np.testing.assert_allclose(points[:, 0], stored, **FORMULA)
    points, at_rest = learner.trajectory(stored[:1], 5000, 1e-14)
    assert at_rest
    np.testing.assert_allclose(points[-1, 0], case["limit"], **MARGINAL)


def payment_cases(folder: Path) -> Iterator[tuple[str, Any]]:
    bandit = json.loads((folder / "cases.json").read_text()).get("bandit", {"cases": []})
    for k, row in enumerate(bandit["cases"]):
        yield f"payment{k}", (bandit, row)


def problem_of(parameters: dict[str, Any]) -> principal_agent.PaymentProblem:
    assert parameters["n_a_actions"] == parameters["n_a_outputs"]
    return principal_agent.PaymentProblem(
        outputs=parameters["n_a_outputs"],
        curvature=parameters["agent_exp"],
        pay_scale=parameters["agent_pay_multiplier"],
        work=parameters["agent_work_multiplier"],
        value=parameters["principal_profit_multiplier"],
        rationality=parameters["agent_rationality"],
        decay=parameters["decay"],
    )


@pytest.mark.reference("rational_inattention", payment_cases)
def test_payments(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    bandit, stored = case
    problem = problem_of(bandit["params"])
    np.testing.assert_allclose(problem.kernel, bandit["effort_to_output"], **FORMULA)
    found = principal_agent.outcome(problem, stored["pay"])
    np.testing.assert_allclose(found.efforts, stored["effort_probs"], **FORMULA)
    np.testing.assert_allclose(found.outputs, stored["output_probs"], **FORMULA)
    np.testing.assert_allclose(found.profit, stored["principal_profit"], **FORMULA)
    np.testing.assert_allclose(found.utility, stored["agent_utility"], **FORMULA)
    np.testing.assert_allclose(found.profit, stored["original_stochastic_std0_profit"], **SINGLE_PRECISION)
    np.testing.assert_allclose(found.utility, stored["original_stochastic_std0_agent"], **SINGLE_PRECISION)


@pytest.mark.reference("rational_inattention", listed("gaussian_schedule_mi"))
def test_information_of_normal_payments(case: dict[str, Any]) -> None:
    found = attention.mixture_information(case["mean"], case["std"], case["output_probs"])
    np.testing.assert_allclose(found, case["mi_nats"], **VALUE)


@pytest.mark.reference("rational_inattention", listed("wage_game_trace"))
def test_rules_of_the_wage_game(case: dict[str, Any]) -> None:
    skills = np.array(principal_agent.SKILLS)[np.array(case["types"])]
    games, workers = skills.shape
    for round_, step in enumerate(case["steps"]):
        wages = np.array(step["wages"])
        actions = np.array(step["actions_agent_major"]).reshape(workers, games).T
        hours, effort = principal_agent.split_action(actions)
        outputs = principal_agent.output_of(skills, hours, effort)
        rewards = principal_agent.worker_reward(wages, hours, effort)
        np.testing.assert_allclose(rewards.T.ravel(), step["agent_rewards_agent_major"], **FORMULA)
        np.testing.assert_allclose(
            principal_agent.principal_reward(wages, hours, outputs), step["principal_rewards"], **FORMULA
        )
        seen = step["principal_obs"]
        np.testing.assert_allclose(effort, seen["last_effort"], **FORMULA)
        np.testing.assert_allclose(outputs, seen["last_individual_outputs"], **FORMULA)
        clock = np.tile([round_ + 1.0, case["horizon"]], (games, 1))
        rest = np.hstack([wages, hours, outputs.sum(1, keepdims=True), clock])
        np.testing.assert_allclose(rest, seen["last_wage_hours_output_time"], **FORMULA)
        state = np.array(step["agent_state"]).reshape(workers, games, 4)
        np.testing.assert_allclose(state[..., 0].T, case["types"], **FORMULA)
        np.testing.assert_allclose(state[..., 1].T, wages, **FORMULA)
        assert (state[..., 2:] == [round_, case["horizon"]]).all()
