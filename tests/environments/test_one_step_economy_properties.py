"""Properties of taxes, of the one-step economy and of its closed forms, on random economies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from pycrld_econ.environments import labour_supply as supply
from pycrld_econ.environments import saez, taxes
from pycrld_econ.environments.one_step_economy import (
    OneStepEconomy,
    additive_parts,
    expected_payoffs,
    expected_skills,
    own_payoffs,
    payoffs_with_planner,
    sampled_skills,
    sequential_game,
    simultaneous_game,
    workers_game,
)

seeds = st.integers(0, 2**32 - 1)


def random_economy(seed: int, n: int = 3, A: int = 4, B: int = 2, **options) -> OneStepEconomy:
    rng = np.random.default_rng(seed)
    given = {
        "c": rng.uniform(0.005, 0.05),
        "delta": rng.uniform(1.5, 3),
        "cutoffs": np.append(0, np.cumsum(rng.uniform(5, 60, B - 1))),
        "rates": rng.uniform(0, 1, B),
    }
    hours = np.sort(rng.choice(100, A, replace=False)).astype(float)
    return OneStepEconomy(rng.uniform(1, 3, n), hours, **{**given, **options})


def tax_by_steps(income: float, cutoffs: np.ndarray, rates: np.ndarray) -> float:
    """The definition, bracket by bracket."""
    due = 0.0
    for b, low in enumerate(cutoffs):
        high = cutoffs[b + 1] if b + 1 < len(cutoffs) else np.inf
        if income > low:
            due += rates[b] * (min(income, high) - low)
    return due


@given(seeds)
def test_tax_is_what_brackets_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cutoffs, rates = np.append(0, np.cumsum(rng.uniform(1, 50, 3))), rng.uniform(0, 1, 4)
    income = rng.uniform(0, 300, 5)
    expected = [tax_by_steps(z, cutoffs, rates) for z in income]
    np.testing.assert_allclose(taxes.tax_due(income, cutoffs, rates), expected, atol=1e-10)
    step = 1e-6
    slope = (taxes.tax_due(income + step, cutoffs, rates) - taxes.tax_due(income, cutoffs, rates)) / step
    np.testing.assert_allclose(slope, taxes.marginal_rate(income, cutoffs, rates), atol=1e-6)


@given(seeds, st.sampled_from([2, 5, 29, 30, 40]))
def test_gini_is_invariant_to_order_and_unit(seed: int, n: int) -> None:
    x = np.random.default_rng(seed).uniform(1, 100, n)
    index = taxes.gini(x)
    assert 0 <= index <= 1
    np.testing.assert_allclose([taxes.gini(x[::-1]), taxes.gini(9 * x)], index, atol=1e-10)
    assert taxes.gini(x + 50) < index  # a lump sum makes more equal


@given(seeds)
def test_money_is_conserved_and_rewards_are_payoffs_of_the_game(seed: int) -> None:
    economy = random_economy(seed)
    payoffs = workers_game(economy).payoffs()
    for place in itertools.islice(itertools.product(range(4), repeat=3), 0, 64, 7):
        hours = economy.labour_grid[list(place)]
        np.testing.assert_allclose(economy.coin(hours).sum(), economy.incomes(hours).sum())
        np.testing.assert_allclose(payoffs[(slice(None), *place)], economy.rewards(hours))


@given(seeds)
def test_additive_form_is_the_tensor(seed: int) -> None:
    economy = random_economy(seed)
    own, shared = additive_parts(economy)
    payoffs = workers_game(economy).payoffs()
    for place in itertools.product(range(4), repeat=3):
        for i in range(3):
            others = sum(shared[j, place[j]] for j in range(3) if j != i)
            np.testing.assert_allclose(payoffs[(i, *place)], own[i, place[i]] + others, atol=1e-9)
    np.testing.assert_allclose(own_payoffs(economy, economy.rates), own, atol=1e-10)


@given(seeds)
def test_expected_payoffs_are_averages_over_the_others(seed: int) -> None:
    economy = random_economy(seed)
    X = np.random.default_rng(seed).dirichlet(np.ones(4), size=3)
    payoffs = workers_game(economy).payoffs()
    expected = [
        np.einsum("abc,b,c->a", payoffs[0], X[1], X[2]),
        np.einsum("abc,a,c->b", payoffs[1], X[0], X[2]),
        np.einsum("abc,a,b->c", payoffs[2], X[0], X[1]),
    ]
    np.testing.assert_allclose(expected_payoffs(economy, X), expected, atol=1e-9)


@given(seeds)
def test_best_hours_are_a_dominant_strategy(seed: int) -> None:
    economy = random_economy(seed)
    best = additive_parts(economy)[0].argmax(1)
    payoffs = workers_game(economy).payoffs()
    for i in range(3):
        table = np.moveaxis(payoffs[i], i, 0)
        assert (table[best[i]] >= table - 1e-9).all()


@given(seeds, st.floats(0, 1))
def test_continuous_hours_beat_a_fine_grid(seed: int, flat: float) -> None:
    economy = random_economy(seed)
    for judged in (economy, economy.with_rates(flat)):
        hours = supply.labour_supply(judged)

        def gain(l: np.ndarray, judged: OneStepEconomy = judged) -> np.ndarray:  # noqa: E741
            z = judged.skills[:, None] * l
            kept = z - judged.kappa * taxes.tax_due(z, judged.cutoffs, judged.rates)
            return kept - judged.disutility(l)

        grid = np.linspace(0, 100, 2001)
        assert (gain(hours[:, None])[:, 0] >= gain(grid[None]).max(1) - 1e-9).all()


def test_expected_skills_are_means_of_order_statistics() -> None:
    drawn = np.mean([sampled_skills(5, 2.5, rng=seed) for seed in range(60)], axis=0)
    np.testing.assert_allclose(expected_skills(5, 2.5), drawn, atol=5e-3)
    assert (np.diff(expected_skills(40)) > 0).all()


@given(seeds)
def test_optimal_flat_tax_is_the_maximum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, delta = int(rng.integers(2, 8)), rng.uniform(1.8, 4)
    skills = rng.uniform(1, 3, n)
    economy = OneStepEconomy(skills, c=1.0 / (delta * 50 ** (delta - 1)), delta=delta)
    best = supply.optimal_flat_tax(economy)
    ended = minimize_scalar(
        lambda rate: -float(supply.flat_welfare(economy, rate)),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-10},
    )
    if best.rate < 1:
        np.testing.assert_allclose(best.rate, ended.x, atol=1e-4)
    assert best.large_rate <= best.rate + 1e-12


def test_planner_games_hold_the_same_payoffs() -> None:
    economy = random_economy(5, n=2, A=3, B=1)
    schedules = np.array([[0.0], [0.5]])
    payoffs = payoffs_with_planner(economy, schedules)
    assert payoffs.shape == (3, 3, 3, 2)
    np.testing.assert_array_equal(simultaneous_game(economy, schedules).payoffs(), payoffs)
    tree = sequential_game(economy, schedules)
    for j in range(2):
        np.testing.assert_array_equal(tree.R[:, 1 + j, :3, :3, 0, 0], payoffs[..., j])
    assert (tree.T[1:, ..., 0] == 1).all() and (tree.R[:, 0] == 0).all()


@pytest.mark.parametrize("weights", saez.WEIGHTS)
def test_saez_rates_do_not_depend_on_the_order_of_incomes(weights: str) -> None:
    incomes = np.random.default_rng(0).lognormal(3, 0.7, 3000)
    first, second = (
        saez.saez_rates(saez.bin_incomes(z, 100.0), 0.5, weights) for z in (incomes, incomes[::-1])
    )
    np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)


def test_saez_rates_fall_with_the_elasticity() -> None:
    binned = saez.bin_incomes(np.random.default_rng(1).lognormal(3, 0.7, 3000), 60.0)
    rates = np.array([saez.saez_rates(binned, e) for e in (0.2, 0.5, 1.0)])
    assert (np.diff(rates, axis=0) <= 1e-12).all()
    held = np.append(binned.counts > 0, True)  # empty bins at the start rise from 0
    np.testing.assert_allclose(saez.saez_rates(binned, 0.0)[held], 1, atol=1e-4)


def test_bracket_rates_collect_what_bins_do() -> None:
    rng = np.random.default_rng(2)
    edges, cutoffs = np.linspace(0, 90, 101), np.array([0, 20.5, 47.3, 90])
    bins = rng.uniform(0, 1, 101)
    rates = saez.bracket_rates(bins, edges, cutoffs)
    np.testing.assert_allclose(
        taxes.tax_due(cutoffs, cutoffs, rates), taxes.tax_due(cutoffs, edges, bins), atol=1e-10
    )


def test_wrong_arguments_are_named() -> None:
    for build, message in (
        (lambda: random_economy(0, rates=1.5), "rates must be in"),
        (lambda: random_economy(0, rates=[0.1, 0.2, 0.3]), "hold 2 rates"),
        (lambda: random_economy(0, eta=1.0), "eta must be in"),
        (lambda: saez.bin_incomes([], 10.0), "at least 1 income"),
        (lambda: saez.saez_rates(saez.bin_incomes([1.0], 10.0), -1.0), "elasticity must be in"),
        (lambda: saez.relative_weights(saez.bin_incomes([1.0], 10.0), "none"), "weights must be one of"),
        (lambda: expected_skills(3, 1.0), "most must be in"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
