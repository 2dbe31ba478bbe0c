"""The real-business-cycle economy: identities, options, devices, mistakes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pycrld_econ.validation.backend import Lanes
from pycrld_econ.validation.simulators.rbc import (
    Compat,
    Economy,
    EconomyConfig,
    Grids,
    World,
    analytic,
    exact,
    rules,
)
from pycrld_econ.validation.simulators.rbc.utility import coefficients, utility
from simulated import simulated

GRIDS = Grids((0.0, 1.0, 5.0), (0.0, 520.0), ((500.0, 11.0, 0.1), (1000.0, 0.0, 0.0), (2000.0, 44.0, 0.5)),
              ((0.0, 0.0), (0.4, 0.8)))  # fmt: skip
SMALL = EconomyConfig(3, 2, World(interest_rate=0.0, initial_stocks=2.0), GRIDS)


def actions(config: EconomyConfig, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    firms, consumers, grids = config.num_firms, config.num_consumers, config.grids
    return (
        rng.integers(0, len(grids.consumption), (n, firms, consumers)),
        rng.integers(0, len(grids.hours), (n, consumers)),
        rng.integers(0, firms, (n, consumers)),
        rng.integers(0, len(grids.firm), (n, firms)),
        rng.integers(0, len(grids.government), n),
    )


@given(seed=st.integers(0, 2**31), dust=st.booleans(), export=st.booleans())
@settings(max_examples=20, deadline=None)
def test_money_is_conserved(seed: int, dust: bool, export: bool) -> None:
    """Without interest, all money comes from exports and dust, and all goods from production."""
    world = replace(SMALL.world, use_importer=export)
    config = replace(SMALL, world=world, compat=Compat(dust=dust))
    economy, rng = Economy(config, 4, dtype="float64"), np.random.default_rng(seed)
    for _ in range(6):
        before = economy.snapshot()
        step = economy.step(*actions(config, 4, rng))
        after = economy.snapshot()
        change = (after["budget"] - before["budget"]).sum(1) + (
            after["firm_budget"] - before["firm_budget"]
        ).sum(1)
        change += (after["capital"] - before["capital"]).sum(1)
        brought = (step.exported * before["price"]).sum(1) + (0.01 * config.num_consumers if dust else 0.0)
        np.testing.assert_allclose(change, brought, rtol=1e-9, atol=1e-9)
        assert (after["stock"] >= -1e-9).all() and (after["budget"] >= -1e-9).all()
        assert (step.consumption.sum(2) <= before["stock"] + 1e-9).all()
        assert (step.exported >= 0).all() and (step.exported <= world.importer_quantity).all()


def test_switches_of_the_original_have_both_sides() -> None:
    world = replace(SMALL.world, initial_prices=500.0, importer_price=500.0)
    sold = {}
    for compat in (Compat(), Compat.original()):
        economy = Economy(replace(SMALL, world=world, compat=compat), 1, dtype="float64")
        nothing = (
            np.zeros((1, 2, 3), int),
            np.zeros((1, 3), int),
            np.zeros((1, 3), int),
            np.zeros((1, 2), int),
        )
        step = economy.step(*nothing, np.zeros(1, int))
        sold[compat.export_at_minimum] = step.exported.sum()
        found = economy.snapshot()["budget"] - world.initial_consumer_endowment
        np.testing.assert_allclose(found, 0.01 if compat.dust else 0.0, atol=1e-12)
    assert sold == {False: 0.0, True: 4.0}


def test_the_last_actions_of_firms_and_government_change_no_reward() -> None:
    rng = np.random.default_rng(1)
    one, other = (Economy(SMALL, 5, dtype="float64") for _ in range(2))
    demand, hours, employer, firm, government = actions(SMALL, 5, rng)
    first = one.step(demand, hours, employer, firm, government)
    second = other.step(demand, hours, employer, firm[::-1].copy(), 1 - government)
    np.testing.assert_array_equal(first.consumer_reward, second.consumer_reward)
    changed = np.abs(first.firm_reward - second.firm_reward)
    assert changed.max() > 0  # the share invested belongs to the posted action
    keep = firm[:, :, None] == firm[::-1][:, :, None]
    np.testing.assert_array_equal(changed[keep[..., 0]], 0)


def test_capital_wears_off_and_technology_moves() -> None:
    world = replace(SMALL.world, depreciation=0.1, technology_persistence=0.9, technology_spread=0.2)
    config = replace(SMALL, world=world)
    economy = Economy(config, 4000, seed=3, dtype="float64")
    idle = actions(config, 4000, np.random.default_rng(1))
    idle[3][:] = 1  # no investment
    shocks = []
    for _ in range(3):
        economy.step(*idle)
        shocks.append(economy.snapshot()["shock"].copy())
    np.testing.assert_allclose(economy.snapshot()["capital"][0], config.capitals() * 0.9**3)
    innovation = shocks[2] - 0.9 * shocks[1]
    assert abs(innovation.mean()) < 5 * 0.2 / 4000**0.5
    assert innovation.std() == pytest.approx(0.2, rel=0.06)
    again = Economy(config, 7, seed=3, dtype="float64")
    for _ in range(3):
        again.step(*(array[:7].copy() for array in idle))
    np.testing.assert_array_equal(again.snapshot()["shock"], shocks[2][:7])


def test_snapshots_resume_exactly_and_threads_do_not_matter() -> None:
    config = replace(SMALL, world=replace(SMALL.world, technology_spread=0.1))
    one, two = Economy(config, 9, seed=1, threads=1), Economy(config, 9, seed=1, threads=3)
    plan = [actions(config, 9, np.random.default_rng(k)) for k in range(4)]
    for k in range(2):
        one.step(*plan[k]), two.step(*plan[k])
    fresh = Economy(config, 9, seed=1)
    fresh.load(one.snapshot())
    for k in (2, 3):
        expected = one.step(*plan[k])
        for other in (two, fresh):
            found = other.step(*plan[k])
            for name in ("consumer_reward", "firm_reward", "consumption", "exported"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_the_rules_are_the_same_interpreted() -> None:
    rng = np.random.default_rng(2)
    fast, slow = Economy(SMALL, 2, dtype="float64"), Economy(SMALL, 2, dtype="float64")
    slow._rule = Lanes(rules, "step", compile=False)
    for _ in range(3):
        chosen = actions(SMALL, 2, rng)
        a, b = fast.step(*chosen), slow.step(*chosen)
        np.testing.assert_allclose(a.consumer_reward, b.consumer_reward, rtol=1e-12)
        np.testing.assert_allclose(a.firm_reward, b.firm_reward, rtol=1e-12)


@given(eta=st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 3.5]), most=st.floats(0.5, 50.0), kind=st.booleans())
@example(eta=2.0, most=27.484375, kind=True)
@settings(max_examples=25, deadline=None)
def test_utility_polynomials_are_accurate(eta: float, most: float, kind: bool) -> None:
    dtype, tolerance = ("float64", 1e-12) if kind else ("float32", 3e-7)
    powers = coefficients(eta, most, dtype)
    c = np.linspace(0, most, 101)[1:]
    if len(powers):
        x = np.sqrt(1 + most)
        found = c * np.polyval(powers.astype(float), (1 + c - x) / (1 + c + x))
        np.testing.assert_allclose(found, utility(c, eta), rtol=tolerance)


@pytest.mark.parametrize("eta", [1.0, 0.3])
def test_a_power_does_where_no_polynomial_does(eta: float) -> None:
    grids = replace(GRIDS, consumption=(0.0, 1e12))
    world = replace(SMALL.world, crra_param=eta, consumer_theta=0.0)
    economy = Economy(replace(SMALL, world=world, grids=grids), 1, dtype="float64")
    assert not len(economy.constants.polynomial)
    step = economy.step(*actions(economy.config, 1, np.random.default_rng(0)))
    expected = utility(step.consumption, eta).sum(1)
    np.testing.assert_allclose(step.consumer_reward, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_utilities_without_a_polynomial_are_accurate_for_little(dtype: str) -> None:
    """A power less 1 would lose what little consumption is worth."""
    grids = replace(GRIDS, consumption=(1e-5, 100.0))
    world = replace(SMALL.world, crra_param=2.0, consumer_theta=0.0)
    economy = Economy(replace(SMALL, world=world, grids=grids), 1, dtype=dtype)
    assert not len(economy.constants.polynomial)
    idle = actions(economy.config, 1, np.random.default_rng(0))
    idle[0][:] = 0
    step = economy.step(*idle)
    expected = utility(step.consumption, 2.0).sum(1)
    np.testing.assert_allclose(step.consumer_reward, expected, rtol=1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize(("build", "message"), [
    (lambda: EconomyConfig(0, 1), "num_consumers must be at least 1, got 0"),
    (lambda: EconomyConfig(5, 11), "num_firms must be at most 10 with fixed_array, got 11"),
    (lambda: EconomyConfig(5, 1, World(production_alpha="proportional")), "num_firms must be at least 2"),
    (lambda: World(initial_capital="three"), "initial_capital must be one of twolevel"),
    (lambda: World(crra_param=-1.0), "crra_param must be at least 0"),
    (lambda: World(importer_price=float("nan")), "importer_price must be at least 0 and finite, got nan"),
    (lambda: World(initial_firm_endowment=float("nan")), "initial_firm_endowment must be finite or None, got nan"),
    (lambda: World(boost_firm_reward_factor=-1.0), "boost_firm_reward_factor must be at least 0 and finite"),
    (lambda: World(technology=0.0), "technology must be > 0"),
    (lambda: World(technology_persistence=1.0), r"technology_persistence must be in \[0, 1\)"),
    (lambda: Grids(government=((0.0, 1.5),)), "government must have rows"),
    (lambda: Grids(hours=()), "hours must be numbers"),
    (lambda: Economy(SMALL, 0), "n_envs must be at least 1, got 0"),
    (lambda: Economy(SMALL, 1, dtype="float16"), "dtype must be one of float32, float64"),
])  # fmt: skip
def test_impossible_economies_are_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_impossible_actions_are_refused() -> None:
    economy, chosen = Economy(SMALL, 2), list(actions(SMALL, 2, np.random.default_rng(0)))
    before = economy.snapshot()
    for k, name in enumerate(("demand", "hours", "employer", "firm", "government")):
        bad = [array.copy() for array in chosen]
        bad[k].flat[0] = 99
        with pytest.raises(ValueError, match=f"{name} must be in 0"):
            economy.step(*bad)
        bad[k] = bad[k][:1]
        with pytest.raises(ValueError, match=f"{name} must be whole numbers of shape"):
            economy.step(*bad)
    for name, array in economy.snapshot().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(ValueError, match="snapshot has no price, wage, stock, .*, clock"):
        economy.load({})
    with pytest.raises(ValueError, match=r"snapshot\['price'\] must have shape"):
        economy.load(before | {"price": before["price"][:1]})


LITTLE = EconomyConfig(2, 1, World(maxtime=2, initial_prices=200.0, initial_wages=1.0, initial_stocks=1.0,
                                   initial_consumer_endowment=100.0, initial_firm_endowment=0.0, interest_rate=0.0,
                                   production_alpha=1.0, initial_capital="unit", use_importer=False),
                       Grids((0.0, 1.0), (0.0, 100.0), ((100.0, 1.0, 0.0), (200.0, 2.0, 0.0)),
                             ((0.0, 0.0), (0.5, 0.5))))  # fmt: skip


def test_backward_induction_and_policy_iteration_agree_on_a_tree() -> None:
    tree, rng = exact.reachable_tree(LITTLE, {}, 2), np.random.default_rng(0)
    policies = [
        [rng.dirichlet(np.ones(size), len(level)) for size in tree.action_dims] for level in tree.levels[:-1]
    ]
    game, gamma = tree.game(), 0.9
    flat = [np.concatenate([level[agent] for level in policies]) for agent in range(4)]
    again = 1 - gamma**2  # the game begins anew after two steps
    np.testing.assert_allclose(tree.values(policies, gamma), exact.values(game, flat, gamma)[:, 0] * again)
    for agent in range(4):
        chosen, best = tree.best_response(policies, agent, gamma)
        assert best == pytest.approx(exact.best_response(game, flat, agent, gamma)[1][0] * again)
        replaced = [
            [np.eye(size)[actions] if k == agent else level[k] for k, size in enumerate(tree.action_dims)]
            for level, actions in zip(policies, chosen, strict=True)
        ]
        assert tree.values(replaced, gamma)[agent] == pytest.approx(best)
        assert best >= tree.values(policies, gamma)[agent]


def test_games_without_chance_refuse_what_they_cannot_say() -> None:
    budgets = stocks = np.array([0.0, 1.0])
    risky = replace(LITTLE, world=replace(LITTLE.world, technology_spread=0.1))
    boosted = replace(LITTLE, world=replace(LITTLE.world, should_boost_firm_reward=True))
    for build, message in (
        (lambda: exact.grid_game(risky, budgets, stocks), "technology_spread must be 0 .* got 0.1"),
        (lambda: exact.reachable_tree(risky, {}, 1), "technology_spread must be 0 .* got 0.1"),
        (lambda: exact.grid_game(boosted, budgets, stocks), "should_boost_firm_reward must be off"),
        (lambda: exact.reachable_tree(LITTLE, {"shock": np.ones(1), "moon": 1}, 1), "start has moon, shock;"),
        (lambda: exact.reachable_tree(LITTLE, {"stock": np.ones(2)}, 1), r"start\['stock'\] must have shape"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_what_the_last_step_is_good_for() -> None:
    """Nobody works in it and everybody buys all they can; what firms and the government post changes nothing."""
    tree = exact.reachable_tree(LITTLE, {}, 2)
    uniform = [
        [np.full((len(level), size), 1 / size) for size in tree.action_dims] for level in tree.levels[:-1]
    ]
    menu = exact.consumer_actions(LITTLE)  # units, hours, employer
    for consumer in (0, 1):
        last = menu[tree.best_response(uniform, consumer, 1.0)[0][-1]]
        assert not last[:, 1].any()
        stock, budget = tree.levels[1][:, 2], tree.levels[1][:, 6 + consumer]
        assert (last[(stock > 0) & (budget > 0), 0] == 1).all()
    for agent in (2, 3):
        assert not tree.best_response(uniform, agent, 1.0)[0][-1].any()  # all equally good: the first


@given(budget=st.floats(0.0, 6e4), seed=st.integers(0, 1000), eta=st.sampled_from([0.1, 0.5, 2.0]))
@settings(max_examples=30, deadline=None)
def test_demand_is_the_best_use_of_a_budget(budget: float, seed: int, eta: float) -> None:
    """It spends the budget, or buys all; no other way to spend it is better."""
    rng = np.random.default_rng(seed)
    prices = rng.uniform(500, 2500, 4)
    bought = analytic.demand(prices, budget, eta)
    assert prices @ bought == pytest.approx(min(budget, 10 * prices.sum()), rel=1e-6, abs=1e-6)
    others = rng.dirichlet(np.ones(4), 200) * budget / prices
    others = others[(others <= 10).all(1)]
    assert (utility(others, eta).sum(1) <= utility(bought, eta).sum() * (1 + 1e-9) + 1e-9).all()


def test_demand_and_work_are_nearly_all_or_nothing() -> None:
    np.testing.assert_allclose(analytic.demand(np.array([1000.0, 1272.0]), 9999.0), [9.999, 0.0], atol=1e-9)
    assert (analytic.demand(np.array([1000.0, 1270.0]), 9999.0) > 0).all()
    with pytest.raises(ValueError, match="prices must be a row of numbers > 0"):
        analytic.demand(np.array([0.0]), 1.0)
    # The tree of a firm who pays 1 for an hour and sells at 100, beside what the threshold says.
    prices = replace(
        LITTLE.world, initial_prices=100.0, initial_consumer_endowment=0.0, paretoscaletheta=None
    )
    posts = replace(LITTLE.grids, firm=((100.0, 1.0, 0.0),), government=((0.0, 0.0),), hours=(0.0, 1.0))
    limit = analytic.working_threshold(100.0, 1.0, 0.01)
    for theta, works in ((0.9 * limit, 1), (1.1 * limit, 0)):
        config = replace(LITTLE, num_consumers=1, world=replace(prices, consumer_theta=theta), grids=posts)
        tree = exact.reachable_tree(config, {}, 2)
        alone = [
            [np.full((len(level), size), 1 / size) for size in tree.action_dims] for level in tree.levels[:-1]
        ]
        first = exact.consumer_actions(config)[tree.best_response(alone, 0, 1.0)[0][0][0]]
        assert first[1] == works


def test_a_game_of_prices_is_a_grid_of_one_stock_and_one_budget() -> None:
    idle = replace(LITTLE, grids=replace(LITTLE.grids, hours=(0.0,)))
    game = exact.grid_game(idle, budgets=np.array([150.0]), stocks=np.array([1.0]))
    assert game.rewards.shape == (4, 4, 4 * 4) and (game.transition().max(-1) == 1).all()
    posted = np.ravel_multi_index(tuple(game.joint_actions[:, 2:].T), (2, 2))
    np.testing.assert_array_equal(game.successors[..., 0], np.broadcast_to(posted, (4, 16)))


def digest(device: str) -> str:
    """Rewards of a few steps, as text."""
    config = replace(SMALL, world=replace(SMALL.world, technology_spread=0.1))
    economy, rng, found = (
        Economy(config, 3, seed=2, dtype="float64", device=device),
        np.random.default_rng(4),
        [],
    )
    for _ in range(2):
        step = economy.step(*actions(config, 3, rng))
        found += [step.consumer_reward.flatten(), step.firm_reward.flatten()]
    return " ".join(f"{value:.9e}" for value in np.concatenate(found))


def test_cuda_gives_the_same_steps() -> None:
    """In numba's simulator, on the same functions."""
    assert simulated(__file__, "digest('cuda')") == digest("cpu")
