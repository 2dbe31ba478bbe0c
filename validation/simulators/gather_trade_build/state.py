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


def in_words(cells: np.ndarray) -> np.ndarray:
    """The same memory in words: cells (..., w, 16) as (..., 2 w), so that a row is copied in one go."""
    shape = tuple(cells.shape)
    return cells.view(np.uint64).reshape(*shape[:-2], 2 * shape[-2])


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


class Sources(NamedTuple):
    """Where commodities recover, in each of L maps."""

    cells: np.ndarray  # (L, 2, C, 2) rows and columns of sources, row by row
    cell_count: np.ndarray  # (L, 2)
    regeneration: np.ndarray  # (2,) chance of a unit
    halfwidth: np.ndarray  # (2,)
    most: np.ndarray  # (2,) units on a cell


class Ranks(NamedTuple):
    """What goes with the rank of an agent."""

    rank_cell: np.ndarray  # (n, 2) start cells
    rank_payment: np.ndarray  # (n,)
    rank_above: np.ndarray  # (n,) 1: starts above the water


class Brackets(NamedTuple):
    """Tax brackets."""

    cutoffs: np.ndarray  # (B,)
    levels: np.ndarray  # (J,) rates among which a planner chooses
    schedule: np.ndarray  # (B,) constant rates


class World(NamedTuple):
    """What does not change."""

    ground: np.ndarray  # (L, H + 2 pad, W + 2 pad, 16) maps without units, houses and agents
    key: np.ndarray  # (2,) of the random numbers
    sources: Sources
    ranks: Ranks
    brackets: Brackets


class Calendar(NamedTuple):
    """Counters (E,)."""

    time: np.ndarray  # steps of the episode
    clock: np.ndarray  # steps and resets since the seed was set
    completions: np.ndarray  # episodes
    active: np.ndarray  # steps in which agents gained
    layout: np.ndarray  # which of the maps


class Agents(NamedTuple):
    """What agents are and have."""

    loc: np.ndarray  # (E, n, 2)
    inventory: np.ndarray  # (E, n, 3)
    escrow: np.ndarray  # (E, n, 3)
    labour: np.ndarray  # (E, n)
    bonus: np.ndarray  # (E, n) chance of a second unit
    payment: np.ndarray  # (E, n)
    skill: np.ndarray  # (E, n)


class Land(NamedTuple):
    """Maps."""

    maps: np.ndarray  # (E, H + 2 pad, W + 2 pad, 16) uint8
    words: np.ndarray  # (E, H + 2 pad, 2 (W + 2 pad)) uint64, the same memory


class Book(NamedTuple):
    """Orders and past sales."""

    orders: np.ndarray  # (E, 2, 2, n limit, 3) by commodity and side: agent, price, age
    length: np.ndarray  # (E, 2, 2) number of them
    open: np.ndarray  # (E, 2, n) orders
    history: np.ndarray  # (E, 2, n, K + 1) discounted sales by price


class Fisc(NamedTuple):
    """Taxes."""

    day: np.ndarray  # (E,) of the period, from 1
    level: np.ndarray  # (E, B) that the planner chose
    rates: np.ndarray  # (E, B)
    cap: np.ndarray  # (E,) share of the largest rate that annealing allows
    last_coin: np.ndarray  # (E, n) at the beginning of the period
    last_income: np.ndarray  # (E, n)
    last_marginal: np.ndarray  # (E, n)
    last_effective: np.ndarray  # (E, n)


class Memory(NamedTuple):
    """What the Saez formula remembers over episodes."""

    pairs: np.ndarray  # (E, 500, 2) incomes and marginal rates; (E, 0, 2) if there is no such formula
    remembered: np.ndarray  # (E, 2) number of pairs that ever came, whether 500 were reached
    elasticity: np.ndarray  # (E, 3) estimate, logarithm of z, estimate before
    running: np.ndarray  # (E, B) average of rates
    saez: np.ndarray  # (E, B) rates


class State(NamedTuple):
    """What the next step depends on."""

    calendar: Calendar
    agents: Agents
    land: Land
    book: Book
    fisc: Fisc
    memory: Memory
    objective: np.ndarray  # (E, n + 1) the planner is last


class FiscalTally(NamedTuple):
    """Taxes of an episode."""

    periods: np.ndarray  # (E,) tax days
    rate_sum: np.ndarray  # (E, B) over tax days
    occupancy: np.ndarray  # (E, B) incomes in each bracket
    taxed: np.ndarray  # (E, n, 2) income where it was positive, and tax
    effective_sum: np.ndarray  # (E,)


class Final(NamedTuple):
    """The end of an episode."""

    endowment: np.ndarray  # (E, n, 3)
    labour: np.ndarray  # (E, n)
    objective: np.ndarray  # (E, n + 1)
    payment: np.ndarray  # (E, n)
    effort: (
        np.ndarray
    )  # (E, 3) cost of labour, steps in which agents gained, elasticity that the planner used


class Tally(NamedTuple):
    """What happened in an episode."""

    built: np.ndarray  # (E, n)
    traded: np.ndarray  # (E, n, 2, 2, 2) by commodity, 0 sold or 1 bought: number, sum of prices
    fiscal: FiscalTally
    final: Final


class Draws(NamedTuple):
    """The random numbers of a step."""

    order: np.ndarray  # (E, 2, n) in which agents build and gather
    bonus: np.ndarray  # (E, 2 n) one for each collected commodity
    regeneration: np.ndarray  # (E, 2, C)
    rates: np.ndarray  # (E, B)


class Log(NamedTuple):
    """Things that happened in a step."""

    rows: np.ndarray  # (E, most, fields)
    size: np.ndarray  # (E,) how many


class Events(NamedTuple):
    """What happened in a step."""

    trade_log: Log  # commodity, seller, buyer, ask, its age, bid, its age, price
    build_log: Log  # agent, row, column
    gather_log: Log  # agent, commodity, units, row, column
    tax_log: (
        Log  # by agent: income, paid, marginal rate, effective rate, lump sum; size 1 on tax days, else 0
    )


class Room(NamedTuple):
    """Room for what rules compute on the way."""

    chosen: np.ndarray  # (E, n, 6) decoded actions
    out: np.ndarray  # (E, n) buyers without a match; coin; sorted incomes
    work: np.ndarray  # (E, n) sorted coin
    bins: np.ndarray  # (E, 6, 101) of the Saez formula


class Output(NamedTuple):
    """What a step gives."""

    gains: np.ndarray  # (E, n + 1) rewards; the planner is last
    done: np.ndarray  # (E,)
    fault: (
        np.ndarray
    )  # (E,) 1: an action does not exist, 2: there is no room for an agent, 3: the episode is over
    room: Room


class Seen(NamedTuple):
    """Observations and masks."""

    flat: np.ndarray  # (E, n, F) float32
    cells: np.ndarray  # (E, n, h, 2 w) uint64
    bytes: np.ndarray  # (E, n, h, w, 16) uint8, the same memory
    mask: np.ndarray  # (E, n, A) uint8
    planner_flat: np.ndarray  # (E, P) float32
    planner_agents: np.ndarray  # (E, n, G) float32
    planner_mask: np.ndarray  # (E, PA) uint8
