"""The arrays and numbers that the rules work on, from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pycrld_econ.environments.taxes import US_FEDERAL_RATES, linear_cutoffs, log_cutoffs, us_federal_cutoffs
from pycrld_econ.validation.backend import split_seed
from pycrld_econ.validation.simulators.gather_trade_build import config as names
from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.layouts import Layout
from pycrld_econ.validation.simulators.gather_trade_build.skills import ranked_cells, ranked_payments
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    CELL,
    MEMORY,
    Agents,
    Book,
    Brackets,
    Calendar,
    Draws,
    Events,
    Final,
    Fisc,
    FiscalTally,
    Land,
    Log,
    Memory,
    Output,
    Ranks,
    Room,
    Rules,
    Sources,
    State,
    Tally,
    World,
    in_words,
)
from pycrld_econ.validation.simulators.gather_trade_build.world import WATER


def tax_tables(config: GTBConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut-offs (B,), levels (J,) that a planner chooses among, constant rates (B,)."""
    tax = config.tax
    if tax is None:
        return np.zeros(1), np.zeros(1), np.zeros(1)
    cutoffs: np.ndarray
    if tax.bracket_spacing == "us-federal":
        cutoffs = us_federal_cutoffs(tax.usd_scaling)
    else:
        spaced = linear_cutoffs if tax.bracket_spacing == "linear" else log_cutoffs
        cutoffs = spaced(tax.n_brackets, tax.top_bracket_cutoff)
    levels = np.arange(tax.rate_min, tax.rate_max + tax.rate_disc, tax.rate_disc)
    levels = levels[levels <= tax.rate_max]
    schedule = np.zeros(len(cutoffs))
    if tax.tax_model == "us-federal-single-filer-2018-scaled":
        if len(cutoffs) != len(US_FEDERAL_RATES):
            raise ValueError(
                f"tax.bracket_spacing must be 'us-federal' for {tax.tax_model}, got {tax.bracket_spacing!r}"
            )
        schedule = np.array(US_FEDERAL_RATES)
    elif tax.fixed_bracket_rates is not None:
        schedule = np.array(tax.fixed_bracket_rates, dtype=float)
    if tax.disable_taxes:
        levels, schedule = np.zeros(1), np.zeros(len(cutoffs))
    return np.asarray(cutoffs, dtype=float), levels, schedule


def pad_of(config: GTBConfig) -> int:
    """Cells around the map, so that windows stay inside."""
    return 1 if config.full_observability else config.mobile_agent_observation_range


def rules_of(config: GTBConfig) -> Rules:
    """A configuration as the rules take it."""
    c, b, m, g, q = config, config.build, config.market, config.gather, config.quirks
    tax = c.tax
    models = {
        "model_wrapper": 1,
        "us-federal-single-filer-2018-scaled": 2,
        "fixed-bracket-rates": 2,
        "saez": 3,
    }
    model = 0 if tax is None else 2 if tax.disable_taxes else models[tax.tax_model]
    tax = names.Tax() if tax is None else tax
    schedule = tax.tax_annealing_schedule
    height = c.map.world_size[0]
    return Rules(
        episode_length=c.episode_length, multi=int(c.multi_action_mode_agents),
        multi_planner=int(c.multi_action_mode_planner), build_labour=float(b.build_labor),
        order_labour=float(m.order_labor), move_labour=float(g.move_labor), collect_labour=float(g.collect_labor),
        payment=float(b.payment), multiplier=float(b.payment_max_skill_multiplier),
        build_skill=names.SKILLS.index(b.skill_dist), gather_skill=names.SKILLS.index(g.skill_dist),
        highest=m.max_bid_ask, limit=m.limit, duration=m.order_duration - (not q.extra_order_round),
        starting_coin=float(c.starting_agent_coin),
        placement=2 if c.map.kind == "split" else int(c.map.fixed_four_skill_and_loc),
        water_row=height // 2 if c.map.water_row is None else c.map.water_row,
        eta=float(c.isoelastic_eta), energy_cost=float(c.energy_cost), warmup=float(c.energy_warmup_constant),
        warmup_auto=int(c.energy_warmup_method == "auto"), welfare=names.WELFARES.index(c.planner_reward_type),
        equality_weight=1.0 - c.mixing_weight_gini_vs_coin, planner_like=int(c.agent_reward == "planner_like"),
        tax_model=model, period=tax.period, rate_min=0.0 if tax.disable_taxes else float(tax.rate_min),
        rate_max=0.0 if tax.disable_taxes else float(tax.rate_max), annealed=int(schedule is not None),
        anneal_warmup=float(schedule[0]) if schedule else 0.0, anneal_slope=float(schedule[1]) if schedule else 0.0,
        uniform_weights=int(tax.pareto_weight_type == "uniform"),
        fixed_elasticity=-1.0 if tax.saez_fixed_elas is None else float(tax.saez_fixed_elas),
        redistribution=int(c.redistribution), stock_dependent=int(c.map.stock_dependent),
        full=int(c.full_observability), pad=pad_of(c), water_seen=int(c.map.has_water),
        scale=0.01 if c.allow_observation_scaling else 1.0,
        time_scale=1.0 / c.episode_length if c.allow_observation_scaling else 1.0,
        planner_sees_places=int(c.planner_gets_spatial_info and not c.full_observability),
        unrelated_build_skill=int(q.unrelated_build_skill), gini_by_size=int(q.gini_by_size),
        stale_first_rates=int(q.stale_first_rates), saez_top_rate=int(q.saez_top_rate),
        escrow_untaxed=int(q.escrow_untaxed), redistribution_debt=int(q.redistribution_debt),
        hidden_labour=int(q.hidden_labour),
    )  # fmt: skip


def check_starts(cells: np.ndarray, layouts: Sequence[Layout]) -> None:
    """ValueError unless start cells (n, 2) are in the world, of one agent each, and without water on all maps."""
    size = layouts[0].shape
    named = [tuple(cell) for cell in cells.tolist()]
    if (cells < 0).any() or (cells >= size).any():
        raise ValueError(f"map.world_size {size} does not hold the start cells by rank {named}")
    if len(set(named)) < len(named):
        raise ValueError(f"map.world_size {size} has too few start cells by rank for {len(named)} agents")
    for k, one in enumerate(layouts):
        if one.water[cells[:, 0], cells[:, 1]].any():
            raise ValueError(f"layouts[{k}] must have no water on the start cells by rank {named}")


def world_of(
    config: GTBConfig,
    layouts: Sequence[Layout],
    cutoffs: np.ndarray,
    levels: np.ndarray,
    schedule: np.ndarray,
    seed: int,
) -> World:
    """The arrays that do not change."""
    m, n, pad = config.map, config.n_agents, pad_of(config)
    starts = ranked_cells(n, m.world_size, config.quirks.corner_row_by_width)
    if m.fixed_four_skill_and_loc and m.kind != "split":
        check_starts(starts, layouts)
    cells = [[np.argwhere(layer) for layer in (one.stone, one.wood)] for one in layouts]
    most = max(len(layer) for pair in cells for layer in pair)
    table = np.zeros((len(layouts), 2, max(most, 1), 2), np.int16)
    for k, pair in enumerate(cells):
        for q, layer in enumerate(pair):
            table[k, q, : len(layer)] = layer + pad
    if m.is_generated:
        weights = [m.stone_regen_weight, m.wood_regen_weight]
        halves, health = (
            [m.stone_regen_halfwidth, m.wood_regen_halfwidth],
            [m.stone_max_health, m.wood_max_health],
        )
    else:
        weights, halves, health = [m.resource_regen_prob] * 2, [0, 0], [m.max_health] * 2
    payments = np.zeros(n)
    if config.is_ranked:
        payments = ranked_payments(config)
        payments = payments[::-1].copy() if m.kind == "split" else payments
    above = np.array([int(rank in m.skill_rank_of_top_agents) for rank in range(n)], np.int64)
    counts = np.array([[len(layer) for layer in pair] for pair in cells], np.int64)
    return World(
        ground=np.stack([ground_of(config, one) for one in layouts]),
        key=np.array(split_seed(seed), dtype=np.int64),
        sources=Sources(
            cells=table,
            cell_count=counts,
            regeneration=np.array(weights, dtype=float),
            halfwidth=np.array(halves, dtype=np.int64),
            most=np.array(health, dtype=np.int64),
        ),
        ranks=Ranks(
            rank_cell=starts + pad,
            rank_payment=payments,
            rank_above=above,
        ),
        brackets=Brackets(cutoffs, levels, schedule),
    )


def ground_of(config: GTBConfig, layout: Layout) -> np.ndarray:
    """A padded map with water and sources."""
    height, width = layout.shape
    pad, water = pad_of(config), int(config.map.has_water)
    ground = np.zeros((height + 2 * pad, width + 2 * pad, CELL), np.uint8)
    inside = ground[pad:-pad, pad:-pad]
    if water:
        inside[..., WATER] = layout.water
    elif layout.water.any():
        raise ValueError(f"map.kind {config.map.kind!r} must have no water")
    inside[..., WATER + water], inside[..., WATER + water + 1] = layout.stone, layout.wood
    inside[..., WATER + water + 2] = 1
    return ground


def rooms(kind: type, E: int, shapes: dict[str, tuple[tuple[int, ...], Any]]) -> Any:
    """A named tuple of zeros, of shapes after the first axis E and of types."""
    return kind(**{name: np.zeros((E, *shape), dtype) for name, (shape, dtype) in shapes.items()})


def state_of(config: GTBConfig, E: int, brackets: int) -> State:
    """Room for the state; the first reset fills it."""
    n, limit, prices = config.n_agents, config.market.limit, config.market.max_bid_ask + 1
    height, width = (size + 2 * pad_of(config) for size in config.map.world_size)
    pairs = MEMORY if config.tax is not None and config.tax.tax_model == "saez" else 0
    whole, each = ((), np.int64), ((n,), float)
    agents = {name: each for name in ("labour", "bonus", "payment", "skill")}
    fisc = {name: each for name in ("last_coin", "last_income", "last_marginal", "last_effective")}
    by_bracket = ((brackets,), float)
    maps = np.zeros((E, height, width, CELL), np.uint8)
    state = State(
        calendar=rooms(Calendar, E, {name: whole for name in Calendar._fields}),
        agents=rooms(
            Agents, E, {"loc": ((n, 2), np.int16), "inventory": ((n, 3), float), "escrow": ((n, 3), float), **agents}
        ),
        land=Land(maps, in_words(maps)),
        book=rooms(Book, E, {
            "orders": ((2, 2, n * limit, 3), np.int16), "length": ((2, 2), np.int64), "open": ((2, n), np.int16),
            "history": ((2, n, prices), float),
        }),
        fisc=rooms(Fisc, E, {
            "day": whole, "level": ((brackets,), np.int64), "rates": by_bracket, "cap": ((), float), **fisc
        }),
        memory=rooms(Memory, E, {
            "pairs": ((pairs, 2), float), "remembered": ((2,), np.int64), "elasticity": ((3,), float),
            "running": by_bracket, "saez": by_bracket,
        }),
        objective=np.zeros((E, n + 1)),
    )  # fmt: skip
    state.memory.elasticity[:, 0::2] = 0.5
    state.fisc.cap[:] = 1.0 if config.tax is None or config.tax.tax_annealing_schedule is None else 0.0
    return state


def tally_of(config: GTBConfig, E: int, brackets: int) -> Tally:
    """Room for the account of an episode."""
    n = config.n_agents
    return Tally(
        built=np.zeros((E, n)),
        traded=np.zeros((E, n, 2, 2, 2)),
        fiscal=rooms(FiscalTally, E, {
            "periods": ((), float), "rate_sum": ((brackets,), float), "occupancy": ((brackets,), float),
            "taxed": ((n, 2), float), "effective_sum": ((), float),
        }),
        final=rooms(Final, E, {
            "endowment": ((n, 3), float), "labour": ((n,), float), "objective": ((n + 1,), float),
            "payment": ((n,), float), "effort": ((3,), float),
        }),
    )  # fmt: skip


def output_of(config: GTBConfig, E: int) -> Output:
    """Room for what a step gives."""
    n = config.n_agents
    bins = 101 if config.tax is not None and config.tax.tax_model == "saez" else 0
    room = rooms(Room, E, {
        "chosen": ((n, 6), np.int16), "out": ((n,), float), "work": ((n,), float), "bins": ((6, bins), float)
    })  # fmt: skip
    return Output(np.zeros((E, n + 1)), np.zeros(E, np.uint8), np.zeros(E, np.int64), room)


def events_of(config: GTBConfig, E: int) -> Events:
    """Room for what happens in a step."""
    n = config.n_agents
    sizes = {"trade": (2 * n * config.market.limit, 8), "build": (n, 3), "gather": (2 * n, 5), "tax": (n, 5)}

    def log(name: str) -> Log:
        dtype = float if name == "tax" else np.int16
        return rooms(Log, E, {"rows": (sizes[name], dtype), "size": ((), np.int64)})

    return Events(*(log(name) for name in sizes))


def draws_of(config: GTBConfig, E: int, brackets: int, cells: int) -> Draws:
    """Room for the random numbers of a step."""
    n = config.n_agents
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "order": ((2, n), np.int16), "bonus": ((2 * n,), float), "regeneration": ((2, cells), float),
        "rates": ((brackets,), float),
    }  # fmt: skip
    return rooms(Draws, E, shapes)
