"""The original, draw by draw: episodes from recorded random numbers, or from a seed of numpy's legacy generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.validation.simulators.gather_trade_build import steps
from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild, host
from pycrld_econ.validation.simulators.gather_trade_build.layouts import Layout, generate, layouts_of
from pycrld_econ.validation.simulators.gather_trade_build.masks import mask
from pycrld_econ.validation.simulators.gather_trade_build.observations import look, observe
from pycrld_econ.validation.simulators.gather_trade_build.rewards import objectives
from pycrld_econ.validation.simulators.gather_trade_build.skills import ranked_cells, ranked_payments
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    NOBODY,
    OCCUPANT,
    OTHERS,
    Land,
    State,
    in_words,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import first_rates
from pycrld_econ.validation.simulators.gather_trade_build.world import regenerate_all

REDRAWS = 200  # of a cell for an agent
REMEMBERED = ("pairs", "remembered", "elasticity", "running")


@dataclass(frozen=True)
class Start:
    """What the random numbers of a reset decide.

    Attributes
    ----------
    loc : (n, 2) int array
        Rows and columns.
    bonus, payment, skill : (n,) array
        Chance of a second unit, coin for a house, and the skill that is observed.
    layout : Layout
        The map.
    """

    loc: np.ndarray
    bonus: np.ndarray
    payment: np.ndarray
    skill: np.ndarray
    layout: Layout


def begin(
    config: GTBConfig, start: Start, completions: int = 0, before: State | None = None, **options: object
) -> GatherTradeBuild:
    """One economy at a given start.

    Parameters
    ----------
    config : GTBConfig
        What it is.
    start : Start
        Where it begins.
    completions : int
        Episodes before; the rates of the reset are still capped by the first one's annealing if that is a quirk.
    before : State, optional
        That of the episode before, from which comes what is remembered across episodes.
    **options
        As for GatherTradeBuild.
    """
    economy = GatherTradeBuild(config, 1, layouts=[start.layout], **options)  # type: ignore[arg-type]
    s, seen, out, tally = (host(one) for one in (economy.state, economy.seen, economy._out, economy._tally))
    if before is not None:
        s.calendar.active[:], s.fisc.cap[:] = before.calendar.active, before.fisc.cap
        for name in REMEMBERED:
            getattr(s.memory, name)[:] = getattr(before.memory, name)
        s.memory.saez[:] = s.memory.running
    s.land.maps[0, ..., OCCUPANT] = NOBODY
    for i, (row, col) in enumerate(np.asarray(start.loc) + economy.rules.pad):
        s.agents.loc[0, i] = row, col
        s.land.maps[0, row, col, OCCUPANT] = i + OTHERS
    for name in ("bonus", "payment", "skill"):
        getattr(s.agents, name)[0] = getattr(start, name)
    s.calendar.completions[0] = completions
    economy.state, economy.seen, economy._out, economy._tally = (
        economy._there(one) for one in (s, seen, out, tally)
    )
    see_first(economy)
    return economy


def see_first(economy: GatherTradeBuild) -> None:
    """Rates, objectives, observations and masks at the beginning of an episode."""
    s, seen, out, tally = (host(one) for one in (economy.state, economy.seen, economy._out, economy._tally))
    s, seen = (
        s._replace(land=Land(s.land.maps, in_words(s.land.maps))),
        seen._replace(cells=in_words(seen.bytes)),
    )
    rules, brackets = economy.rules, economy._world.brackets
    first_rates(0, rules, brackets, s.calendar, s.fisc, s.memory)
    objectives(0, s.objective, rules, s.calendar, s.agents, out.room)
    observe(0, 1, rules, brackets, s.calendar, s.agents, s.land, s.book, s.fisc, out.room, seen)
    look(0, 1, rules, s.agents, s.land, tally.built, seen)
    mask(0, 1, rules, brackets, s.calendar, s.agents, s.land, s.book, s.fisc, seen)
    economy.state, economy.seen = economy._there(s), economy._there(seen)


def replay(
    economy: GatherTradeBuild,
    actions: ArrayLike,
    planner_actions: ArrayLike | None,
    order: ArrayLike,
    bonus: ArrayLike,
    regeneration: Sequence[ArrayLike],
    rates: ArrayLike | None = None,
) -> None:
    """A step of the only environment with recorded random numbers.

    Parameters
    ----------
    economy : GatherTradeBuild
        Made by `begin`.
    actions, planner_actions : int arrays
        Of agents (n,) or (n, 6), and of the planner.
    order : (2, n) int array
        In which agents build, and gather.
    bonus : sequence of float
        One for each collected commodity, in order.
    regeneration : pair of arrays
        Of the source cells of stone, and of wood, row by row.
    rates : (B,) array, optional
        Random Saez rates, in [0, 1).
    """
    fill(economy, order, bonus, regeneration, rates)
    chosen = economy._chosen(np.asarray(actions)[None])
    planned = economy._planned(None if planner_actions is None else np.asarray(planner_actions)[None])
    economy._advance(chosen, planned, steps.REPLAY)
    economy._check_fault()


def fill(
    economy: GatherTradeBuild,
    order: ArrayLike,
    bonus: ArrayLike,
    regeneration: Sequence[ArrayLike],
    rates: ArrayLike | None,
) -> None:
    """Put random numbers where the rules read them."""
    d = host(economy.draws)
    d.order[0] = order
    d.bonus[0, : len(np.asarray(bonus))] = bonus
    for q in range(2):
        d.regeneration[0, q, : len(np.asarray(regeneration[q]))] = regeneration[q]
    if rates is not None:
        d.rates[0] = rates
    economy.draws = economy._there(d)


# --- from a seed ------------------------------------------------------------------------------------------------------


class Original:
    """One economy with the random numbers of the original: numpy's legacy generator, draw by draw.

    Parameters
    ----------
    config : GTBConfig
        What the economy is; use `strict` for what the original does by accident.
    rng : numpy RandomState
        Whose state is that before the original is constructed.
    reset_seed : int, optional
        A seed set between construction and the first reset.
    layout : Layout, optional
        A map instead of that of `config.map`.
    completions : int
        Episodes before.

    Notes
    -----
    Slow: the rules are interpreted.
    """

    def __init__(
        self,
        config: GTBConfig,
        rng: np.random.RandomState,
        reset_seed: int | None = None,
        layout: Layout | None = None,
        completions: int = 0,
    ) -> None:
        self.config, self.rng = config, rng
        self._payments, self._cells = np.zeros(0), np.zeros((0, 2), int)
        quirks, m = config.quirks, config.map
        if m.kind == "multi_zone":  # the original deals zones out when it is made, and again in each reset
            rng.shuffle(np.zeros(64, dtype=object))
        if m.kind == "split":
            self._payments = ranked_payments(config, rng)[::-1]
        elif m.fixed_four_skill_and_loc:
            self._payments = ranked_payments(config)
            self._cells = ranked_cells(config.n_agents, m.world_size, quirks.corner_row_by_width)
        self._layout = layout if layout is not None or m.is_generated else layouts_of(m, 0)[0]
        if reset_seed is not None:
            rng.seed(reset_seed)
        self.economy = begin(config, self.start(), completions, compile=False)

    def start(self) -> Start:
        """Draw a reset."""
        c, rng, n = self.config, self.rng, self.config.n_agents
        layout = self._layout
        order = np.arange(n)
        if layout is None:
            layout = generate(c.map, rng, c.quirks.stone_by_wood_coverage)
            order = rng.permutation(n)
        height, width = layout.shape
        taken = layout.water.astype(bool)
        loc = np.zeros((n, 2), dtype=np.int64)
        for i in order:
            loc[i] = self._free_cell(taken, 0, height, width)
            taken[tuple(loc[i])] = True
        skill, payment = self._skills()
        bonus = self._bonus()
        if c.is_ranked:
            loc, payment = self._by_rank(layout)
        return Start(loc, bonus, payment, skill, layout)

    def _free_cell(self, taken: np.ndarray, low: int, high: int, width: int) -> tuple[int, int]:
        for _ in range(REDRAWS + 1):
            cell = int(self.rng.randint(low, high)), int(self.rng.randint(0, width))
            if not taken[cell]:
                return cell
        raise ValueError(f"map.world_size has no room for an agent: no free cell in {REDRAWS} draws")

    def _skills(self) -> tuple[np.ndarray, np.ndarray]:
        b, n = self.config.build, self.config.n_agents
        most = b.payment_max_skill_multiplier
        if b.skill_dist == "none":
            return np.ones(n), np.full(n, float(b.payment))
        draw = self.rng.pareto if b.skill_dist == "pareto" else self.rng.lognormal
        given = (4,) if b.skill_dist == "pareto" else (-1, 0.5)
        skill = np.array([draw(*given) for _ in range(n)])
        return skill, np.minimum(most, (most - 1) * skill + 1) * b.payment

    def _bonus(self) -> np.ndarray:
        kind, n = self.config.gather.skill_dist, self.config.n_agents
        if kind == "none":
            return np.zeros(n)
        draws = [
            self.rng.pareto(3) if kind == "pareto" else self.rng.lognormal(-2.022, 0.938) for _ in range(n)
        ]
        return np.minimum(2, draws) / 2

    def _by_rank(self, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
        m, n = self.config.map, self.config.n_agents
        height, width = layout.shape
        loc, payment = np.zeros((n, 2), dtype=np.int64), np.zeros(n)
        taken = layout.water.astype(bool)
        row = height // 2 if m.water_row is None else m.water_row
        for rank, i in enumerate(self.rng.permutation(n)):
            payment[i] = self._payments[rank]
            if m.kind == "split":
                low, high = (0, row) if rank in m.skill_rank_of_top_agents else (row + 1, height)
                loc[i] = self._free_cell(taken, low, high, width)
                taken[tuple(loc[i])] = True
            else:
                loc[i] = self._cells[rank]
        return loc, payment

    def step(self, actions: ArrayLike, planner_actions: ArrayLike | None = None) -> None:
        """One step; look at `economy` for what it gave."""
        e, rng, n = self.economy, self.rng, self.config.n_agents
        chosen = e._chosen(np.asarray(actions)[None])
        planned = e._planned(None if planner_actions is None else np.asarray(planner_actions)[None])
        e.draws.order[0, 0], e.draws.order[0, 1] = rng.permutation(n), rng.permutation(n)
        before = rng.get_state()
        e.draws.bonus[0] = rng.rand(2 * n)  # more than are used: the generator goes on from those that are
        rng.set_state(before)
        self._play(chosen, planned)
        see_first(e)

    def _play(self, chosen: np.ndarray, planned: np.ndarray) -> None:
        e = self.economy
        rules, w, s, d, out, events, tally = e.rules, e.world, e.state, e.draws, e._out, e.events, e._tally
        steps.prepare(
            0, 1, chosen, planned, steps.REPLAY, rules, w.key, w.brackets, s.calendar, s.fisc, s.memory, d,
            out.done, out.fault, out.room,
        )  # fmt: skip
        e._check_fault()
        steps.build_all(0, 1, rules, s.agents, s.land, d, out.fault, out.room, events.build_log, tally.built)
        steps.auction_all(0, 1, rules, s.agents, s.book, out.fault, out.room, events.trade_log, tally.traded)
        steps.gather_all(0, 1, rules, s.agents, s.land, d, out.fault, out.room, events.gather_log)
        self.rng.rand(int(events.gather_log.size[0]))
        self._draw_rates()
        steps.share_all(
            0, 1, planned, rules, w.brackets, s.agents, s.book, s.fisc, s.memory, d, out.fault, out.room,
            events.tax_log, tally.fiscal,
        )  # fmt: skip
        self._draw_regeneration()
        regenerate_all(0, 1, False, rules, w.key, w.sources, s.calendar, s.land, d, out.fault)
        steps.close(
            0, 1, rules, s.calendar, s.agents, s.memory, s.objective, out.gains, out.done, out.fault, out.room, tally,
            e._finished,
        )  # fmt: skip

    def _draw_rates(self) -> None:
        e = self.economy
        if e.rules.tax_model == 3 and e.state.memory.remembered[0, 1] == 0 and e.state.fisc.day[0] == 1:
            e.draws.rates[0] = self.rng.rand(len(e.cutoffs))

    def _draw_regeneration(self) -> None:
        e = self.economy
        layout = int(e.state.calendar.layout[0])
        for q in (1, 0):
            u = self.rng.rand(*e.layouts[layout].shape)
            count = int(e.world.sources.cell_count[layout, q])
            rows, cols = e.world.sources.cells[layout, q, :count].T - e.rules.pad
            e.draws.regeneration[0, q, :count] = u[rows, cols]

    def reset(self) -> None:
        """A new episode; what is remembered across episodes stays."""
        before = self.economy.state
        self.economy = begin(
            self.config, self.start(), int(before.calendar.completions[0]) + 1, before, compile=False
        )
