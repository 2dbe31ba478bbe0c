"""Properties of the gather-trade-build economy that no recording shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.environments.saez import bin_incomes, bracket_rates, saez_rates
from pycrld_econ.validation.simulators.gather_trade_build import (
    Build,
    Gather,
    GatherTradeBuild,
    GTBConfig,
    Map,
    Market,
    Quirks,
    Tax,
    layouts,
    metrics,
    paper,
    replay,
    saez,
    strict,
    tutorial,
)
from pycrld_econ.validation.simulators.gather_trade_build.foundation import from_foundation
from pycrld_econ.validation.simulators.gather_trade_build.foundation_env import FoundationEnv
from pycrld_econ.validation.simulators.gather_trade_build.logs import DenseLog, breakdown
from pycrld_econ.validation.simulators.gather_trade_build.state import COIN, OWNER
from simulated import simulated


def small(**changes: Any) -> GTBConfig:
    """A short episode in a small world, in which much happens: coin at the start, and resources that recover fast."""
    config = GTBConfig(
        n_agents=3,
        episode_length=40,
        map=Map(kind="uniform", world_size=(9, 9), starting_wood_coverage=0.15, starting_stone_coverage=0.15,
                wood_regen_weight=0.2, stone_regen_weight=0.2, pool=2),
        build=Build(payment=10, payment_max_skill_multiplier=3, skill_dist="pareto", build_labor=2.0),
        market=Market(max_bid_ask=4, max_num_orders=3, order_duration=5),
        gather=Gather(skill_dist="pareto"),
        tax=Tax(period=10, usd_scaling=5000.0),
        starting_agent_coin=10.0,
        mobile_agent_observation_range=2,
    )  # fmt: skip
    return replace(config, **changes)


def some_actions(
    economy: GatherTradeBuild, rng: np.random.Generator, wild: float = 0.05
) -> tuple[np.ndarray, Any]:
    """Random actions: most of them possible ones."""
    seen = economy.observation
    acts = (rng.random(seen.mask.shape) * seen.mask).argmax(-1)
    anything = rng.integers(0, economy.n_actions, acts.shape)
    acts = np.where(rng.random(acts.shape) < wild, anything, acts)
    planner = None
    if economy.planner_dims:
        planner = np.stack([rng.integers(0, size, len(acts)) for size in economy.planner_dims], axis=-1)
    return acts, planner


def run(
    steps: int = 30, envs: int = 2, seed: int = 3, config: GTBConfig | None = None, **options: Any
) -> list[str]:
    """Digests of what is seen and gained in some steps."""
    economy = GatherTradeBuild(small() if config is None else config, envs, seed, **options)
    rngs = [np.random.default_rng(k) for k in range(envs)]
    digests = []
    for _ in range(steps):
        seen = economy.observation
        acts = np.stack(
            [(rngs[e].random(seen.mask.shape[1:]) * seen.mask[e]).argmax(-1) for e in range(envs)]
        )
        planner = np.full((envs, len(economy.planner_dims)), 7) if economy.planner_dims else None
        result = economy.step(acts, planner)
        seen = economy.observation
        values = (
            result.reward[0],
            seen.flat[0],
            seen.window[0],
            seen.index[0],
            seen.mask[0],
            seen.planner_flat[0],
        )
        digests.append(json.dumps([np.round(np.sum(one, dtype=float), 9) for one in values]))
    return digests


def test_an_environment_has_the_same_episodes_whatever_is_beside_it() -> None:
    alone = run(45, envs=1, compile=False)
    assert run(45, envs=3, compile=False) == alone
    assert run(45, envs=1, seed=4, compile=False) != alone


def test_compiled_rules_give_what_interpreted_ones_give() -> None:
    interpreted = run(50, envs=2, compile=False)
    assert run(50, envs=2) == interpreted
    assert run(50, envs=2, threads=1) == interpreted


def test_cuda_gives_the_same_steps() -> None:
    """In numba's simulator, on the same functions."""
    assert simulated(__file__, "'|'.join(run(4, 1, device='cuda'))") == "|".join(run(4, 1, compile=False))


def holdings(economy: GatherTradeBuild) -> dict[str, np.ndarray]:
    agents, maps = economy.state.agents, economy.maps()
    units = np.stack([maps[..., 0].sum((1, 2)), maps[..., 1].sum((1, 2))], axis=-1)
    return {
        "coin": (agents.inventory + agents.escrow)[..., COIN].sum(-1),
        "goods": (agents.inventory + agents.escrow)[..., 1:].sum(1),
        "units": units.astype(float),
        "labour": agents.labour.copy(),
    }


def check_conservation(config: GTBConfig, envs: int, steps: int, **options: Any) -> None:
    economy, rng = GatherTradeBuild(config, envs, 5, autoreset=False, **options), np.random.default_rng(0)
    built = 0
    for t in range(steps):
        if t % config.episode_length == 0:
            economy.reset()
        before = holdings(economy)
        economy.step(*some_actions(economy, rng))
        now, agents, events = holdings(economy), economy.state.agents, economy.events
        paid = np.zeros(envs)
        for e in range(envs):
            builders = events.build_log.rows[e, : events.build_log.size[e], 0]
            paid[e] = agents.payment[e, builders].sum()
            built += len(builders)
            found = events.gather_log.rows[e, : events.gather_log.size[e]]
            got = np.array([found[found[:, 1] == q, 2].sum() for q in range(2)])
            taken = np.array([(found[:, 1] == q).sum() for q in range(2)])
            np.testing.assert_array_equal(now["goods"][e] - before["goods"][e], got - len(builders))
            assert (now["units"][e] >= before["units"][e] - taken).all()
        np.testing.assert_allclose(now["coin"] - before["coin"], paid, atol=1e-9)
        assert (agents.escrow > -1e-9).all() and (agents.inventory > -1e-9).all()
        assert (now["labour"] >= before["labour"]).all()
        check_places(economy)
        check_books(economy)
    assert built > 0


def check_places(economy: GatherTradeBuild) -> None:
    """Agents are where the map says, one on a cell, and never on water or in the house of somebody else."""
    maps, places = economy.maps(), economy.places()
    for e in range(economy.n_envs):
        assert len({tuple(cell) for cell in places[e].tolist()}) == economy.n_agents
        for i, (row, col) in enumerate(places[e]):
            assert maps[e, row, col, 9] == i + 2
            assert maps[e, row, col, OWNER] in (0, i + 2)
        assert (maps[e, ..., 9] > 0).sum() == economy.n_agents


def check_books(economy: GatherTradeBuild) -> None:
    """What is in escrow is what open orders bind."""
    book, agents = economy.state.book, economy.state.agents
    for e in range(economy.n_envs):
        bound = np.zeros((economy.n_agents, 3))
        count = np.zeros((2, economy.n_agents))
        for q in range(2):
            for side in range(2):
                for i, price, _ in book.orders[e, q, side, : book.length[e, q, side]]:
                    bound[i, 0 if side == 0 else 1 + q] += price if side == 0 else 1
                    count[q, i] += 1
        np.testing.assert_allclose(agents.escrow[e], bound, atol=1e-9)
        np.testing.assert_array_equal(book.open[e], count)


@pytest.mark.parametrize("quirks", [Quirks(), Quirks.all()], ids=["sound", "original"])
def test_coin_and_goods_are_conserved(quirks: Quirks) -> None:
    check_conservation(small(quirks=quirks), 2, 60, compile=False)


@pytest.mark.slow
def test_coin_and_goods_are_conserved_in_a_million_steps() -> None:
    check_conservation(small(), 1000, 1000)


def test_tax_days_and_first_days_are_announced() -> None:
    """Recordings show few steps, and none before a tax day."""
    economy, rng = GatherTradeBuild(small(), 2, 4, compile=False), np.random.default_rng(2)
    places = {"flat": economy.flat_names, "planner_flat": economy.planner_flat_names}
    for t in range(25):
        seen = economy.observation
        last, first = (
            np.stack([getattr(seen, part)[..., names.index(f"PeriodicBracketTax-{day}")].reshape(2, -1)[:, 0]
                      for part, names in places.items()])
            for day in ("is_tax_day", "is_first_day")
        )  # fmt: skip
        assert (first == (t % 10 == 0)).all()
        assert (seen.planner_mask.sum(1) > len(economy.planner_dims)).all() == bool(first.all())
        economy.step(*some_actions(economy, rng))
        np.testing.assert_array_equal(last, np.broadcast_to(economy.events.tax_log.size == 1, (2, 2)))
        assert last.all() == (t % 10 == 9)


def test_redistribution_leaves_everybody_with_the_same() -> None:
    economy = GatherTradeBuild(small(tax=None, redistribution=True), 1, 2, compile=False)
    rng = np.random.default_rng(1)
    for _ in range(30):
        economy.step(*some_actions(economy, rng))
        agents = economy.state.agents
        coin = (agents.inventory + agents.escrow)[0, :, COIN]
        np.testing.assert_allclose(coin, coin.mean(), atol=1e-9)
        assert (agents.inventory[0, :, COIN] > -1e-9).all()


def test_a_snapshot_goes_on_bit_by_bit(tmp_path: Path) -> None:
    economy, rng = GatherTradeBuild(small(), 2, 1, compile=False), np.random.default_rng(0)
    for _ in range(15):
        economy.step(*some_actions(economy, rng))
    np.savez(tmp_path / "snapshot.npz", **economy.snapshot())
    other = GatherTradeBuild(small(), 2, 1, compile=False)
    with np.load(tmp_path / "snapshot.npz") as data:
        other.load(dict(data))
    for _ in range(40):
        acts = some_actions(economy, rng)
        one, two = economy.step(*acts), other.step(*acts)
        np.testing.assert_array_equal(one.reward, two.reward)
        np.testing.assert_array_equal(economy.observation.flat, other.observation.flat)
        np.testing.assert_array_equal(economy.observation.window, other.observation.window)
    with pytest.raises(ValueError, match=r"snapshot\['state.calendar.time'\] must have shape"):
        GatherTradeBuild(small(), 3, 1, compile=False).load(economy.snapshot())


def test_finished_episodes_begin_anew_and_leave_their_metrics() -> None:
    economy, rng = GatherTradeBuild(small(episode_length=12), 2, 1, compile=False), np.random.default_rng(0)
    for t in range(12):
        if t == 11:
            coin = economy.metrics()["social/productivity"]
        result = economy.step(*some_actions(economy, rng))
        assert result.done.all() == (t == 11)
    finished = economy.finished_metrics()
    assert (np.abs(finished["social/productivity"] - coin) < 70).all()
    assert (economy.state.calendar.completions == 1).all() and (economy.state.calendar.time == 0).all()
    assert (economy.metrics()["social/productivity"] == 30).all()
    assert finished["labor/weighted_cost"] == pytest.approx(0.21)


# --- random numbers ---------------------------------------------------------------------------------------------------


def test_sources_recover_as_often_as_they_should() -> None:
    """Within three standard deviations; seeds are fixed."""
    config = small(episode_length=1000, map=Map(resource_regen_prob=0.05), n_agents=2, tax=None)
    economy = GatherTradeBuild(config, 1, 11, compile=False)
    empty = grown = 0
    for _ in range(150):
        cells = economy.state.land.maps[0][
            economy.rules.pad : -economy.rules.pad, economy.rules.pad : -economy.rules.pad
        ]
        sources = cells[..., 4:6] > 0
        before = cells[..., :2].copy()
        cells[..., :2][sources & (before > 0)] = 0
        economy.step(np.zeros((1, 2), int))
        empty += int(sources.sum())
        grown += int(cells[..., :2][sources].sum()) + int(economy.events.gather_log.size[0])
    rate, spread = grown / empty, np.sqrt(0.05 * 0.95 / empty)
    assert abs(rate - 0.05) < 3 * spread


def test_skills_and_orders_have_the_right_distribution() -> None:
    """Means within four standard errors of 0.2222 and 1.5833, and each order equally often."""
    config = small(episode_length=1, tax=None)
    economy, bonus, factor, first = GatherTradeBuild(config, 40, 1, compile=False), [], [], []
    for _ in range(25):
        economy.step(np.zeros((40, 3), int))
        bonus.append(economy.state.agents.bonus.copy())
        factor.append(economy.state.agents.payment / 10)
    economy = GatherTradeBuild(small(tax=None, episode_length=1000), 40, 1, compile=False)
    for _ in range(25):
        economy.step(np.zeros((40, 3), int))
        first.append(economy.draws.order[:, 1, 0].copy())
    for found, mean in ((bonus, 2 / 9), (factor, 1.5833)):
        values = np.concatenate(found).ravel()
        assert abs(values.mean() - mean) < 4 * values.std() / np.sqrt(values.size)
    share = np.bincount(np.concatenate(first), minlength=3) / 1000
    assert (np.abs(share - 1 / 3) < 4 * np.sqrt(2 / 9 / 1000)).all()


# --- what the original does by accident -------------------------------------------------------------------------------


def ranked(**quirks: bool) -> GatherTradeBuild:
    return GatherTradeBuild(tutorial(quirks=Quirks(**quirks)), 1, 2, compile=False)


def test_build_skill_says_what_a_house_pays() -> None:
    agents = ranked().state.agents
    np.testing.assert_allclose(10 * (2 * agents.skill[0] + 1), agents.payment[0])
    agents = ranked(unrelated_build_skill=True).state.agents
    assert not np.allclose(10 * (2 * agents.skill[0] + 1), agents.payment[0])


def test_the_bottom_right_corner_is_a_corner() -> None:
    wide = tutorial(map=Map(world_size=(25, 31), fixed_four_skill_and_loc=True))
    economy = GatherTradeBuild(wide, 1, 2, compile=False)
    assert [24, 30] in economy.places()[0].tolist()


def test_gini_has_one_formula() -> None:
    found = []
    for quirk in (False, True):
        config = small(n_agents=30, quirks=Quirks(gini_by_size=quirk), starting_agent_coin=0.0, tax=None)
        economy = GatherTradeBuild(config, 1, 1, compile=False)
        economy.state.agents.inventory[0, 0, COIN] = 5.0
        economy.step(np.zeros((1, 30), int))
        found.append(1 - economy.metrics()["social/equality"][0])
        welfare = economy.metrics()["social_welfare/coin_eq_times_productivity"][0]
        np.testing.assert_allclose(economy.state.objective[0, -1], welfare)
    np.testing.assert_allclose(found, [1, 1 - 2 / 31])


def test_orders_live_as_long_as_they_should() -> None:
    for quirk, rounds in ((False, 5), (True, 6)):
        economy = GatherTradeBuild(
            small(tax=None, quirks=Quirks(extra_order_round=quirk)), 1, 1, compile=False
        )
        acts = np.zeros((1, 3), int)
        acts[0, 0] = 3  # buy stone for 1
        economy.step(acts)
        alive = 1
        while economy.state.book.open[0, 0, 0] > 0:
            economy.step(np.zeros((1, 3), int))
            alive += 1
        assert alive == rounds


def test_taxes_reach_coin_in_bids() -> None:
    for quirk, paid in ((False, 10.0), (True, 0.0)):
        tax = Tax(tax_model="fixed-bracket-rates", fixed_bracket_rates=(1.0,) * 7, period=3)
        economy = GatherTradeBuild(small(tax=tax, quirks=Quirks(escrow_untaxed=quirk)), 1, 1, compile=False)
        economy.state.fisc.last_coin[0] = 0.0  # all coin is income
        acts = np.full((1, 3), 6)  # buy stone for 4, and wait
        economy.step(acts)
        economy.step(acts)
        economy.state.agents.inventory[0, :, COIN], economy.state.agents.escrow[0, :, COIN] = 2.0, 8.0
        economy.step(np.zeros((1, 3), int))
        assert economy.events.tax_log.rows[0, 0, 1] == pytest.approx(paid or 2.0)


def test_first_rates_are_capped_by_the_episode_that_begins() -> None:
    tax = Tax(
        tax_model="fixed-bracket-rates",
        fixed_bracket_rates=(1.0,) * 7,
        period=5,
        tax_annealing_schedule=(0, 0.25),
    )
    for quirk, first in ((False, 0.25), (True, 0.0)):
        config = small(tax=tax, episode_length=5, quirks=Quirks(stale_first_rates=quirk))
        economy = GatherTradeBuild(config, 1, 1, compile=False)
        for _ in range(5):
            economy.step(np.zeros((1, 3), int))
        k = economy.flat_names.index("PeriodicBracketTax-curr_rates-0")
        assert economy.observation.flat[0, 0, k] == pytest.approx(first)


def test_brackets_keep_their_names() -> None:
    cutoffs = np.array([0.0, 0.4, 1.2, 1.9])
    assert metrics.bracket_names(cutoffs) == ["000", "000b", "001", "001b"]
    assert metrics.bracket_names(cutoffs, merged=True) == ["000", "000", "001", "001"]


def test_labour_is_observed() -> None:
    names = [GatherTradeBuild(c, 1, compile=False).flat_names for c in (small(), strict(small()))]
    assert names[0] == [*names[1], "world-labour"]


def test_generated_stone_has_its_own_coverage() -> None:
    m = Map(kind="uniform", starting_wood_coverage=0.1, starting_stone_coverage=0.02)
    wood, stone = layouts.uniform_probabilities(m, by_wood=False)
    assert stone.mean() == pytest.approx(0.02) and wood.mean() == pytest.approx(0.1)
    assert layouts.uniform_probabilities(m, by_wood=True)[1].mean() == pytest.approx(0.1)


@pytest.mark.parametrize("weights", ["inverse_income", "uniform"])
def test_the_saez_formula_is_that_of_the_theory(weights: str) -> None:
    """Loops for one environment against the arrays of `pycrld_econ.environments.saez`."""
    rng = np.random.default_rng(4)
    incomes = np.concatenate([rng.lognormal(3, 1, 480), rng.normal(-5, 1, 20)])
    config = small(tax=Tax(tax_model="saez", pareto_weight_type=weights), quirks=Quirks.all())
    economy = GatherTradeBuild(config, 1, compile=False)
    memory, room, world = economy.state.memory, economy._out.room, economy.world
    for income in incomes:
        saez.remember(0, income, 0.3, memory)
    saez.saez_schedule(0, economy.rules, world.brackets, economy.state.fisc, memory, room)
    top = float(economy.cutoffs[-1])
    binned = bin_incomes(incomes, top)
    rates = saez_rates(binned, float(memory.elasticity[0, 0]), weights)
    expected = bracket_rates(rates, np.linspace(0, top, 101), economy.cutoffs)
    np.testing.assert_allclose(memory.saez[0], np.clip(expected, 0, 1), atol=1e-12)


def test_the_saez_top_rate_is_not_one_because_nobody_is_rich() -> None:
    for quirk in (False, True):
        economy = GatherTradeBuild(
            small(tax=Tax(tax_model="saez"), quirks=Quirks(saez_top_rate=quirk)), 1, compile=False
        )
        memory, room = economy.state.memory, economy._out.room
        for income in np.random.default_rng(1).lognormal(3, 1, 500):
            saez.remember(0, income, 0.3, memory)
        saez.saez_schedule(0, economy.rules, economy.world.brackets, economy.state.fisc, memory, room)
        assert (memory.saez[0, -1] > 0.999) == quirk


def test_redistribution_takes_no_coin_that_is_bound() -> None:
    for quirk in (False, True):
        config = small(tax=None, redistribution=True, quirks=Quirks(redistribution_debt=quirk))
        economy = GatherTradeBuild(config, 1, 1, compile=False)
        acts = np.zeros((1, 3), int)
        acts[0, 0] = 6  # the first agent bids 4 for stone
        economy.step(acts)
        agents = economy.state.agents
        agents.inventory[0, :, COIN], agents.escrow[0, :, COIN] = (
            0.0,
            [4.0, 0.0, 0.0],
        )  # and that is all there is
        economy.step(np.zeros((1, 3), int))
        least = economy.state.agents.inventory[0, :, COIN].min()
        assert (least < -1e-9) == quirk


def test_a_commons_recovers_faster_where_more_is_left() -> None:
    config = small(map=Map(stock_dependent=True, resource_regen_prob=1.0), tax=None)
    economy = GatherTradeBuild(config, 1, 3, compile=False)
    pad = economy.rules.pad
    cells = economy.state.land.maps[0, pad:-pad, pad:-pad]
    wood = np.argwhere(cells[..., 5])
    for row, col in wood[5:]:
        cells[row, col, 1] = 0
    economy.step(np.zeros((1, 3), int))
    share = 5 / len(wood)
    grown = cells[..., 1].sum() - 5
    assert abs(grown - share * (len(wood) - 5)) < 4 * np.sqrt(share * (1 - share) * len(wood))


# --- interfaces -------------------------------------------------------------------------------------------------------


def test_the_dictionary_interface_has_the_published_names() -> None:
    env = FoundationEnv(paper(2, episode_length=3), compile=False)
    seen = env.reset()
    assert set(seen) == {"0", "1", "2", "3", "p"}
    assert set(seen["0"]) == {"world-map", "world-idx_map", "time", "flat", "action_mask"}
    assert seen["0"]["world-map"].shape == (7, 11, 11) and seen["p"]["flat"].shape == (86,)
    for t in range(3):
        seen, rewards, done, _ = env.step({"0": 46, "p": [3] * 7})
        assert done["__all__"] == (t == 2)
    assert set(rewards) == set(seen)
    assert env.metrics["social/productivity"] == 0
    with pytest.raises(ValueError, match=r"actions must be of agents 0 ... 3 and 'p', got \['7'\]"):
        env.step({"7": 1})


def test_observations_come_by_field_and_collated_as_the_original_names_them() -> None:
    arguments = {
        "components": [
            {"Build": {}}, {"ContinuousDoubleAuction": {"max_bid_ask": 4}}, {"Gather": {}}, {"PeriodicBracketTax": {}}
        ],
        "scenario_name": "uniform/simple_wood_and_stone", "n_agents": 3, "world_size": [9, 9], "seed": 5,
        "starting_wood_coverage": 0.15, "starting_stone_coverage": 0.15,
    }  # fmt: skip
    plain = FoundationEnv.from_arguments(arguments, compile=False).reset()
    fields = FoundationEnv.from_arguments(arguments | {"flatten_observations": False}, compile=False)
    seen, names = fields.reset(), fields.economy.flat_names
    assert seen["0"]["ContinuousDoubleAuction-my_bids-Wood"].shape == (5,)
    assert seen["0"]["PeriodicBracketTax-curr_rates"].shape == (7,)
    assert seen["0"]["world-inventory-Coin"].shape == () and "flat" not in seen["0"]
    for i in range(3):
        flat = [
            np.atleast_1d(seen[str(i)][name])
            for name in dict.fromkeys(n.rstrip("-0123456789") for n in names)
        ]
        np.testing.assert_array_equal(np.concatenate(flat), plain[str(i)]["flat"])
        assert seen["p"][f"p{i}"]["world-inventory-Stone"] == 0
    assert seen["p"]["PeriodicBracketTax-last_incomes"].shape == (3,)
    together = FoundationEnv.from_arguments(
        arguments | {"collate_agent_step_and_reset_data": True}, compile=False
    )
    joined = together.reset()
    assert set(joined) == {"a", "p"} and joined["a"]["world-map"].shape == (*plain["0"]["world-map"].shape, 3)
    for i in range(3):
        np.testing.assert_array_equal(joined["a"]["flat"][:, i], plain[str(i)]["flat"])
    _, rewards, _, info = together.step({})
    assert rewards["a"].shape == (3,) and set(info) == {"a", "p"}
    with pytest.raises(ValueError, match="flatten_masks must be True"):
        FoundationEnv.from_arguments(arguments | {"flatten_masks": False})


def test_pettingzoo_accepts_the_economy() -> None:
    pytest.importorskip("pettingzoo")
    from pettingzoo.test import parallel_api_test

    from pycrld_econ.validation.simulators.gather_trade_build.parallel import GatherTradeBuildParallel

    parallel_api_test(GatherTradeBuildParallel(small(episode_length=15), compile=False), num_cycles=30)


def test_a_dense_log_tells_what_happened() -> None:
    economy = GatherTradeBuild(small(episode_length=20), 2, 1, autoreset=False, compile=False)
    log, rng = DenseLog(economy, 1, every=10), np.random.default_rng(3)
    for _ in range(20):
        economy.step(*some_actions(economy, rng))
        log.record()
    data = json.loads(json.dumps(log.data))
    assert [len(data[name]) for name in ("states", "world", "rewards", "Trade")] == [21, 21, 20, 20]
    assert [bool(one) for one in data["world"]] == [t % 10 == 0 for t in range(21)]
    last = data["states"][-1]["2"]
    assert last["loc"] == economy.places()[1, 2].tolist()
    assert [bool(day) for day in data["PeriodicTax"]] == [t in (9, 19) for t in range(20)]
    built = sum(len(one) for one in data["Build"])
    assert built == economy.finished_metrics()["Build/total_builds"][1]
    assert sum(len(one) for one in data["Trade"]) == economy.finished_metrics()["Trade/n_trades"][1]


def test_the_table_of_trades_has_the_published_form() -> None:
    values: dict[str, np.ndarray] = {}
    for i in range(2):
        for what in ("BuyWood", "BuyStone", "SellWood", "SellStone"):
            values[f"Trade/{i}/{what}/price"] = np.array([np.nan])
            values[f"Trade/{i}/{what}/n_sales"] = np.array([0.0])
    for name, price, number in (("1/BuyWood", 3.99, 104), ("1/BuyStone", 4.0, 96), ("0/SellWood", 3.98, 53)):
        values[f"Trade/{name}/price"], values[f"Trade/{name}/n_sales"] = np.array([price]), np.array([number])
    values["Build/0/n_builds"], values["Build/1/n_builds"] = np.array([0]), np.array([108])
    assert breakdown(values, np.array([11.33, 22.25])).split("\n") == [
        "_______________:_ Agent  0 _____|_ Agent  1 ____",
        "Cost (Wood)    :    ~~~~~~~~    |   3.99 (n=104)",
        "Cost (Stone)   :    ~~~~~~~~    |   4.00 (n= 96)",
        "",
        "Income (Wood)  :   3.98 (n= 53) |    ~~~~~~~~   ",
        "Income (Stone) :    ~~~~~~~~    |    ~~~~~~~~   ",
        "Income (Build) :    ~~~~~~~~    |  22.25 (n=108)",
    ]


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GTBConfig(n_agents=1), r"n_agents must be in \[2, 100\], got 1"),
        (lambda: Tax(tax_model="flat"), "tax.tax_model must be one of model_wrapper"),
        (lambda: Tax(tax_model="fixed-bracket-rates", fixed_bracket_rates=(0.1,)), "must be 7 rates"),
        (lambda: Map(kind="island"), "map.kind must be one of open_quadrant"),
        (lambda: tutorial(redistribution=True), "redistribution must be False where there are taxes"),
        (lambda: paper(3), "phase must be 1 or 2, got 3"),
        (lambda: layouts.parse("WW;S"), r"must be equally long, got lengths \[1, 2\]"),
        (lambda: layouts.layouts_of(Map(kind="file"), 0), "map.file must name a file"),
        (lambda: GatherTradeBuild(small(), 0, compile=False), "n_envs must be at least 1, got 0"),
        (
            lambda: from_foundation({"scenario_name": "moon", "components": []}),
            "scenario_name must be one of",
        ),
        (
            lambda: from_foundation({"components": [{"Gather": {}}, {"Build": {}}]}),
            "components must be Build, ContinuousDoubleAuction, Gather",
        ),
        (
            lambda: from_foundation(
                {"components": [{"Build": {"pay": 3}}, {"ContinuousDoubleAuction": {}}, {"Gather": {}}]}
            ),
            "Build.pay is not known; allowed: build_labor",
        ),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_actions_that_do_not_exist_change_nothing() -> None:
    economy = GatherTradeBuild(small(), 2, 1, compile=False)
    before = economy.snapshot()
    for number in (-1, economy.n_actions, 2**16, -(2**16) + 1, 2**63 - 1):
        acts = np.full((2, 3), number)
        with pytest.raises(ValueError, match="an action in environment 0 does not exist"):
            economy.step(acts)
    for number in (22, 2**16):
        with pytest.raises(ValueError, match="an action in environment 0 does not exist"):
            economy.step(np.zeros((2, 3), int), np.full((2, 7), number))
    with pytest.raises(ValueError, match=r"actions must be whole numbers of shape \(2, 3\), got float64"):
        economy.step(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"planner_actions must be whole numbers of shape \(2, 7\)"):
        economy.step(np.zeros((2, 3), int), np.zeros((2, 3), int))
    after = economy.snapshot()
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


def test_an_episode_that_is_over_must_be_reset() -> None:
    economy = GatherTradeBuild(small(episode_length=2), 2, 1, compile=False, autoreset=False)
    nothing = np.zeros((2, 3), int)
    economy.step(nothing)
    assert economy.step(nothing).done.all()
    before = economy.snapshot()
    with pytest.raises(RuntimeError, match="episode of environment 0 is over: call reset first"):
        economy.step(nothing)
    for name, array in economy.snapshot().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    economy.reset()
    assert not economy.step(nothing).done.any()


def test_start_cells_that_cannot_be_are_refused() -> None:
    def start(size: tuple[int, int], n: int = 4, by_width: bool = False, **options: Any) -> None:
        corners = Map(world_size=size, fixed_four_skill_and_loc=True)
        config = tutorial(map=corners, n_agents=n, quirks=Quirks(corner_row_by_width=by_width))
        GatherTradeBuild(config, 1, compile=False, **options)

    with pytest.raises(ValueError, match=r"map.world_size \(9, 31\) does not hold the start cells"):
        start((9, 31), by_width=True)
    dry = layouts.Layout(*(np.zeros((5, 5), np.uint8) for _ in range(3)))
    with pytest.raises(ValueError, match=r"map.world_size \(5, 5\) has too few start cells by rank for 16"):
        start((5, 5), n=16, layouts=[dry])
    wet = replace(dry, water=np.eye(5, dtype=np.uint8))
    with pytest.raises(ValueError, match=r"layouts\[1\] must have no water on the start cells"):
        start((5, 5), layouts=[dry, wet])
    start((5, 5), layouts=[dry])


def test_given_maps_must_have_the_size_of_the_world() -> None:
    field = layouts.Layout(*(np.zeros((9, 8), np.uint8) for _ in range(3)))
    with pytest.raises(ValueError, match=r"layouts\[0\] must have the shape of map.world_size \(9, 9\), got"):
        GatherTradeBuild(small(), 1, compile=False, layouts=[field])
    with pytest.raises(ValueError, match="layouts must hold at least one map"):
        GatherTradeBuild(small(), 1, compile=False, layouts=[])


def test_a_map_of_another_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.txt"
    file.write_text("W S;  @; SW;")
    with pytest.raises(
        ValueError, match=r"map.world_size must be that of .*map.txt, \(3, 3\), got \(25, 25\)"
    ):
        layouts.layouts_of(Map(kind="file", file=str(file)), 0)
    found = layouts.layouts_of(Map(kind="file", file=str(file), world_size=(3, 3)), 0)[0]
    assert found.wood.sum() == 2 and found.stone.sum() == 2 and found.water[1, 2] == 1


def test_our_own_map_has_four_quadrants() -> None:
    layout = layouts.open_quadrant(25, 25)
    assert layout.wood.sum() == layout.stone.sum() == 20
    assert layout.wood[13:].sum() == 0 and layout.stone[:, 13:].sum() == 0
    assert layout.wood[:12, :12].sum() == layout.stone[:12, :12].sum() == 10
    assert replay.REDRAWS == 200
