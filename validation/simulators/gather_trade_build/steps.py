"""A step of a range of environments: decode, build, trade, gather, tax, recover, reward, and see."""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.build import build_all
from pycrld_econ.validation.simulators.gather_trade_build.draws import draw
from pycrld_econ.validation.simulators.gather_trade_build.gather import gather_all
from pycrld_econ.validation.simulators.gather_trade_build.labour import weighted_cost
from pycrld_econ.validation.simulators.gather_trade_build.market import auction_all
from pycrld_econ.validation.simulators.gather_trade_build.masks import mask
from pycrld_econ.validation.simulators.gather_trade_build.observations import look, observe
from pycrld_econ.validation.simulators.gather_trade_build.resets import restart
from pycrld_econ.validation.simulators.gather_trade_build.rewards import reward
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    Agents,
    Brackets,
    Calendar,
    Draws,
    Events,
    Fisc,
    Memory,
    Output,
    Room,
    Rules,
    Seen,
    State,
    Tally,
    World,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import PLANNER, SAEZ, share_all
from pycrld_econ.validation.simulators.gather_trade_build.world import regenerate_all

BORROWED = True  # no array is made or kept
RARE = ("prepare", "close", "account")
NO_ACTION, OVER = 1, 3  # faults
STEP, REPLAY, RESET, HOLD = 0, 1, 2, 3  # modes
BLOCK = 32  # environments


def size_of(part: int, rules: Rules) -> int:
    """Number of actions of a sub-action, without no-op."""
    if part == 0:
        return 1
    return 4 if part == 5 else rules.highest + 1


def decode(e: int, actions: object, rules: Rules, room: Room) -> bool:
    """Actions as one number for each sub-action; False if one does not exist."""
    for i in range(room.chosen.shape[1]):
        for part in range(6):
            room.chosen[e, i, part] = 0
            if rules.multi:
                a = int(actions[e, i, part])  # type: ignore[index]
                if a < 0 or a > size_of(part, rules):
                    return False
                room.chosen[e, i, part] = a
        if rules.multi == 0:
            a = int(actions[e, i, 0])  # type: ignore[index]
            if a < 0:
                return False
            for part in range(6):
                size = size_of(part, rules)
                if a > 0:
                    if a <= size:
                        room.chosen[e, i, part] = a
                    a -= size
            if a > 0:
                return False
    return True


def planner_exists(e: int, planner: object, rules: Rules, brackets: Brackets, fisc: Fisc) -> bool:
    """Whether the actions of the planner exist."""
    if rules.tax_model != PLANNER:
        return True
    most = brackets.levels.shape[0]
    if rules.multi_planner == 0:
        return planner[e, 0] >= 0 and planner[e, 0] <= most * fisc.rates.shape[1]  # type: ignore[index,no-any-return]
    for b in range(fisc.rates.shape[1]):
        if planner[e, b] < 0 or planner[e, b] > most:  # type: ignore[index]
            return False
    return True


def account(
    e: int,
    rules: Rules,
    calendar: Calendar,
    agents: Agents,
    memory: Memory,
    objective: np.ndarray,
    tally: Tally,
    finished: Tally,
) -> None:
    """The account of a finished episode."""
    n = agents.labour.shape[1]
    tally.final.effort[e, 1] = calendar.active[e]
    tally.final.effort[e, 2] = memory.elasticity[e, 2]
    for i in range(n):
        tally.final.labour[e, i] = agents.labour[e, i]
        tally.final.payment[e, i] = agents.payment[e, i]
        for good in range(3):
            tally.final.endowment[e, i, good] = agents.inventory[e, i, good] + agents.escrow[e, i, good]
    for i in range(n + 1):
        tally.final.objective[e, i] = objective[e, i]
    keep(e, tally, finished)


def close(
    first: int,
    last: int,
    rules: Rules,
    calendar: Calendar,
    agents: Agents,
    memory: Memory,
    objective: np.ndarray,
    gains: np.ndarray,
    done: np.ndarray,
    fault: np.ndarray,
    room: Room,
    tally: Tally,
    finished: Tally,
) -> None:
    """Rewards, and the accounts of episodes that are over."""
    for e in range(first, last):
        if fault[e] != 0:
            continue
        tally.final.effort[e, 0] = weighted_cost(e, rules, calendar)
        reward(e, rules, calendar, agents, objective, gains, room)
        done[e] = 1 if calendar.time[e] >= rules.episode_length else 0
        if done[e]:
            calendar.completions[e] += 1
            account(e, rules, calendar, agents, memory, objective, tally, finished)


def keep(e: int, tally: Tally, finished: Tally) -> None:
    """Copy the account of a finished episode."""
    finished.fiscal.periods[e] = tally.fiscal.periods[e]
    finished.fiscal.effective_sum[e] = tally.fiscal.effective_sum[e]
    for k in range(3):
        finished.final.effort[e, k] = tally.final.effort[e, k]
    for i in range(tally.built.shape[1]):
        finished.built[e, i] = tally.built[e, i]
        finished.final.labour[e, i] = tally.final.labour[e, i]
        finished.final.payment[e, i] = tally.final.payment[e, i]
        for good in range(3):
            finished.final.endowment[e, i, good] = tally.final.endowment[e, i, good]
        for k in range(2):
            finished.fiscal.taxed[e, i, k] = tally.fiscal.taxed[e, i, k]
            for q in range(2):
                for side in range(2):
                    finished.traded[e, i, q, side, k] = tally.traded[e, i, q, side, k]
    for i in range(tally.final.objective.shape[1]):
        finished.final.objective[e, i] = tally.final.objective[e, i]
    for b in range(tally.fiscal.rate_sum.shape[1]):
        finished.fiscal.rate_sum[e, b] = tally.fiscal.rate_sum[e, b]
        finished.fiscal.occupancy[e, b] = tally.fiscal.occupancy[e, b]


def prepare(
    first: int,
    last: int,
    actions: object,
    planner: object,
    mode: int,
    rules: Rules,
    key: np.ndarray,
    brackets: Brackets,
    calendar: Calendar,
    fisc: Fisc,
    memory: Memory,
    d: Draws,
    done: np.ndarray,
    fault: np.ndarray,
    room: Room,
) -> None:
    """Look whether actions exist, count the step, and draw its random numbers."""
    for e in range(first, last):
        done[e] = 0
        if mode == HOLD and calendar.time[e] >= rules.episode_length:
            fault[e] = OVER
            continue
        exist = decode(e, actions, rules, room) and planner_exists(e, planner, rules, brackets, fisc)
        fault[e] = 0 if exist else NO_ACTION
        if not exist:
            continue
        if mode != REPLAY:
            needs_rates = (
                1 if rules.tax_model == SAEZ and memory.remembered[e, 1] == 0 and fisc.day[e] == 1 else 0
            )
            draw(e, int(calendar.clock[e]), needs_rates, key, d)
        calendar.time[e] += 1
        calendar.clock[e] += 1


def play(
    a: int,
    b: int,
    actions: object,
    planner: object,
    mode: int,
    rules: Rules,
    w: World,
    s: State,
    d: Draws,
    out: Output,
    events: Events,
    tally: Tally,
    finished: Tally,
) -> None:
    """A step of a block of environments, up to the beginning of new episodes.

    Each part of a step is done for the block before the next part: calls are few, and the block stays in the cache.
    """
    prepare(
        a,
        b,
        actions,
        planner,
        mode,
        rules,
        w.key,
        w.brackets,
        s.calendar,
        s.fisc,
        s.memory,
        d,
        out.done,
        out.fault,
        out.room,
    )
    build_all(a, b, rules, s.agents, s.land, d, out.fault, out.room, events.build_log, tally.built)
    auction_all(a, b, rules, s.agents, s.book, out.fault, out.room, events.trade_log, tally.traded)
    gather_all(a, b, rules, s.agents, s.land, d, out.fault, out.room, events.gather_log)
    share_all(
        a,
        b,
        planner,
        rules,
        w.brackets,
        s.agents,
        s.book,
        s.fisc,
        s.memory,
        d,
        out.fault,
        out.room,
        events.tax_log,
        tally.fiscal,
    )
    regenerate_all(a, b, mode != REPLAY, rules, w.key, w.sources, s.calendar, s.land, d, out.fault)
    close(
        a,
        b,
        rules,
        s.calendar,
        s.agents,
        s.memory,
        s.objective,
        out.gains,
        out.done,
        out.fault,
        out.room,
        tally,
        finished,
    )


def step(
    first: int,
    last: int,
    actions: object,
    planner: object,
    mode: int,
    rules: Rules,
    w: World,
    s: State,
    d: Draws,
    out: Output,
    events: Events,
    tally: Tally,
    finished: Tally,
    seen: Seen,
) -> None:
    """One step of environments (STEP); those that are finished begin anew, and show the new episode.

    HOLD begins no new episode and refuses a step after the end. REPLAY begins none either, and takes the random numbers
    that are in the arrays. RESET only begins new episodes.
    """
    for a in range(first, last, BLOCK):
        b = min(a + BLOCK, last)
        if mode != RESET:
            play(a, b, actions, planner, mode, rules, w, s, d, out, events, tally, finished)
        for e in range(a, b):
            if mode == RESET:
                out.fault[e] = 0
            if mode == RESET or (mode == STEP and out.done[e] == 1):
                restart(
                    e,
                    rules,
                    w.ground,
                    w.key,
                    w.ranks,
                    w.brackets,
                    s.calendar,
                    s.agents,
                    s.land,
                    s.book,
                    s.fisc,
                    s.memory,
                    s.objective,
                    d,
                    out.fault,
                    out.room,
                    tally.built,
                    tally.traded,
                    tally.fiscal,
                )
        observe(a, b, rules, w.brackets, s.calendar, s.agents, s.land, s.book, s.fisc, out.room, seen)
        look(a, b, rules, s.agents, s.land, tally.built, seen)
        mask(a, b, rules, w.brackets, s.calendar, s.agents, s.land, s.book, s.fisc, seen)
