"""Values, gradients, updates and trajectories of the original programs (tolerances of the folder's README)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pycrld_econ.shaping import (
    LOLA,
    POLA,
    ImplicitPOLA,
    Network,
    OpponentModel,
    OpponentShaping,
    Preconditioned,
    Tabular,
    contribution_game,
    prisoners_dilemma,
    reordered,
    values,
)
from pycrld_econ.shaping.games import visits
from pycrld_econ.shaping.learning import probabilities
from pycrld_econ.shaping.losses import TableGame, one_shot_matching_pennies, tandem
from pycrld_econ.shaping.relatives import GradientRule
from shaping_twin import parameter_gradient

RELATIVE, UPDATE, TRAJECTORY = 1e-11, 1e-10, 1e-8


def policy_of(kind):
    """The policy class that the reference calls `kind`."""
    known = {"tab": Tabular(), "pre": Preconditioned(K="head"), "pre_paper": Preconditioned(K="paper")}
    known |= {"pre_head": Preconditioned(K="head"), "nn": Network(16)}
    return known[kind] if kind in known else Network(int(kind.removeprefix("nn")))


def listed(file, name=lambda case: case.get("kind", "")):
    def lister(folder: Path):
        path = folder / file
        for k, case in enumerate(json.loads(path.read_text()) if path.exists() else []):
            yield f"{file.removesuffix('.json')}-{k}-{name(case)}", case

    return lister


def game_of(case):
    return contribution_game(case["cf"], case.get("n", 2), case["gamma"])


def check_update(run, case):
    scale = max(1.0, np.abs(np.array(case["after"])).max())
    np.testing.assert_allclose(run.parameters, case["after"], rtol=0, atol=UPDATE * scale)


@pytest.mark.reference("exact_shaping", listed("values.json"))
def test_values_and_gradients(case):
    game, policy = game_of(case), policy_of(case["kind"])
    p = probabilities(policy.logits(case["params"]))
    np.testing.assert_allclose(p, case["policies"], rtol=1e-12)
    np.testing.assert_allclose(values(game, p), case["values"], rtol=RELATIVE, atol=RELATIVE)
    np.testing.assert_allclose(visits(game, p), case["visits"], rtol=RELATIVE)
    for k in range(2):
        for i in range(2):
            given = parameter_gradient(game, policy, np.array(case["params"]), k, i)
            np.testing.assert_allclose(given, case["grad_values"][k][i], rtol=RELATIVE, atol=RELATIVE)


@pytest.mark.reference("exact_shaping", listed("lola_update.json"))
def test_look_ahead_update(case):
    names = ("lr_inner", "lr_outer", "inner_steps", "inner_beta", "outer_beta", "outer_steps")
    rule = LOLA(**{name: case[name] for name in names})
    check_update(OpponentShaping(game_of(case), rule, policy_of(case["kind"])).learn(case["before"]), case)


@pytest.mark.reference("exact_shaping", listed("lola_taylor_update.json"))
def test_taylor_update(case):
    rule = LOLA(case["lr_inner"], case["lr_outer"], form="taylor")
    check_update(OpponentShaping(game_of(case), rule, policy_of(case["kind"])).learn(case["before"]), case)


@pytest.mark.reference("exact_shaping", listed("pola_update.json"))
def test_proximal_update(case):
    rule = POLA(case["lr_inner"], case["lr_outer"], case["outer_beta"], case["threshold"], case["max_iters"])
    run = OpponentShaping(game_of(case), rule, policy_of(case["kind"])).learn(case["before"])
    check_update(run, case)
    assert np.abs(run.iterations[0] - case["iters"]).max() <= 1
    np.testing.assert_allclose(run.policies[0], case["policies_after"], atol=UPDATE)
    np.testing.assert_allclose(run.values[0], case["values_after"], atol=UPDATE)


@pytest.mark.reference("exact_shaping", listed("opponent_model_update.json", lambda c: c["om_kind"]))
def test_opponent_model_update(case):
    model = OpponentModel(policy_of(case["om_kind"]), case["om_lr"], case["om_threshold"])
    rule = LOLA(
        case["lr_inner"], case["lr_outer"], inner_steps=case["inner_steps"], inner_beta=case["inner_beta"]
    )
    models = np.zeros((1, 2, 2, len(case["om_before"][0])))
    models[0, 0, 1], models[0, 1, 0] = case["om_before"]
    dynamics = OpponentShaping(game_of(case), rule, Tabular(), model)
    run = dynamics.learn(np.array(case["before"])[None], models=models)
    np.testing.assert_allclose(run.parameters[0], case["after"], atol=UPDATE)
    fitted = run.models[0, [0, 1], [1, 0]]
    np.testing.assert_allclose(fitted, case["om_after"], atol=UPDATE)
    assert np.abs(run.fits[0, 0, [0, 1], [1, 0]] - case["om_iters"]).max() <= 1


@pytest.mark.reference("exact_shaping", listed("implicit_inner_prox_update.json"))
def test_implicit_inner_problem(case):
    rule = ImplicitPOLA(case["lr_inner"], case["lr_outer"], case["inner_beta"], case["grad_tol"])
    run = OpponentShaping(game_of(case), rule, policy_of(case["kind"])).learn(case["before"])
    check_update(run, case)
    assert np.abs(run.iterations[0] - case["inner_iters"]).max() <= 1


@pytest.mark.reference("exact_shaping", listed("lola_trajectories.json"))
def test_trajectory(case):
    rule = LOLA(case["lr_inner"], case["lr_outer"])
    dynamics = OpponentShaping(game_of(case), rule, policy_of(case["kind"]))
    run = dynamics.learn(case["before"], len(case["values"]))
    np.testing.assert_allclose(run.values, case["values"], atol=TRAJECTORY)
    np.testing.assert_allclose(run.policies, case["policies"], atol=TRAJECTORY)
    assert run.found.tolist() == case["tft_flag"]


@pytest.mark.reference("exact_shaping", listed("nplayer.json", lambda c: c["n"]))
def test_more_players(case):
    game, policy = game_of(case), Tabular()
    np.testing.assert_allclose(game.payoffs, case["payouts"], atol=1e-15)
    p = probabilities(np.array(case["params"]))
    np.testing.assert_allclose(values(game, p), case["values"], rtol=RELATIVE)
    for k in range(game.N):
        for i in range(game.N):
            given = parameter_gradient(game, policy, np.array(case["params"]), k, i)
            np.testing.assert_allclose(given, case["grad_values"][k][i], rtol=RELATIVE, atol=RELATIVE)
    run = OpponentShaping(game, LOLA(case["lr_inner"], case["lr_outer"])).learn(case["params"])
    np.testing.assert_allclose(run.parameters, case["after_lola"], atol=UPDATE)


@pytest.mark.reference("exact_shaping", listed("figure1.json", lambda c: f"{c['rule']}-{c['custom_param']}"))
def test_figure_1(case):
    rule = LOLA(case["lr_inner"], case["lr_outer"])
    if case["rule"] == "pola":
        rule = POLA(case["lr_inner"], case["lr_outer"], case["outer_beta"])
    run = OpponentShaping(game_of(case), rule, Network(2)).learn(case["before"])
    check_update(run, case)
    np.testing.assert_allclose(run.policies[0], case["policy_after"], atol=UPDATE)
    if case["iters"]:
        assert np.abs(run.iterations[0] - case["iters"]).max() <= 1


RULES = {
    "nl": "naive",
    "la": "look_ahead",
    "lola": "lola_taylor",
    "co": "consensus",
    "sga": "symplectic",
    "eg": "extragradient",
    "cgd": "competitive",
}


@pytest.mark.reference("exact_shaping", listed("learning_rules.json", lambda c: f"{c['game']}-{c['rule']}"))
def test_learning_rule(case):
    games = {"ipd": TableGame(prisoners_dilemma()), "tandem": tandem()}
    game = games.get(case["game"], one_shot_matching_pennies())
    given = np.array([case["before"], *case["trajectory"]]).reshape(-1, 2, game.d)
    points = reordered(given, "sos") if case["game"] == "ipd" else given
    rule = GradientRule(game, RULES.get(case["rule"], case["rule"]), case["alpha"])
    path = rule.run(points[0], len(points) - 1)
    np.testing.assert_allclose(path, points, rtol=UPDATE, atol=UPDATE)
    np.testing.assert_allclose(game.losses(path[:-1]), case["losses_before_each_step"], rtol=UPDATE)
