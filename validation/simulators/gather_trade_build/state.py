"""The arrays of an economy. Environments are the first axis E; n agents; commodities are 0 stone, 1 wood; B brackets.

Goods are 0 coin, 1 stone, 2 wood. A map is padded, so that no window around an agent leaves it, and all rows and
columns count from the corner of the padded map. A cell is 16 bytes: what is on it in the order in which agents see it,
and in byte 8 the owner of the house and in byte 9 the agent on it (0 nobody, 2 + number). So a window is copied in
words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

COIN, STONE, WOOD = 0, 1, 2
GOODS = ("Coin", "Stone", "Wood")
COMMODITIES = ("Stone", "Wood")
BID, ASK = 0, 1
AGENT, PRICE, AGE = 0, 1, 2  # of an order
HOUSE, OWNER, OCCUPANT, CELL = 2, 8, 9, 16  # bytes of a cell; 0 and 1 are units of stone and wood
MEMORY = 500  # incomes that the Saez formula remembers
NOBODY, SELF, OTHERS = 0, 1, 2  # codes: an agent sees itself as 1, and agent j is 2 + j


class Rules(NamedTuple):
    """Numbers that do not change."""

    episode_length: int
    multi: int
    multi_planner: int
    build_labour: float
    order_labour: float
    move_labour: float
    collect_labour: float
    payment: float
    multiplier: float
    build_skill: int  # 0 none, 1 pareto, 2 lognormal
    gather_skill: int
    highest: int  # price
    limit: int
    duration: int  # an order is cancelled when it is older
    starting_coin: float
    placement: int  # 0 anywhere, 1 start cells by rank, 2 on a side of the water by rank
    water_row: int
    eta: float
    energy_cost: float
    warmup: float
    warmup_auto: int
    welfare: int
    equality_weight: float
    planner_like: int
    tax_model: int  # 0 none, 1 planner, 2 constant, 3 saez
    period: int
    rate_min: float
    rate_max: float
    annealed: int
    anneal_warmup: float
    anneal_slope: float
    uniform_weights: int
    fixed_elasticity: float  # < 0: estimated
    redistribution: int
    stock_dependent: int
    full: int
    pad: int  # cells around the map; the radius of windows, if these are seen
    water_seen: int
    scale: float
    time_scale: float
    planner_sees_places: int
    unrelated_build_skill: int
    gini_by_size: int
    stale_first_rates: int
    saez_top_rate: int
    escrow_untaxed: int
    redistribution_debt: int
    hidden_labour: int


class World(NamedTuple):
    """Arrays that do not change."""

    ground: np.ndarray  # (L, H + 2 pad, W + 2 pad, 16) maps without units, houses and agents
    cells: np.ndarray  # (L, 2, C, 2) rows and columns of sources, row by row
    cell_count: np.ndarray  # (L, 2)
    regeneration: np.ndarray  # (2,) chance of a unit
    halfwidth: np.ndarray  # (2,)
    most: np.ndarray  # (2,) units on a cell
    rank_cell: np.ndarray  # (n, 2) start cells by rank
    rank_payment: np.ndarray  # (n,)
    rank_above: np.ndarray  # (n,) 1: starts above the water
    cutoffs: np.ndarray  # (B,)
    levels: np.ndarray  # (J,) rates among which a planner chooses
    schedule: np.ndarray  # (B,) constant rates
    key: np.ndarray  # (2,) of the random numbers


class State(NamedTuple):
    """What the next step depends on."""

    time: np.ndarray  # (E,) steps of the episode
    clock: np.ndarray  # (E,) steps and resets since the seed was set
    completions: np.ndarray  # (E,) episodes
    active: np.ndarray  # (E,) steps in which agents gained
    layout: np.ndarray  # (E,) row of the maps
    loc: np.ndarray  # (E, n, 2)
    inventory: np.ndarray  # (E, n, 3)
    escrow: np.ndarray  # (E, n, 3)
    labour: np.ndarray  # (E, n)
    bonus: np.ndarray  # (E, n) chance of a second unit
    payment: np.ndarray  # (E, n)
    skill: np.ndarray  # (E, n)
    maps: np.ndarray  # (E, H + 2 pad, W + 2 pad, 16) uint8
    words: np.ndarray  # (E, H + 2 pad, W + 2 pad, 2) uint64, the same memory
    orders: np.ndarray  # (E, 2, 2, n limit, 3) books: agent, price, age
    length: np.ndarray  # (E, 2, 2) of the books
    open: np.ndarray  # (E, 2, n) orders
    history: np.ndarray  # (E, 2, n, K + 1) discounted sales by price
    day: np.ndarray  # (E,) of the tax period, from 1
    level: np.ndarray  # (E, B) that the planner chose
    rates: np.ndarray  # (E, B)
    cap: np.ndarray  # (E,) share of the largest rate that annealing allows
    last_coin: np.ndarray  # (E, n) at the beginning of the period
    last_income: np.ndarray  # (E, n)
    last_marginal: np.ndarray  # (E, n)
    last_effective: np.ndarray  # (E, n)
    objective: np.ndarray  # (E, n + 1) the planner is last
    memory: np.ndarray  # (E, 500, 2) incomes and marginal rates, for Saez, else (E, 0, 2)
    remembered: (
        np.ndarray
    )  # (E, 2) number of pairs that ever came (at most 500 are kept), whether 500 were reached
    elasticity: np.ndarray  # (E, 3) estimate, logarithm of z, estimate before
    running: np.ndarray  # (E, B) average of Saez rates
    saez: np.ndarray  # (E, B) Saez rates


class Tally(NamedTuple):
    """What happened in an episode."""

    builds: np.ndarray  # (E, n)
    trades: np.ndarray  # (E, n, 2, 2, 2) by commodity, 0 sold or 1 bought: number, sum of prices
    periods: np.ndarray  # (E,) tax days
    rate_sum: np.ndarray  # (E, B) over tax days
    occupancy: np.ndarray  # (E, B) incomes in each bracket
    taxed: np.ndarray  # (E, n, 2) income where it was positive, and tax
    effective_sum: np.ndarray  # (E,)
    endowment: np.ndarray  # (E, n, 3) at the end
    labour: np.ndarray  # (E, n) at the end
    objective: np.ndarray  # (E, n + 1) at the end
    payment: np.ndarray  # (E, n)
    effort: np.ndarray  # (E, 3) cost of labour, steps in which agents gained, estimated elasticity


class Draws(NamedTuple):
    """The random numbers of a step."""

    order: np.ndarray  # (E, 2, n) in which agents build and gather
    bonus: np.ndarray  # (E, 2 n) one for each collected commodity
    regeneration: np.ndarray  # (E, 2, C)
    rates: np.ndarray  # (E, B)


class Events(NamedTuple):
    """What happened in a step."""

    trade: np.ndarray  # (E, 2 n limit, 8) commodity, seller, buyer, ask, its age, bid, its age, price
    trades: np.ndarray  # (E,)
    build: np.ndarray  # (E, n, 3) agent, row, column
    builds: np.ndarray  # (E,)
    gather: np.ndarray  # (E, 2 n, 5) agent, commodity, units, row, column
    gathers: np.ndarray  # (E,)
    tax: np.ndarray  # (E, n, 5) income, paid, marginal rate, effective rate, lump sum
    taxed: np.ndarray  # (E,) whether it was a tax day


class Output(NamedTuple):
    """What a step gives."""

    reward: np.ndarray  # (E, n + 1) the planner is last
    done: np.ndarray  # (E,)
    fault: np.ndarray  # (E,) 1: an action does not exist, 2: there is no room for an agent
    chosen: np.ndarray  # (E, n, 6) decoded actions
    out: np.ndarray  # (E, n) room: buyers without a match; sorted coin
    work: np.ndarray  # (E, n) room
    bins: np.ndarray  # (E, 6, 101) room of the Saez formula


class Seen(NamedTuple):
    """Observations and masks."""

    flat: np.ndarray  # (E, n, F) float32
    cells: np.ndarray  # (E, n, h, w, 2) uint64
    bytes: np.ndarray  # (E, n, h, w, 16) uint8, the same memory
    mask: np.ndarray  # (E, n, A) uint8
    planner_flat: np.ndarray  # (E, P) float32
    planner_agents: np.ndarray  # (E, n, G) float32
    planner_mask: np.ndarray  # (E, PA) uint8
