"""The gather-trade-build economy against recordings of the original."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.environments import stage_games
from pycrld_econ.validation.simulators.gather_trade_build import (
    Build,
    GTBConfig,
    Market,
    Tax,
    layouts,
    rewards,
    saez,
    skills,
    strict,
    taxes,
    tutorial,
)
from pycrld_econ.validation.simulators.gather_trade_build import replay as replays
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild, host
from pycrld_econ.validation.simulators.gather_trade_build.foundation import from_foundation
from pycrld_econ.validation.simulators.gather_trade_build.layouts import Layout
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    ASK,
    BID,
    NOBODY,
    OTHERS,
    OWNER,
)
from pycrld_econ.validation.simulators.gather_trade_build.tables import rules_of
from simulated import simulated

TOPIC = "gather_trade_build"
FLOATS = {"rtol": 0, "atol": 1e-9}


# --- traces -----------------------------------------------------------------------------------------------------------


class Trace:
    """A recorded episode."""

    def __init__(self, folder: Path, name: str, meta: dict[str, Any]) -> None:
        self.meta = meta
        with np.load(folder / f"{name}.npz") as data:
            self.data = dict(data)
        config = from_foundation(meta["config"], folder)
        self.config = replace(config, episode_length=meta["T"])
        self.layout = Layout(self["stone_source"], self["wood_source"], self["water"])

    def __getitem__(self, name: str) -> np.ndarray:
        return self.data[name]

    def begin(self, **options: Any) -> GatherTradeBuild:
        """The economy at the recorded start."""
        skill = self["bonus_gather_prob"], self["build_payment"], self["build_skill"]
        start = replays.Start(self["loc"][0], *skill, self.layout)
        return replays.begin(self.config, start, self.meta["completions_before_reset"], **options)

    def play(self, economy: GatherTradeBuild, t: int) -> None:
        """The t-th step, from 0, with the recorded draws."""
        bonus, rates = self["draw_gather_u"], None
        if "draw_saez_rates" in self.data:
            drawn = self["draw_saez_rates"]
            found = drawn[drawn[:, 0] == t + 1]
            rates = found[0, 1:] if len(found) else None
        replays.replay(
            economy,
            self["actions"][t],
            self["planner_actions"][t] if "planner_actions" in self.data else None,
            self["draw_permutations"][t],
            bonus[bonus[:, 0] == t + 1][:, 2],
            (self["draw_regen_stone_u"][t], self["draw_regen_wood_u"][t]),
            rates,
        )


def traces(folder: Path) -> Iterator[tuple[str, Trace]]:
    for name, meta in json.loads((folder / "traces_meta.json").read_text()).items():
        yield name, Trace(folder, name, meta)


def check_state(trace: Trace, economy: GatherTradeBuild, k: int) -> None:
    s, maps = economy.state, economy.maps()[0]
    np.testing.assert_array_equal(economy.places()[0], trace["loc"][k])
    np.testing.assert_array_equal(maps[..., 0], trace["stone"][k])
    np.testing.assert_array_equal(maps[..., 1], trace["wood"][k])
    owner = maps[..., OWNER].astype(int)
    np.testing.assert_array_equal(np.where(owner == NOBODY, -1, owner - OTHERS), trace["house_owner"][k])
    np.testing.assert_array_equal(s.book.open[0], trace["n_orders"][k])
    for mine, name in (
        (s.agents.inventory, "inventory"),
        (s.agents.escrow, "escrow"),
        (s.agents.labour, "labor"),
        (s.objective, "objective"),
    ):
        np.testing.assert_allclose(mine[0], trace[name][k], **FLOATS, err_msg=name)
    if k % trace.meta["orders_every"] == 0:
        check_orders(trace, economy, k)
    if "tax_rates" in trace.data:
        check_taxes(trace, economy, k)


def check_orders(trace: Trace, economy: GatherTradeBuild, k: int) -> None:
    book, recorded = economy.state.book, trace["orders"]
    mine = [
        [k, q, side, *book.orders[0, q, side, at]]
        for q in range(2)
        for side in (BID, ASK)
        for at in range(int(book.length[0, q, side]))
    ]
    np.testing.assert_array_equal(np.reshape(mine, (-1, 6)), recorded[recorded[:, 0] == k])


def check_taxes(trace: Trace, economy: GatherTradeBuild, k: int) -> None:
    fisc = economy.state.fisc
    assert fisc.day[0] == trace["tax_cycle_pos"][k]
    for name, recorded in (
        ("rates", "tax_rates"),
        ("last_coin", "last_coin"),
        ("last_income", "last_income"),
        ("last_marginal", "last_marginal_rate"),
        ("last_effective", "last_effective_rate"),
    ):
        np.testing.assert_allclose(getattr(fisc, name)[0], trace[recorded][k], **FLOATS, err_msg=name)


def check_seen(trace: Trace, economy: GatherTradeBuild, k: int) -> None:
    seen = economy.observation
    if k % trace.meta["masks_every"] == 0:
        np.testing.assert_array_equal(seen.mask[0], trace["masks"][k // trace.meta["masks_every"]])
    np.testing.assert_array_equal(seen.planner_mask[0], trace["planner_masks"][k])
    if k in trace["obs_steps"]:
        row = int(np.searchsorted(trace["obs_steps"], k))
        np.testing.assert_array_equal(seen.flat[0], trace["obs_flat"][row])
        np.testing.assert_array_equal(seen.planner_flat[0], trace["planner_flat"][row])
        if "planner_agentwise" in trace.data:
            np.testing.assert_array_equal(seen.planner_agents[0], trace["planner_agentwise"][row])
    if k in trace["map_steps"]:
        row = int(np.searchsorted(trace["map_steps"], k))
        np.testing.assert_array_equal(seen.window[0], trace["obs_map"][row])
        np.testing.assert_array_equal(seen.index[0], trace["obs_idx_map"][row])
        if "planner_map" in trace.data:
            layers, who = economy.planner_map()
            np.testing.assert_array_equal(layers[0], trace["planner_map"][row])
            np.testing.assert_array_equal(who[0], trace["planner_idx_map"][row])


def check_events(trace: Trace, economy: GatherTradeBuild, t: int) -> None:
    for name, log, width in (
        ("trades", economy.events.trade_log, 8),
        ("gathers", economy.events.gather_log, 5),
    ):
        recorded = trace[name]
        mine = log.rows[0, : int(log.size[0]), :width].copy()
        if name == "gathers":
            mine[:, 3:] -= economy.rules.pad
        np.testing.assert_array_equal(mine, recorded[recorded[:, 0] == t + 1][:, 1:], err_msg=name)


def check_final(trace: Trace, economy: GatherTradeBuild) -> None:
    mine = economy.finished_metrics()
    for name, value in trace.meta["final_metrics"].items():
        expected = np.nan if value is None or value == "nan" else value
        np.testing.assert_allclose(mine[name][0], expected, **FLOATS, err_msg=name)


@pytest.mark.reference(TOPIC, traces)
def test_recorded_episodes_are_replayed(case: Trace) -> None:
    economy = case.begin(compile=False)
    check_state(case, economy, 0)
    check_seen(case, economy, 0)
    for t in range(case.meta["T"]):
        case.play(economy, t)
        np.testing.assert_allclose(economy._out.gains[0], case["rewards"][t], **FLOATS)
        check_events(case, economy, t)
        check_state(case, economy, t + 1)
        check_seen(case, economy, t + 1)
    check_final(case, economy)


class OnHost:
    """What the checks look at, of an economy on another device."""

    def __init__(self, economy: GatherTradeBuild) -> None:
        self.state, self.events, self.gains = (
            host(economy.state),
            host(economy.events),
            host(economy._out.gains),
        )
        self.observation, self.rules = economy.observation, economy.rules
        self.maps, self.places, self.planner_map = economy.maps, economy.places, economy.planner_map


def replay_on_cuda(folder: Path, steps: int) -> str:
    """The first steps of all recorded episodes, checked as on the processor; what was replayed."""
    replayed = []
    for name, trace in traces(folder):
        economy = trace.begin(device="cuda")
        for t in range(steps):
            trace.play(economy, t)
            there: Any = OnHost(economy)
            np.testing.assert_allclose(there.gains[0], trace["rewards"][t], **FLOATS)
            check_events(trace, there, t)
            check_state(trace, there, t + 1)
            check_seen(trace, there, t + 1)
        replayed.append(name)
    return " ".join(replayed)


def folders(folder: Path) -> Iterator[tuple[str, Path]]:
    yield "all", folder


@pytest.mark.reference(TOPIC, folders)
def test_recorded_episodes_begin_alike_on_cuda(case: Path) -> None:
    """In numba's simulator, on the same functions."""
    found = simulated(__file__, f"replay_on_cuda(Path({str(case)!r}), 15)")
    assert found.split() == [name for name, _ in traces(case)]


@pytest.mark.reference(TOPIC, traces)
def test_a_seed_gives_the_draws_of_the_original(case: Trace) -> None:
    meta, rng = case.meta, np.random.RandomState(case.meta["seed"])
    generated = case.config.map.is_generated
    if meta["construct_seed"] is not None:
        rng = np.random.RandomState(meta["construct_seed"])
    reset_seed = meta["seed"] if meta["construct_seed"] is not None else None
    layout = None if generated else case.layout
    economy = replays.Original(case.config, rng, reset_seed, layout, meta["completions_before_reset"])
    check_state(case, economy.economy, 0)
    for name in ("bonus", "payment", "skill"):
        recorded = {"bonus": "bonus_gather_prob", "payment": "build_payment", "skill": "build_skill"}[name]
        np.testing.assert_allclose(getattr(economy.economy.state.agents, name)[0], case[recorded], rtol=1e-14)
    for t in range(min(meta["T"], 30)):
        planner = case["planner_actions"][t] if "planner_actions" in case.data else None
        economy.step(case["actions"][t], planner)
        check_state(case, economy.economy, t + 1)


# --- the market -------------------------------------------------------------------------------------------------------


def market_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from json.loads((folder / "auction.json").read_text()).items()


def open_field() -> Layout:
    """A map with nothing on it but a source of each in a corner."""
    layers = [np.zeros((12, 12), np.uint8) for _ in range(3)]
    layers[0][-1, -1] = layers[1][-1, 0] = 1
    return Layout(*layers)


def on_a_field(config: GTBConfig) -> GatherTradeBuild:
    """An economy whose agents begin beside each other on the open field."""
    n = config.n_agents
    side_by_side = np.stack([np.zeros(n, int), np.arange(n)], axis=1)
    start = replays.Start(side_by_side, np.zeros(n), np.full(n, 10.0), np.ones(n), open_field())
    return replays.begin(replace(config, map=replace(config.map, world_size=(12, 12))), start, compile=False)


def quiet(n: int, market: Market, **changes: Any) -> GatherTradeBuild:
    """An economy of the original on a field, in which nothing recovers."""
    config = strict(GTBConfig(n_agents=n, market=market, tax=None, **changes))
    return on_a_field(replace(config, map=replace(config.map, resource_regen_prob=0.0)))


@pytest.mark.reference(TOPIC, market_cases)
def test_orders_are_matched_as_recorded(case: dict[str, Any]) -> None:
    n, goods = case["n_agents"], ("Stone", "Wood")
    economy = quiet(n, Market(**case["params"]), multi_action_mode_agents=True)
    agents, book = economy.state.agents, economy.state.book
    agents.inventory[0, :, 0], agents.inventory[0, :, 1:] = (
        case["initial_coin"],
        case["initial_units_stone_wood"],
    )
    for step in case["steps"]:
        actions = np.zeros((n, 6), int)
        for i, verb, good, price in step["orders"]:
            actions[i, 1 + 2 * goods.index(good) + (verb == "sell")] = price + 1
        replays.replay(economy, actions, None, np.tile(np.arange(n), (2, 1)), np.ones(2 * n), ([1.0], [1.0]))
        log = economy.events.trade_log
        mine = [[goods[row[0]], *row[1:].tolist()] for row in log.rows[0, : int(log.size[0])]]
        assert mine == step["trades"]
        for side, name in ((BID, "bids"), (ASK, "asks")):
            for q, good in enumerate(goods):
                orders = book.orders[0, q, side, : int(book.length[0, q, side])].tolist()
                assert orders == step[name][good]
        for k, good in enumerate(("coin", "stone", "wood")):
            np.testing.assert_allclose(agents.inventory[0, :, k], step[good], **FLOATS)
            np.testing.assert_allclose(agents.escrow[0, :, k], step[f"{good}_escrow"], **FLOATS)
        np.testing.assert_allclose(agents.labour[0], step["labor"], **FLOATS)
        rates = [economy.observation.flat[0, 0, economy.flat_names.index(RATE + good)] for good in goods]
        np.testing.assert_allclose(rates, [step["market_rate"][good] for good in goods], rtol=1e-6)
    for q, good in enumerate(goods):
        np.testing.assert_allclose(book.history[0, q], case["final_price_history"][good], **FLOATS)


RATE = "ContinuousDoubleAuction-market_rate-"


# --- moving and building ----------------------------------------------------------------------------------------------

MOVES = {"left": 46, "right": 47, "up": 48, "down": 49, "build": 1, "noop": 0}


def movement_cases(folder: Path) -> Iterator[tuple[str, tuple[Path, dict[str, Any]]]]:
    for name, case in json.loads((folder / "movement_build.json").read_text()).items():
        yield name, (folder, case)


def published_layout(folder: Path, name: str) -> Layout:
    """A map of the published files, which are not part of this repository."""
    places = [folder, Path(__file__).parents[3] / "shared" / "reference" / TOPIC]
    for place in places:
        if (place / "layouts_from_file.json").exists():
            found = json.loads((place / "layouts_from_file.json").read_text())[name.removesuffix(".txt")]
            layers = {}
            for layer in ("stone", "wood", "water"):
                layers[layer] = np.zeros((found["height"], found["width"]), np.uint8)
                for row, col in found[layer]:
                    layers[layer][row, col] = 1
            return Layout(**layers)
    pytest.skip(f"published maps are not there: layouts_from_file.json in {places[1]}")


@pytest.mark.reference(TOPIC, movement_cases)
def test_agents_move_and_build_as_recorded(case: tuple[Path, dict[str, Any]]) -> None:
    folder, data = case
    layout = published_layout(folder, data["layout"])
    config = replace(strict(tutorial()), starting_agent_coin=0.0, n_agents=2)
    config = replace(
        config,
        map=replace(
            config.map, resource_regen_prob=data["resource_regen_prob"], fixed_four_skill_and_loc=False
        ),
        build=Build(payment=10, payment_max_skill_multiplier=1, skill_dist="none"),
    )
    start = replays.Start(np.array(data["start"]), np.zeros(2), np.full(2, 10.0), np.ones(2), layout)
    economy = replays.begin(config, start, compile=False)
    economy.state.agents.inventory[0, :, 1:] = 2
    replays.see_first(economy)
    orders = np.array(data["permutations_build_then_gather_per_step"]).reshape(-1, 2, 2)
    for k, state in enumerate(data["states"]):
        if k > 0:
            actions = [MOVES[name] for name in data["actions"][k - 1]]
            replays.replay(economy, actions, None, orders[k - 1], np.ones(4), (np.ones(20), np.ones(20)))
        agents, mask, maps = economy.state.agents, economy.observation.mask[0], economy.maps()[0]
        np.testing.assert_array_equal(economy.places()[0], state["loc"])
        np.testing.assert_allclose(agents.inventory[0][:, 1:], np.array(state["inventory"])[:, 1:], **FLOATS)
        np.testing.assert_allclose(agents.labour[0], state["labor"], **FLOATS)
        np.testing.assert_array_equal(mask[:, 46:], state["gather_masks"])
        np.testing.assert_array_equal(mask[:, 1], state["build_masks"])
        houses = [
            [*cell, int(maps[tuple(cell)][OWNER]) - OTHERS] for cell in np.argwhere(maps[..., OWNER]).tolist()
        ]
        assert sorted(houses) == sorted([list(map(int, house)) for house in state["houses"]])


# --- taxes ------------------------------------------------------------------------------------------------------------


def schedule_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from json.loads((folder / "tax.json").read_text())["schedules"].items()


def taxed(params: dict[str, Any], n: int = 4) -> GatherTradeBuild:
    """An economy with taxes on a field."""
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    config = strict(GTBConfig(n_agents=n, tax=Tax(**given)))
    return on_a_field(config)


@pytest.mark.reference(TOPIC, schedule_cases)
def test_schedules_take_what_is_recorded(case: dict[str, Any]) -> None:
    economy = taxed(case["params"])
    np.testing.assert_allclose(economy.cutoffs, case["cutoffs"], rtol=1e-12)
    np.testing.assert_allclose(economy.state.fisc.rates[0], case["rates"], **FLOATS)
    brackets, fisc = economy.world.brackets, economy.state.fisc
    for k, income in enumerate(case["incomes"]):
        due = taxes.tax_of(income, brackets.cutoffs, fisc.rates, 0)
        np.testing.assert_allclose(due, case["taxes_due"][k], **FLOATS)
        assert taxes.marginal_of(0, income, brackets, fisc) == pytest.approx(
            case["marginal_rate"][k], abs=1e-12
        )


def level_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from json.loads((folder / "tax.json").read_text())["discretised"].items()


@pytest.mark.reference(TOPIC, level_cases)
def test_planners_choose_among_the_recorded_rates(case: dict[str, Any]) -> None:
    economy = taxed(case["params"])
    np.testing.assert_allclose(economy.levels, case["disc_rates"], atol=1e-12)
    if not case["params"].get("disable_taxes"):
        assert list(economy.planner_dims) == case["planner_action_dims"]


def annealing_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for k, case in enumerate(json.loads((folder / "tax.json").read_text())["annealing"]):
        yield str(k), case


@pytest.mark.reference(TOPIC, annealing_cases)
def test_annealing_allows_the_recorded_rates(case: dict[str, Any]) -> None:
    economy = taxed({"tax_annealing_schedule": [case["warmup"], case["slope"]]})
    economy.set_completions(case["completions"])
    replays.see_first(economy)
    np.testing.assert_allclose(economy.state.fisc.cap[0], case["limit_for_max1"], **FLOATS)
    np.testing.assert_array_equal(economy.observation.planner_mask[0][1:22], case["mask_0_05"])


def tax_day_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for k, case in enumerate(json.loads((folder / "tax.json").read_text())["enact"]):
        yield str(k), case


@pytest.mark.reference(TOPIC, tax_day_cases)
def test_tax_days_go_as_recorded(case: dict[str, Any]) -> None:
    economy = taxed({}, len(case["coin"]))
    s = economy.state
    s.fisc.rates[0], s.fisc.last_coin[0] = case["rates"], case["last_coin"]
    s.agents.inventory[0, :, 0], s.agents.escrow[0, :, 0] = case["coin"], case["coin_escrow"]
    tally = economy._tally.fiscal
    taxes.enact(
        0,
        economy.rules,
        economy.world.brackets,
        s.agents,
        s.book,
        s.fisc,
        s.memory,
        economy.events.tax_log,
        tally,
    )
    log = economy.events.tax_log.rows[0]
    for k, name in enumerate(("income", "tax_paid", "marginal_rate", "effective_rate", "lump_sum")):
        np.testing.assert_allclose(log[:, k], np.broadcast_to(case[name], len(log)), **FLOATS, err_msg=name)
    np.testing.assert_allclose(s.agents.inventory[0, :, 0], case["coin_after"], **FLOATS)
    np.testing.assert_allclose(s.fisc.last_coin[0], case["last_coin_after"], **FLOATS)


def saez_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from json.loads((folder / "saez.json").read_text()).items()


@pytest.mark.reference(TOPIC, saez_cases)
def test_saez_schedules_are_those_recorded(case: dict[str, Any]) -> None:
    economy = taxed(case["params"] | {"tax_model": "saez"})
    memory, room = economy.state.memory, economy._out.room
    for income, rate in zip(case["incomes"], case["marginal_rates"], strict=True):
        saez.remember(0, income, rate, memory)
    for period in case["periods"]:
        saez.saez_schedule(0, economy.rules, economy.world.brackets, economy.state.fisc, memory, room)
        np.testing.assert_allclose(memory.saez[0], period["rates"], **FLOATS)
        np.testing.assert_allclose(memory.running[0], period["running_avg"], **FLOATS)
        np.testing.assert_allclose(memory.elasticity[0, 0], period["elas_t"], **FLOATS)
        np.testing.assert_allclose(memory.elasticity[0, 1], period["log_z0_t"], **FLOATS)


# --- rewards and metrics ----------------------------------------------------------------------------------------------


def social_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for k, case in enumerate(json.loads((folder / "metrics_rewards.json").read_text())["social"]):
        yield str(k), case


@pytest.mark.reference(TOPIC, social_cases)
def test_welfare_is_that_recorded(case: dict[str, Any]) -> None:
    coin = np.array(case["coin"], dtype=float)
    for weight, expected in case["eq_times_prod"].items():
        config = strict(
            GTBConfig(
                n_agents=len(coin),
                mixing_weight_gini_vs_coin=1 - float(weight),
                market=Market(max_num_orders=1),
            )
        )
        economy = GatherTradeBuild(config, 1, compile=False, layouts=None)
        economy.state.agents.inventory[0, :, 0] = coin
        found = rewards.equality_times_productivity(0, economy.rules, economy.state.agents, economy._out.room)
        np.testing.assert_allclose(found, expected, **FLOATS)
        np.testing.assert_allclose(1 - economy.metrics()["social/equality"], case["gini"], **FLOATS)


def utility_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    data = json.loads((folder / "metrics_rewards.json").read_text())["utility"]
    for k, case in enumerate(one for one in data if one["kind"] == "isoelastic_coin_minus_labor"):
        yield str(k), case


@pytest.mark.reference(TOPIC, utility_cases)
def test_utilities_are_those_recorded(case: dict[str, Any]) -> None:
    rules = rules_of(GTBConfig(isoelastic_eta=case["eta"]))
    found = rewards.utility(case["coin"], case["labor"], case["coef"], rules)
    np.testing.assert_allclose(found, case["value"], **FLOATS)


# --- skills and maps --------------------------------------------------------------------------------------------------


def skill_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for k, case in enumerate(json.loads((folder / "skills.json").read_text())["fixed_four"]):
        yield str(k), case


@pytest.mark.reference(TOPIC, skill_cases)
def test_ranked_payments_and_start_cells_are_those_recorded(case: dict[str, Any]) -> None:
    n, most = case["n"], case["payment_max_skill_multiplier"]
    build = Build(payment=case["payment"], payment_max_skill_multiplier=most, skill_dist="pareto")
    found = skills.ranked_payments(GTBConfig(n_agents=n, build=build))
    np.testing.assert_allclose(found, case["avg_ranked_build_payment"], rtol=1e-13)
    cells = skills.ranked_cells(n, tuple(case["world"]), by_width=True)
    np.testing.assert_array_equal(cells, case["ranked_locs"])


def layout_cases(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, np.ndarray]]]]:
    with np.load(folder / "layouts.npz") as data:
        arrays = dict(data)
    for name, meta in json.loads((folder / "layouts_meta.json").read_text()).items():
        yield (
            name,
            (
                meta,
                {key.removeprefix(f"{name}_"): one for key, one in arrays.items() if key.startswith(name)},
            ),
        )


@pytest.mark.reference(TOPIC, layout_cases)
def test_generated_maps_are_those_recorded(case: tuple[dict[str, Any], dict[str, np.ndarray]]) -> None:
    meta, recorded = case
    arguments = {
        "scenario_name": meta["scenario"],
        "components": [{"Build": {}}, {"ContinuousDoubleAuction": {}}, {"Gather": {}}],
        "n_agents": meta["n_agents"],
        **meta["kwargs"],
    }
    original = replays.Original(from_foundation(arguments), np.random.RandomState(meta["seed"]), meta["seed"])
    layout = original.economy.layouts[0]
    np.testing.assert_array_equal(layout.wood, recorded["wood_source"])
    np.testing.assert_array_equal(layout.stone, recorded["stone_source"])
    np.testing.assert_array_equal(layout.water, recorded["water"])
    np.testing.assert_array_equal(original.economy.places()[0], recorded["agent_loc"])


def file_cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    places = [folder, Path(__file__).parents[3] / "shared" / "reference" / TOPIC]
    file = next(
        (one / "layouts_from_file.json" for one in places if (one / "layouts_from_file.json").exists()), None
    )
    yield from json.loads(file.read_text()).items() if file else [("published maps", {})]


@pytest.mark.reference(TOPIC, file_cases)
def test_the_text_of_a_map_is_read(case: dict[str, Any]) -> None:
    if not case:
        pytest.skip("published maps are not there: layouts_from_file.json")
    cells = np.full((case["height"], case["width"]), " ")
    for name, symbol in (("wood", "W"), ("stone", "S"), ("water", "@")):
        for row, col in case[name]:
            cells[row, col] = symbol
    for row, col, symbol in case["other"]:
        cells[row, col] = symbol
    text = ";".join("".join(row) for row in cells) + (";" if case["terminator_after_last_row"] else "")
    layout = layouts.parse(text)
    for name in ("wood", "stone", "water"):
        np.testing.assert_array_equal(np.argwhere(getattr(layout, name)), np.reshape(case[name], (-1, 2)))


# --- stage games ------------------------------------------------------------------------------------------------------


def stage_cases(folder: Path) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    data = json.loads((folder / "stage_games.json").read_text())
    for kind in ("specialise", "double_auction", "commons"):
        for k, case in enumerate(data[kind]):
            yield f"{kind}{k}", (kind, case)


@pytest.mark.reference(TOPIC, stage_cases)
def test_stage_games_have_the_recorded_tensors(case: tuple[str, dict[str, Any]]) -> None:
    kind, data = case
    p = data["params"]
    if kind == "commons":
        numbers = (p["n"], p["K"], p["q"], p["rho"], p["delta"], p["P"], p["d"])
        commons = stage_games.harvest_commons(*numbers, stock_dependent=p.get("stock_dependent", False))
        np.testing.assert_allclose(commons.T, data["transition"], atol=1e-12)
        np.testing.assert_allclose(
            commons.R, np.repeat(np.array(data["reward"])[..., None], p["K"] + 1, -1), atol=1e-12
        )
        return
    if kind == "specialise":
        taxes_ = p.get("cut"), p.get("rates")
        payoffs = stage_games.specialise_or_not(p["p"], p["P"], p["d"], p["beta"], *taxes_).payoffs()
    else:
        payoffs = stage_games.one_shot_auction(p["values"], p["costs"], p["K"]).payoffs()
    np.testing.assert_allclose(payoffs, data["payoff"], atol=1e-12)
    assert [list(found) for found in stage_games.pure_equilibria(payoffs)] == data["pure_nash"]
