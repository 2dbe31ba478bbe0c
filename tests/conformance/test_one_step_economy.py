"""The one-step economy against the original environment, and its closed forms against stored ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.environments import labour_supply as supply
from pycrld_econ.environments import saez, taxes
from pycrld_econ.environments.one_step_economy import (
    OneStepEconomy,
    expected_skills,
    joint_hours,
    sampled_skills,
    workers_game,
)
from pycrld_econ.validation.simulators.one_step_economy import OneStepSimulator

CLOSE = {"rtol": 0.0, "atol": 1e-9}  # tolerances of the specification, section 6
SAEZ = {"rtol": 1e-9, "atol": 0.0}
PRINTED = {"rtol": 0.0, "atol": 5e-7}  # skills are stored with six decimals


def load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(folder / "payoffs.npz", allow_pickle=False) as data:
        return json.loads((folder / "meta.json").read_text()), dict(data)


def schedule_of(notes: dict[str, Any]) -> np.ndarray:
    """Rates of a schedule as the parameters of the original say them."""
    if notes.get("disable_taxes"):
        return np.zeros(7)
    if "fixed_bracket_rates" in notes:
        return np.array(notes["fixed_bracket_rates"], dtype=float)
    assert notes["tax_model"] == "us-federal-single-filer-2018-scaled"
    return np.array(taxes.US_FEDERAL_RATES)


def two_workers(folder: Path) -> Iterator[tuple[str, Any]]:
    meta, data = load(folder)
    two = meta["two"]
    for name, notes in two["schedules"].items():
        prefix = f"two/{name}/"
        arrays = {key.removeprefix(prefix): value for key, value in data.items() if key.startswith(prefix)}
        economy = OneStepEconomy(
            two["skills"],
            two["grid"],
            c=two["labor_cost"],
            delta=two["labor_exponent"],
            cutoffs=taxes.us_federal_cutoffs(two["usd_scaling"]),
            rates=schedule_of(notes),
        )
        yield name, (economy, arrays)


@pytest.mark.reference("one_step_economy", two_workers)
def test_joint_payoffs_of_two_workers(case: tuple[OneStepEconomy, dict[str, np.ndarray]]) -> None:
    economy, stored = case
    hours = joint_hours(economy)
    np.testing.assert_allclose(workers_game(economy).payoffs(), stored["agent_reward"], **CLOSE)
    np.testing.assert_allclose(np.moveaxis(economy.taxes(hours), -1, 0), stored["tax_paid"], **CLOSE)
    np.testing.assert_allclose(np.moveaxis(economy.coin(hours), -1, 0), stored["coin"], **CLOSE)
    for welfare in ("inv_income_weighted_utility", "coin_eq_times_productivity"):
        judged = OneStepEconomy(**{**vars(economy), "welfare": welfare})
        np.testing.assert_allclose(judged.planner_welfare(hours), stored[welfare], **CLOSE)


def swapped_components(folder: Path) -> Iterator[tuple[str, Any]]:
    meta, data = load(folder)
    if "order_tax_first/coin" in data:
        yield "order", (meta["two"], data["order_tax_first/coin"], data["order_tax_first/paid"])


@pytest.mark.reference("one_step_economy", swapped_components)
def test_swapped_components_never_tax(case: tuple[dict[str, Any], np.ndarray, np.ndarray]) -> None:
    two, coin, paid = case
    economy = OneStepEconomy(
        two["skills"],
        two["grid"],
        c=two["labor_cost"],
        cutoffs=taxes.us_federal_cutoffs(two["usd_scaling"]),
        rates=taxes.US_FEDERAL_RATES,
    )
    simulator = OneStepSimulator(economy, 1, tax_first=True)
    hours = coin / economy.skills  # untaxed, as the specification says: income is coin
    places = np.searchsorted(economy.labour_grid, hours)
    np.testing.assert_allclose(economy.labour_grid[places], hours, **CLOSE)
    simulator.episode(np.zeros((1, 7), int), places[None])
    np.testing.assert_allclose(simulator.batch.coin[0], coin, **CLOSE)
    np.testing.assert_allclose(simulator.batch.tax[0], paid, **CLOSE)


def four_workers(folder: Path) -> Iterator[tuple[str, Any]]:
    meta, data = load(folder)
    arrays = {key.removeprefix("four/"): value for key, value in data.items() if key.startswith("four/")}
    for k in range(len(arrays.get("labor", ()))):
        yield f"joint{k}", (meta["four"], {key: rows[k] for key, rows in arrays.items()})


@pytest.mark.reference("one_step_economy", four_workers)
def test_isoelastic_workers_and_a_planner_that_acts(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    notes, stored = case
    cutoffs = np.array(notes["brackets"].split("cut-offs")[1].split(","), dtype=float)
    economy = OneStepEconomy(
        notes["skills"],
        c=notes["labor_cost"],
        cutoffs=cutoffs,
        rates=taxes.rates_from_actions(stored["rate_actions"], notes["rate_step"]),
        welfare="coin_eq_times_productivity",
        equality_weight=0.75,
        utility="isoelastic_coin_minus_labor",
        eta=notes["isoelastic_eta"],
    )
    hours = stored["labor"]
    np.testing.assert_allclose(economy.incomes(hours), stored["inc"], **CLOSE)
    np.testing.assert_allclose(economy.taxes(hours), stored["paid"], **CLOSE)
    np.testing.assert_allclose(economy.coin(hours), stored["coin"], **CLOSE)
    np.testing.assert_allclose(economy.rewards(hours), stored["ra"], **CLOSE)
    np.testing.assert_allclose(economy.planner_welfare(hours), stored["rp"], **CLOSE)


def endowments(folder: Path) -> Iterator[tuple[str, Any]]:
    _, data = load(folder)
    vectors = {key: value for key, value in data.items() if key.startswith("metrics/endow_")}
    ordered = sorted(vectors.items(), key=lambda pair: len(pair[1]))
    metrics = {k.removeprefix("metrics/"): v for k, v in data.items() if k.startswith("metrics/")}
    for k, (key, vector) in enumerate(ordered):
        yield (
            key.split("/")[1],
            (vector, {name: row[k] for name, row in metrics.items() if "endow" not in name}),
        )


@pytest.mark.reference("one_step_economy", endowments)
def test_metrics(case: tuple[np.ndarray, dict[str, float]]) -> None:
    x, stored = case
    np.testing.assert_allclose(taxes.gini(x), stored["gini"], **CLOSE)
    np.testing.assert_allclose(1 - taxes.gini(x), stored["equality"], **CLOSE)
    for key, weight in (("eq_times_prod_w1", 1.0), ("eq_times_prod_w03", 0.3)):
        np.testing.assert_allclose(taxes.equality_times_productivity(x, weight), stored[key], **CLOSE)
    np.testing.assert_allclose(taxes.inverse_income_weights(x) @ x, stored["inv_income_coin"], **CLOSE)


def saez_samples(folder: Path) -> Iterator[tuple[str, Any]]:
    _, data = load(folder)
    sample = {key.removeprefix("saez/"): value for key, value in data.items() if key.startswith("saez/")}
    for name in sorted(key.removeprefix("tau_e") for key in sample if key.startswith("tau_e")):
        yield f"e{name}", (name, sample)


@pytest.mark.reference("one_step_economy", saez_samples)
def test_saez_rates(case: tuple[str, dict[str, np.ndarray]]) -> None:
    name, sample = case
    binned = saez.bin_incomes(sample["incomes"], float(sample["bin_edges"][-1]), len(sample["bin_edges"]) - 1)
    np.testing.assert_allclose(binned.edges, sample["bin_edges"], **SAEZ)
    np.testing.assert_allclose(saez.relative_weights(binned), sample["g"], **SAEZ)
    np.testing.assert_allclose(saez.relative_weights(binned, "uniform"), sample["g_uniform"], **SAEZ)
    np.testing.assert_allclose(saez.tail_parameters(binned), sample["a"], **SAEZ)
    rates = saez.saez_rates(binned, float(name))
    np.testing.assert_allclose(rates, sample[f"tau_e{name}"], **SAEZ)
    cutoffs = taxes.us_federal_cutoffs()
    np.testing.assert_allclose(
        saez.bracket_rates(rates, binned.edges, cutoffs), sample[f"bracket_e{name}"], **SAEZ
    )


@pytest.mark.reference("one_step_economy", saez_samples)
def test_saez_elasticity(case: tuple[str, dict[str, np.ndarray]]) -> None:
    _, sample = case
    found = saez.estimate_elasticity(sample["incomes"], sample["marginal_rates"])
    np.testing.assert_allclose(found.value, sample["elasticity_instant"], **SAEZ)
    np.testing.assert_allclose(found.log_income, sample["log_z0"], **SAEZ)
    planner = saez.new_planner(taxes.us_federal_cutoffs(), size=len(sample["incomes"]), elasticity=0.5)
    planner = saez.observe(planner, sample["incomes"], sample["marginal_rates"])
    np.testing.assert_allclose(
        saez.smoothed_elasticity(planner), sample["elasticity_smoothed_from_0.5"], **SAEZ
    )


def drawn_skills(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    _, data = load(folder)
    for key, rows in data.items():
        if key.startswith("skills/"):
            for k, row in enumerate(np.atleast_2d(rows)):
                yield f"{key.split('/')[1]}-{k}", row


@pytest.mark.reference("one_step_economy", drawn_skills)
def test_drawn_skills_scatter_around_the_expected_ones(case: np.ndarray) -> None:
    n = len(case)
    ours = np.array([sampled_skills(n, rng=seed) for seed in range(20)])
    assert (np.abs(case - expected_skills(n)) < 5 * ours.std(0) + 1e-9).all()


def bridges(folder: Path) -> Iterator[tuple[str, Any]]:
    yield from json.loads((folder / "bridge.json").read_text()).items()


def economy_of(notes: dict[str, Any], grid: Any = None, **options: Any) -> OneStepEconomy:
    return OneStepEconomy(
        notes["skills"],
        notes["labour_grid"] if grid is None else grid,
        c=notes["labour_cost"],
        delta=notes["labour_exponent"],
        **options,
    )


def assert_welfare(economy: OneStepEconomy, hours: np.ndarray, stored: dict[str, Any]) -> None:
    for key, welfare in (("inv", "inv_income_weighted_utility"), ("eqprod", "coin_eq_times_productivity")):
        judged = OneStepEconomy(**{**vars(economy), "welfare": welfare})
        np.testing.assert_allclose(judged.planner_welfare(hours), stored[key], **CLOSE)
    np.testing.assert_allclose(economy.utilities(hours), stored["util"], **CLOSE)
    np.testing.assert_allclose(economy.coin(hours), stored["coin"], **CLOSE)
    np.testing.assert_allclose(economy.incomes(hours), stored["inc"], **CLOSE)


@pytest.mark.reference("one_step_economy", bridges)
def test_labour_supply_under_flat_taxes(case: dict[str, Any]) -> None:
    np.testing.assert_allclose(expected_skills(len(case["skills"])), case["skills"], **PRINTED)
    for row in case["flat_tax"]:
        free, whole = (
            economy_of(case, rates=row["rate"]),
            economy_of(case, np.arange(101.0), rates=row["rate"]),
        )
        found = {
            "continuous_unbounded": supply.labour_supply(free, cap=np.inf),
            "integer_0_100": supply.supply_on_grid(whole),
            "on_grid": supply.supply_on_grid(free),
        }
        for kind, hours in found.items():
            np.testing.assert_allclose(hours, row[f"labour_{kind}"], **CLOSE)
            assert_welfare(free, hours, row[f"welfare_{kind.split('_0')[0].split('_un')[0]}"])


@pytest.mark.reference("one_step_economy", bridges)
def test_labour_supply_under_the_federal_schedule(case: dict[str, Any]) -> None:
    stored = case["us_federal"]
    options = {"cutoffs": stored["cutoffs"], "rates": taxes.US_FEDERAL_RATES}
    np.testing.assert_allclose(stored["cutoffs"], taxes.us_federal_cutoffs(case["usd_scaling"]), **CLOSE)
    whole = economy_of(case, np.arange(101.0), **options)
    np.testing.assert_allclose(supply.labour_supply(whole), stored["labour_continuous"], **CLOSE)
    hours = supply.supply_on_grid(whole)
    np.testing.assert_allclose(hours, stored["labour_integer_0_100"], **CLOSE)
    assert_welfare(whole, hours, stored["welfare_integer"])


@pytest.mark.reference("one_step_economy", bridges)
def test_optimal_flat_tax(case: dict[str, Any]) -> None:
    stored, economy = case["theory"], economy_of(case)
    best = supply.optimal_flat_tax(economy)
    np.testing.assert_allclose(supply.elasticity(economy), case["elasticity"], **CLOSE)
    np.testing.assert_allclose(supply.untaxed_incomes(economy), stored["z0"], **CLOSE)
    np.testing.assert_allclose(best.weights, stored["weights"], **CLOSE)
    found = [best.gbar, best.large_rate, best.rate]
    np.testing.assert_allclose(found, [stored[k] for k in ("gbar", "tau_large_n", "tau_finite_n")], **CLOSE)
    rates = np.arange(10_001) / 10_000
    for measure, rate, value in (
        ("inv_income_weighted_utility", "tau_bruteforce_1e-4_grid", "welfare_at_optimum"),
        ("coin_eq_times_productivity", "tau_eqprod_bruteforce", "eqprod_at_optimum"),
    ):
        landscape = supply.flat_welfare(economy, rates, measure)
        np.testing.assert_allclose(landscape.max(), stored[value], **CLOSE)
        np.testing.assert_allclose(rates[landscape.argmax()], stored[rate], **CLOSE)


@pytest.mark.reference("one_step_economy", bridges)
def test_stackelberg_schedules(case: dict[str, Any]) -> None:
    stored = case["three_brackets"]
    rates = np.arange(round(1 / stored["rate_step"]) + 1) * stored["rate_step"]
    for k, (key, welfare) in enumerate(
        (
            ("stackelberg_inv", "inv_income_weighted_utility"),
            ("stackelberg_eqprod", "coin_eq_times_productivity"),
        )
    ):
        leader = supply.stackelberg(economy_of(case, cutoffs=stored["cutoffs"], welfare=welfare), rates)
        np.testing.assert_allclose(leader.welfare, stored[key]["value"], **CLOSE)
        np.testing.assert_allclose(leader.rates, stored[key]["rates"], **CLOSE)
        np.testing.assert_allclose(leader.landscape[0], stored["free_market"][k], **CLOSE)
        np.testing.assert_allclose(leader.landscape[-1], stored["all_max"][k], **CLOSE)


@pytest.mark.reference("one_step_economy", bridges)
def test_logit_responses(case: dict[str, Any]) -> None:
    for row in case["logit_response"]:
        policies = supply.logit_response(economy_of(case, rates=row["flat_rate"]), row["beta"])
        np.testing.assert_allclose(policies, row["policies"], **CLOSE)
        np.testing.assert_allclose(policies @ case["labour_grid"], row["mean_labour"], **CLOSE)
