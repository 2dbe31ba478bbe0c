"""Learning rules: closed form against automatic differentiation, invariances, statuses, refusals."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from pycrld_econ.agents.base import Dynamics
from pycrld_econ.shaping import (
    LOLA,
    POLA,
    ImplicitPOLA,
    IteratedGame,
    Naive,
    Network,
    OpponentModel,
    OpponentShaping,
    Preconditioned,
    ReactiveSlice,
    ShapingStatus,
    Tabular,
    contribution_game,
    named,
    random_parameters,
    strategies,
)
from shaping_twin import policy_jacobian

GAME = contribution_game(1.33)
RULES = [
    Naive(0.5),
    LOLA(1.0, 0.5),
    LOLA(0.3, 0.5, inner_steps=3, inner_beta=0.5, outer_beta=0.2),
    LOLA(0.5, 0.5, form="taylor"),
    LOLA(0.5, 0.5, form="shaping"),
    LOLA(0.5, 0.5, form="look-ahead term"),
    POLA(1.0, 0.3, 0.1, max_iters=3000),
    ImplicitPOLA(0.3, 0.5, 3.0),
]
UNIFORM = np.full((2, 5, 2), 0.5)


def modelling():
    "Learners who model each other"
    return OpponentShaping(GAME, LOLA(), opponent_model=OpponentModel())


every_rule = pytest.mark.parametrize(
    "rule", RULES, ids=lambda r: f"{type(r).__name__}-{getattr(r, 'form', '')}"
)


@every_rule
def test_is_a_dynamics(rule):
    dynamics = OpponentShaping(GAME, rule)
    assert isinstance(dynamics, Dynamics)
    X = dynamics.random_points(3, 0)
    after, drive = dynamics.step(X)
    assert after.shape == drive.shape == X.shape
    np.testing.assert_allclose(after.sum(-1), 1, rtol=1e-15)
    alone = dynamics.step(X[1])[0]
    np.testing.assert_array_equal(after[1], alone)


@every_rule
def test_swapping_players_commutes_with_learning(rule):
    theta = np.random.default_rng(1).normal(0, 0.5, (2, 5))
    swap = np.array([0, 2, 1, 3, 4])
    run = OpponentShaping(GAME, rule).learn(theta).parameters
    swapped = OpponentShaping(GAME, rule).learn(theta[::-1][:, swap]).parameters
    np.testing.assert_allclose(swapped[::-1][:, swap], run, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("form", ["look-ahead", "taylor", "shaping"])
def test_scaling_payoffs_is_scaling_rates(form):
    theta, k = np.random.default_rng(2).normal(0, 0.5, (2, 5)), 3.0
    scaled = OpponentShaping(IteratedGame(k * GAME.payoffs - 2), LOLA(0.2, 0.1, form)).learn(theta).parameters
    expected = OpponentShaping(GAME, LOLA(0.2 * k, 0.1 * k, form)).learn(theta).parameters
    np.testing.assert_allclose(scaled, expected, rtol=1e-10, atol=1e-12)


def test_jacobian_is_the_derivative():
    dynamics = OpponentShaping(GAME, LOLA(1.0, 0.5))
    X, h = dynamics.random_softmax_strategy(1), 1e-5
    J, theta = dynamics.jacobian(X), dynamics.parameters(X)
    nudges = h * np.eye(10).reshape(10, 2, 5)
    ahead, behind = dynamics.learn(theta + nudges).parameters, dynamics.learn(theta - nudges).parameters
    central = np.moveaxis((ahead - behind) / (2 * h), 0, -1).reshape(2, 5, 2, 5)
    np.testing.assert_allclose(J, central, rtol=1e-6, atol=1e-7)


def test_trajectory_and_ensemble_agree():
    dynamics = OpponentShaping(GAME, Naive(1.0))
    X = dynamics.random_points(2, 3)
    result = dynamics.ensemble(X, 5, record="all")
    for k in range(2):
        points, rest = dynamics.trajectory(X[k], 5)
        np.testing.assert_array_equal(points, result.records[k])
        assert len(points) == result.length[k] == 5 and not rest


def test_starts_do_not_depend_on_their_number():
    few, many = random_parameters(Network(4), 2, 2, 9), random_parameters(Network(4), 2, 6, 9)
    np.testing.assert_array_equal(few, many[:2])


def test_threads_do_not_matter():
    dynamics = OpponentShaping(GAME, LOLA(3.0, 25.0))
    one, two = (dynamics.learn(6, 3, seed=4, threads=k).parameters for k in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_sweep_is_the_single_runs():
    rates, games = np.array([0.5, 3.0])[:, None], [contribution_game(1.1), contribution_game(1.6)]
    theta = np.random.default_rng(5).normal(0, 0.1, (2, 5))
    swept = OpponentShaping(GAME, LOLA(rates, 1.0)).learn(theta, 3, games=games)
    assert swept.parameters.shape == (2, 2, 2, 5)
    for i, rate in enumerate(rates[:, 0]):
        for j, game in enumerate(games):
            alone = OpponentShaping(game, LOLA(rate, 1.0)).learn(theta, 3)
            np.testing.assert_array_equal(swept.parameters[i, j], alone.parameters)


def test_pairs_of_rules():
    theta = np.random.default_rng(6).normal(0, 0.5, (2, 5))
    mixed = OpponentShaping(GAME, [POLA(1.0, 0.3, max_iters=2000), Naive(0.7)]).learn(theta).parameters
    first = OpponentShaping(GAME, POLA(1.0, 0.3, max_iters=2000)).learn(theta).parameters
    second = OpponentShaping(GAME, Naive(0.7)).learn(theta).parameters
    np.testing.assert_array_equal(mixed, [first[0], second[1]])


def test_implicit_problem_of_a_network_is_that_of_its_policy():
    game, policy = contribution_game(1.33, gamma=0.5), Network(6)
    theta = 3 * random_parameters(policy, 2, 1, 3)[0]
    z = policy.logits(theta)
    slope = OpponentShaping(game, ImplicitPOLA(0.3, 1.0, 5.0, inner_tol=1e-8)).learn(z).parameters - z
    run = OpponentShaping(game, ImplicitPOLA(0.1, 1.0, 5.0, inner_tol=1e-6), policy).learn(theta)
    assert run.status == ShapingStatus.MAX_STEPS
    expected = [policy_jacobian(policy, theta, i).T @ slope[i] for i in range(2)]
    np.testing.assert_allclose(run.parameters - theta, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("policy", [Tabular(), Preconditioned(), Network(3)], ids=lambda p: type(p).__name__)
def test_compiled_kernels_agree_with_their_source(policy, monkeypatch):
    """Compiling takes one to two minutes where nothing is cached."""
    games = [contribution_game(1.33), contribution_game(1.8, 3)]
    for game in games[: 1 if isinstance(policy, Preconditioned) else 2]:
        for rule in (
            *RULES[:6],
            POLA(1.0, 0.1, 0.1, max_iters=40),
            ImplicitPOLA(0.1, 0.5, inner_max_iters=60),
        ):
            found = {}
            for tier in ("interpreted", "compiled"):
                monkeypatch.setenv("PYCRLD_ECON_TIER", tier)
                found[tier] = OpponentShaping(game, rule, policy).learn(2, 2, seed=1)
            one, two = found.values()
            np.testing.assert_allclose(two.parameters, one.parameters, rtol=1e-11, atol=1e-12)
            np.testing.assert_array_equal(two.iterations, one.iterations)


def test_three_players_shape():
    game = contribution_game(1.8, 3)
    theta = np.random.default_rng(7).normal(0, 0.5, (3, 9))
    run = OpponentShaping(game, [LOLA(0.5, 0.5), POLA(0.5, 0.1, max_iters=50), Naive(0.5)]).learn(theta, 2)
    assert np.isfinite(run.parameters).all() and run.values.shape == (2, 3)


def test_saturated_policies_stay_finite():
    run = OpponentShaping(GAME, LOLA(3.0, 25.0, outer_beta=0.1)).learn(np.full((2, 5), 60.0), 3)
    assert np.isfinite(run.parameters).all() and np.isfinite(run.values).all()
    TFT = strategies(named(["TFT", "TFT"]))
    np.testing.assert_allclose(OpponentShaping(GAME, LOLA(3.0, 25.0)).step(TFT)[0], TFT, atol=1e-200)


def test_divergence_has_a_status():
    run = OpponentShaping(GAME, Naive(1e308), Network(2)).learn(2, 20, seed=0)
    assert (run.status == ShapingStatus.NOT_A_NUMBER).all()
    assert "learning rates" in ShapingStatus(run.status[0]).message


def test_an_unsolved_problem_has_a_status():
    run = OpponentShaping(GAME, POLA(1.0, 0.01, tol=1e-12, max_iters=3)).learn(1, 2, seed=0)
    assert run.status[0] == ShapingStatus.PROX_LIMIT and run.capped[0] == 2
    assert (run.iterations == 3).all()
    inner = OpponentShaping(GAME, ImplicitPOLA(0.01, 0.5, 3.0, inner_max_iters=3)).learn(1, 1, seed=0)
    assert inner.status[0] == ShapingStatus.PROX_LIMIT
    model = OpponentModel(Tabular(), tol=1e-12, max_iters=2)
    fit = OpponentShaping(GAME, LOLA(), opponent_model=model).learn(1, 1, seed=0)
    assert fit.status[0] == ShapingStatus.PROX_LIMIT


def test_an_unsolved_problem_is_told_to_who_steps():
    dynamics = OpponentShaping(GAME, POLA(max_iters=3))
    runs = dynamics.ensemble(2, 3, rng=0)
    assert (runs.status == ShapingStatus.PROX_LIMIT).all()
    assert runs.counts() == {ShapingStatus.PROX_LIMIT: 2}
    with pytest.warns(RuntimeWarning, match="inner problem"):
        dynamics.step(UNIFORM)
    with pytest.warns(RuntimeWarning, match="inner problem"):
        dynamics.trajectory(UNIFORM, 2)
    with pytest.warns(RuntimeWarning, match="inner problem"):
        ReactiveSlice(dynamics).step(np.full((1, 2, 2), 0.5))


def test_the_code_of_an_unsolved_problem_has_a_name_in_tables():
    pytest.importorskip("pandas")
    runs = OpponentShaping(GAME, POLA(max_iters=3)).ensemble(2, 2, rng=0)
    assert runs.to_dataframe()["status"].tolist() == ["prox_limit"] * 2


def test_own_steps_do_not_count_as_inner_steps():
    rule = ImplicitPOLA(1.0, 0.1, inner_tol=1e-2, outer_beta=3.0, tol=1e-5, max_iters=500)
    free = OpponentShaping(GAME, rule).learn(np.zeros((2, 5)))
    most = int(free.iterations.max())
    assert free.status == ShapingStatus.MAX_STEPS
    limited = OpponentShaping(GAME, replace(rule, inner_max_iters=most)).learn(np.zeros((2, 5)))
    assert limited.status == ShapingStatus.MAX_STEPS
    fewer = OpponentShaping(GAME, replace(rule, inner_max_iters=most - 1)).learn(np.zeros((2, 5)))
    assert fewer.status == ShapingStatus.PROX_LIMIT


def test_rest_from_the_start_is_tested():
    dynamics = OpponentShaping(GAME, Naive(1.0))
    pairs = [named([word, word]) for word in ("TFT", "ALLD")]
    run = dynamics.learn(dynamics.parameters(strategies(pairs)), 3, tolerance=1e-9)
    assert run.length.tolist() == [0, 0] and run.last_epoch.tolist() == [True, False]
    assert run.first_epoch.tolist() == [1, 0]
    assert dynamics.learn(2, 0).first_epoch.tolist() == [0, 0]


def test_models_have_the_batch_axes_of_their_runs():
    rng = np.random.default_rng(3)
    theta, models = rng.normal(size=(2, 3, 2, 5)), rng.normal(size=(2, 3, 2, 2, 5))
    together = modelling().learn(theta, 1, models=models)
    alone = modelling().learn(theta[1, 2], 1, models=models[1, 2])
    np.testing.assert_array_equal(together.parameters[1, 2], alone.parameters)
    np.testing.assert_array_equal(together.models[1, 2], alone.models)


def test_rest_has_a_status():
    run = OpponentShaping(GAME, Naive(5.0)).learn(1, 4000, seed=0, tolerance=1e-4)
    assert run.status[0] == ShapingStatus.CONVERGED and run.residual[0] < 1e-4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Naive(-1.0), ValueError, "lr must be"),
        (lambda: LOLA("abc"), ValueError, "lr_inner must be"),
        (lambda: OpponentModel(lr=np.inf), ValueError, "lr and tol"),
        (lambda: OpponentModel(max_iters=1.5), ValueError, "max_iters whole"),
        (lambda: OpponentModel(policy="x"), TypeError, "policy must be"),
        (lambda: OpponentShaping(GAME, LOLA(), "x"), TypeError, "policy must be"),
        (lambda: modelling().step(UNIFORM), ValueError, "step needs known opponents"),
        (lambda: modelling().trajectory(UNIFORM), ValueError, "trajectory needs known opponents"),
        (lambda: modelling().ensemble(UNIFORM), ValueError, "ensemble needs known opponents"),
        (lambda: modelling().jacobian(UNIFORM), ValueError, "jacobian needs known opponents"),
        (lambda: modelling().learn(1, models=np.zeros((3, 2, 2, 5))), ValueError, "models must have"),
        (lambda: OpponentShaping(GAME, LOLA()).learn(1, 0).last_epoch, ValueError, "epochs >= 1"),
        (lambda: LOLA(np.inf), ValueError, "lr_inner must be"),
        (lambda: LOLA(inner_steps=0), ValueError, "inner_steps must be"),
        (lambda: LOLA(inner_steps=1.5), ValueError, "inner_steps must be whole"),
        (lambda: LOLA(form="mine"), ValueError, "form must be"),
        (lambda: LOLA(form="taylor", inner_steps=2), ValueError, "need form='look-ahead'"),
        (lambda: POLA(tol=0.0), ValueError, "tol must be"),
        (lambda: Tabular(start="mine"), ValueError, "start must be"),
        (lambda: Tabular(init_std=-1), ValueError, "init_std must be"),
        (lambda: Preconditioned(K="mine"), ValueError, "K must be"),
        (lambda: Network(0), ValueError, "hidden must be"),
        (lambda: OpponentModel(lr=0.0), ValueError, "lr and tol"),
        (lambda: OpponentShaping(GAME, [Naive()]), ValueError, "rules must be one rule or 2"),
        (lambda: OpponentShaping(GAME, "naive"), ValueError, "rules must be"),
        (lambda: OpponentShaping(GAME, 3), TypeError, "rules must be"),
        (lambda: OpponentShaping(GAME, POLA(), opponent_model=OpponentModel()), ValueError, "does not go"),
        (lambda: OpponentShaping(GAME, LOLA(), Network(), OpponentModel()), ValueError, "tabular own"),
        (
            lambda: OpponentShaping(contribution_game(1.5, 3), LOLA(), Preconditioned()),
            ValueError,
            "2 players",
        ),
        (lambda: OpponentShaping(GAME, LOLA()).learn(np.zeros((2, 4))), ValueError, "theta0 must have"),
        (lambda: OpponentShaping(GAME, LOLA()).learn(1, -1), ValueError, "epochs must be"),
        (lambda: OpponentShaping(GAME, LOLA()).step(np.ones((2, 5, 2))), ValueError, "X must hold"),
        (lambda: OpponentShaping(GAME, LOLA()).step(np.ones((2, 4, 2))), ValueError, "X must have shape"),
    ],
)
def test_learning_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "policy", [Tabular(), Preconditioned(K="paper"), Network(3)], ids=lambda p: type(p).__name__
)
@pytest.mark.parametrize("steps", [1, 3])
def test_closed_form_equals_automatic_differentiation(policy, steps):
    torch = pytest.importorskip("torch")
    from pycrld_econ.shaping.autograd import autograd_update, network_map

    theta = random_parameters(policy, 2, 4, 8) * 3
    if isinstance(policy, Network):
        maps = [network_map(3, policy.codes(2))] * 2
    else:
        maps = [lambda t, K=K: (K @ t[..., None])[..., 0] for K in map(torch.tensor, policy.matrices(2))]
    numbers = {"inner_steps": steps, "inner_beta": 0.4, "outer_beta": 0.3, "outer_steps": 2}
    start = [torch.tensor(theta[:, i]) for i in range(2)]
    auto = np.stack(autograd_update(GAME, maps, start, 0.5, 0.7, **numbers), 1)
    run = OpponentShaping(GAME, LOLA(0.5, 0.7, **numbers), policy).learn(theta)
    np.testing.assert_allclose(run.parameters, auto, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("numbers", "error", "message"),
    [
        ({"lr_outer": -1.0}, ValueError, "lr_outer must be"),
        ({"lr_inner": float("nan")}, ValueError, "lr_inner must be"),
        ({"outer_steps": 0}, ValueError, "outer_steps must be"),
        ({"inner_steps": 1.5}, ValueError, "inner_steps must be"),
        ({"lr_outer": 1e308}, ValueError, "not finite"),
        ({"tol": 1e-9, "outer_beta": 1.0, "outer_steps": 2}, RuntimeError, "not solved after outer_steps=2"),
    ],
)
def test_automatic_updates_refuse(numbers, error, message):
    torch = pytest.importorskip("torch")
    from pycrld_econ.shaping.autograd import autograd_update, table_map

    start = [torch.zeros(5, dtype=torch.float64)] * 2
    game = IteratedGame(1e3 * GAME.payoffs, 0.9) if numbers.get("lr_outer", 0) > 1 else GAME
    with pytest.raises(error, match=message):
        autograd_update(game, [table_map] * 2, start, **({"lr_inner": 0.3, "lr_outer": 0.3} | numbers))


def test_values_pass_gradcheck():
    torch = pytest.importorskip("torch")
    from pycrld_econ.shaping.autograd import look_ahead_value, table_map, torch_values

    z = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: torch_values(GAME, x), z)
    assert torch.autograd.gradgradcheck(lambda x: torch_values(GAME, x)[0], z)
    w = z.detach()[1]
    ahead = lambda x: look_ahead_value(GAME, [table_map] * 2, [x, w], 0, 0.5, 2, 0.3)  # noqa: E731
    assert torch.autograd.gradcheck(ahead, z.detach()[0].requires_grad_())


def test_higher_refuses_to_maximise():
    torch = pytest.importorskip("torch")
    pytest.importorskip("higher")
    from pycrld_econ.shaping.autograd import higher_look_ahead

    net = torch.nn.Linear(6, 1).double()
    climber = torch.optim.SGD(net.parameters(), lr=0.1, maximize=True)
    with pytest.raises(ValueError, match="must minimise"):
        higher_look_ahead(GAME, net, net, climber, torch.zeros(5, 6, dtype=torch.float64))


def test_torch_is_imported_only_by_the_torch_path():
    code = (
        "import sys, pycrld_econ.shaping, pycrld_econ.shaping.autograd, pycrld_econ.shaping.experiments\n"
        "import pycrld_econ.shaping.consistency, pycrld_econ.shaping.commands, pycrld_econ.shaping.symbolic\n"
        "print(sorted({'torch', 'higher', 'sympy', 'pandas', 'numba', 'yaml'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
