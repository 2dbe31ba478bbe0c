"""Properties of rational inattention, of inattentive learners, and of the planner who sees workers learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.agents import rational_inattention as attention
from pycrld_econ.agents.base import Dynamics
from pycrld_econ.agents.inattentive import InattentiveLearners, choice_game
from pycrld_econ.agents.tax_planner import TaxPlanner, play_flat_tax
from pycrld_econ.analysis import chart_of, lyapunov
from pycrld_econ.environments.labour_supply import optimal_flat_tax
from pycrld_econ.environments.one_step_economy import OneStepEconomy, expected_skills
from pycrld_econ.environments.principal_agent import wage_choice
from pycrld_econ.environments.random_games import random_game

seeds = st.integers(0, 2**32 - 1)
prices = st.floats(0.05, 5)


def problem(seed: int, Z: int = 4, M: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(Z, M)), rng.dirichlet(np.ones(Z))


@given(seeds, prices)
def test_each_step_raises_the_objective(seed: int, price: float) -> None:
    u, mu = problem(seed)
    p = np.random.default_rng(seed).dirichlet(np.ones(3))
    values = []
    for _ in range(15):
        X = attention.tilted(p, u, price)
        values.append(mu @ (X * u).sum(1) - price * attention.mutual_information(X, mu))
        p = attention.blahut_arimoto_step(p, u, mu, price)
    assert (np.diff(values) >= -1e-12).all()


@given(seeds, prices)
def test_gap_bounds_the_distance_from_the_optimum(seed: int, price: float) -> None:
    u, mu = problem(seed)
    rough = attention.inattentive_choice(u, mu, price, Tmax=2)
    fine = attention.inattentive_choice(u, mu, price, 1e-10)
    assert rough.objective <= fine.objective + 1e-9 <= rough.objective + rough.gap + 2e-9


@given(seeds, prices)
def test_a_constant_in_a_state_changes_nothing(seed: int, price: float) -> None:
    u, mu = problem(seed)
    shift = np.random.default_rng(seed).normal(size=(4, 1))
    first, second = (attention.inattentive_choice(v, mu, price, 1e-10) for v in (u, u + shift))
    np.testing.assert_allclose(second.objective, first.objective + mu @ shift[:, 0], atol=1e-8)
    np.testing.assert_allclose(second.information, first.information, atol=1e-5)


@given(seeds)
def test_a_duplicate_action_counts_once(seed: int) -> None:
    u, mu = problem(seed)
    single = attention.inattentive_choice(u, mu, 0.5)
    double = attention.inattentive_choice(np.hstack([u, u[:, :1]]), mu, 0.5)
    np.testing.assert_allclose(double.objective, single.objective, atol=1e-9)


@given(seeds, prices)
def test_information_is_entropy_less_conditional_entropy(seed: int, price: float) -> None:
    u, mu = problem(seed)
    X = attention.tilted(np.full(3, 1 / 3), u, price)
    expected = attention.entropy(attention.marginal(X, mu)) - mu @ attention.entropy(X)
    np.testing.assert_allclose(attention.mutual_information(X, mu), expected, atol=1e-12)


def test_exhausted_steps_are_reported() -> None:
    u, mu = problem(1)
    rough = attention.inattentive_choice(u, mu, 0.5, Tmax=1)
    assert rough.status == attention.Attention.MAX_STEPS and rough.gap > 0 and "gap" in rough.status.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(2), [0.5, 0.6], 1.0), "mu must be probabilities"),
        ((np.eye(2), [1.0], 1.0), "payoffs must be"),
        ((np.eye(2), [0.5, 0.5], 0.0), "price must be > 0"),
        ((np.full((2, 2), np.nan), [0.5, 0.5], 1.0), "payoffs must be finite"),
    ],
)
def test_wrong_problems_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attention.inattentive_choice(*arguments)


@given(seeds)
def test_batches_move_as_single_points(seed: int) -> None:
    learner = InattentiveLearners(random_game(2, 3, 4, rng=seed), [0.1, 0.3], [0.9, 0.5], [0.7, 1.5])
    assert isinstance(learner, Dynamics)
    X = learner.random_points(6, rng=seed).reshape(2, 3, *learner.point_shape)
    after, drive = learner.step(X)
    np.testing.assert_allclose(after.sum(-1), 1)
    for place in np.ndindex(2, 3):
        one, own = learner.step(X[place])
        np.testing.assert_array_equal(after[place], one)
        np.testing.assert_array_equal(drive[place], own)


@given(seeds)
def test_small_steps_follow_the_flow(seed: int) -> None:
    game = random_game(2, 3, 4, rng=seed)
    slow = InattentiveLearners(game, 1e-5, 0.8, [0.7, 1.5])
    X = slow.random_softmax_strategy(rng=seed)
    np.testing.assert_allclose((slow.step(X)[0] - X) / 1e-5, slow.vector_field(X), atol=1e-2, rtol=1e-2)
    np.testing.assert_allclose(slow.vector_field(X).sum(-1), 0, atol=1e-12)


def test_price_zero_is_the_actor_critic_also_on_faces() -> None:
    game = random_game(2, 3, 4, rng=2)
    X = np.zeros((2, 4, 3))
    X[..., 0], X[..., 1] = 0.25, 0.75
    rational = StrategyActorCritic(game, 0.2, 0.8)
    np.testing.assert_allclose(
        InattentiveLearners(game, 0.2, 0.8, 0.0).step(X)[0], rational.step(X)[0], atol=1e-13
    )


def test_one_blahut_arimoto_step_is_learning_at_full_rate() -> None:
    u, mu = problem(3)
    learner = InattentiveLearners(choice_game(u, mu), 2.0, prices=0.5, visits=mu)
    X = learner.random_softmax_strategy(rng=0)
    expected = attention.tilted(attention.marginal(X[0], mu), u, 0.5)
    np.testing.assert_allclose(learner.step(X)[0][0], expected, atol=1e-12)


def test_looking_further_ahead_brings_the_planner_nearer_to_the_leader() -> None:
    economy = OneStepEconomy(expected_skills(4), c=0.0125)
    ends = [play_flat_tax(economy, K) for K in (0, 1, 2, 4, np.inf)]
    welfare = [end.welfare for end in ends]
    assert welfare == sorted(welfare)
    np.testing.assert_allclose(ends[-1].rate, optimal_flat_tax(economy).rate, atol=1e-6)


def test_planner_who_looks_one_full_step_ahead_is_the_leader() -> None:
    economy = OneStepEconomy(expected_skills(3), c=0.02, delta=2.5)
    one, leader = (play_flat_tax(economy, K, worker_rate=1.0) for K in (1, np.inf))
    np.testing.assert_allclose(one.rate, leader.rate, atol=1e-9)


def test_shaping_planner_reaches_the_same_tax_from_both_sides() -> None:
    ends = []
    for start in (0.0, 1.0):
        economy = OneStepEconomy(expected_skills(3), np.arange(0, 101, 25.0), c=0.0125, rates=start)
        ends.append(TaxPlanner(economy, beta=0.05).run().rates[-1])
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-4)
    assert 0 < ends[0] < 1


def test_wrong_planners_are_refused() -> None:
    economy = OneStepEconomy(expected_skills(2), [0.0, 50.0], c=0.0125)
    with pytest.raises(ValueError, match="lookahead must be"):
        TaxPlanner(economy, beta=1.0, lookahead=-1)
    with pytest.raises(ValueError, match="worker_rate in"):
        play_flat_tax(economy, 1, worker_rate=0.0)
    with pytest.raises(ValueError, match="X must be positive"):
        TaxPlanner(economy, beta=1.0).run(np.array([[1.0, 0.0]] * 2))


@pytest.mark.parametrize("visits", [None, (0.1, 0.2, 0.3, 0.4)])
def test_derivative_is_what_differences_say(visits: tuple[float, ...] | None) -> None:
    learner = InattentiveLearners(
        random_game(2, 3, 4, rng=7), [0.1, 0.3], [0.9, 0.5], [0.7, 1.5], visits=visits
    )
    X = learner.random_points(2, rng=1)
    chart = chart_of(learner)
    u = chart.to(X)
    np.testing.assert_allclose(chart.back(u), X, atol=1e-14)
    nudge = 1e-6 * np.eye(chart.size)
    numeric = (chart.step(u[:, None] + nudge) - chart.step(u[:, None] - nudge)) / 2e-6
    np.testing.assert_allclose(chart.jacobian(u), np.swapaxes(numeric, -1, -2), atol=1e-8)


def test_analysis_takes_inattentive_learners() -> None:
    u, mu = problem(4)
    learner = InattentiveLearners(choice_game(u, mu), 0.5, prices=1.0)
    best = attention.inattentive_choice(u, mu, 1.0)
    ends = learner.ensemble(20, 20_000, 1e-12, rng=0)
    assert ends.converged.all()
    np.testing.assert_allclose(ends.X[:, 0], np.broadcast_to(best.X, (20, 4, 3)), atol=1e-6)
    # Deep in a corner, where probabilities underflow, learning goes on.
    world = InattentiveLearners(random_game(2, 3, 4, rng=7), 0.3, 0.9, 1.0)
    deep = world.learn(np.full((2, 8), -2000.0), 300).parameters
    assert np.isfinite(deep).all()
    exponents = lyapunov(learner, ends.X[0], steps=200, transient=10, blocks=4)
    assert (np.asarray(exponents.exponents) <= 1e-3).all()


def test_ensembles_end_as_trajectories_do() -> None:
    learner = InattentiveLearners(random_game(2, 3, 4, rng=8), [0.1, 0.3], 0.5, [0.7, 1.5])
    starts = learner.random_points(4, rng=2).reshape(2, 2, *learner.point_shape)
    ends = learner.ensemble(starts, 60, 1e-4, record=7)
    for place in np.ndindex(2, 2):
        path, at_rest = learner.trajectory(starts[place], 60, 1e-4)
        assert (ends.length[place], ends.converged[place]) == (len(path), at_rest)
        np.testing.assert_allclose(ends.records[place], path[::7], atol=1e-13)


def test_other_prices_leave_all_else_as_it_is() -> None:
    game = random_game(2, 2, 3, rng=1)
    learners = InattentiveLearners(game, [0.1, 0.2], [0.5, 0.7], [1.0, 2.0], True, visits=[0.2, 0.3, 0.5])
    X = learners.random_softmax_strategy(rng=0)
    cheap = InattentiveLearners(game, [0.1, 0.2], [0.5, 0.7], 0.5, True, visits=[0.2, 0.3, 0.5])
    np.testing.assert_array_equal(learners.with_parameters(prices=0.5).step(X)[0], cheap.step(X)[0])
    assert learners.prices.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="unknown parameter 'price', known are env, learning_rates"):
        learners.with_parameters(price=0.5)
    with pytest.raises(ValueError, match="must be at most 1"):
        learners.with_parameters(prices=20.0)


def test_attention_gets_less_and_wage_gaps_close_as_its_price_rises() -> None:
    payoffs, mu = wage_choice(), np.full(5, 0.2)
    learners = InattentiveLearners(choice_game(payoffs, mu), 0.04, visits=mu)
    wages, gaps, nats = np.arange(payoffs.shape[1]), [], []
    X = learners.zero_intelligence_strategy()
    for price in (2.0, 10.0, 20.0):
        swept = learners.with_parameters(prices=price, learning_rates=0.9 / price)
        X = swept.trajectory(learners.zero_intelligence_strategy(), 2000, 1e-7)[0][-1]
        gaps.append(float((X[0, -1] - X[0, 0]) @ wages))
        nats.append(float(swept.information(X)[0]))
    np.testing.assert_allclose(nats, [0.8407, 0.1755, 0.0], atol=1e-3)
    assert (np.diff(gaps) < 0).all() and abs(gaps[-1]) < 0.05
