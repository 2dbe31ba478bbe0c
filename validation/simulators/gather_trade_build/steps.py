"""A step of a range of environments: decode, build, trade, gather, tax, recover, reward, and see."""

from __future__ import annotations

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
    Draws,
    Events,
    Output,
    Rules,
    Seen,
    State,
    Tally,
    World,
)
from pycrld_econ.validation.simulators.gather_trade_build.taxes import PLANNER, SAEZ, share_all
from pycrld_econ.validation.simulators.gather_trade_build.world import regenerate_all

RARE = ("prepare", "close", "account")
NO_ACTION = 1  # fault
BLOCK = 32  # environments


def size_of(part: int, rules: Rules) -> int:
    """Number of actions of a sub-action, without no-op."""
    if part == 0:
        return 1
    return 4 if part == 5 else rules.highest + 1


def decode(e: int, actions: object, rules: Rules, out: Output) -> bool:
    """Actions as one number for each sub-action; False if one does not exist."""
    for i in range(out.chosen.shape[1]):
        for part in range(6):
            out.chosen[e, i, part] = 0
            if rules.multi:
                a = int(actions[e, i, part])  # type: ignore[index]
                if a < 0 or a > size_of(part, rules):
                    return False
                out.chosen[e, i, part] = a
        if rules.multi == 0:
            a = int(actions[e, i, 0])  # type: ignore[index]
            if a < 0:
                return False
            for part in range(6):
                size = size_of(part, rules)
                if a > 0:
                    if a <= size:
                        out.chosen[e, i, part] = a
                    a -= size
            if a > 0:
                return False
    return True


def planner_exists(e: int, planner: object, rules: Rules, w: World, s: State) -> bool:
    """Whether the actions of the planner exist."""
    if rules.tax_model != PLANNER:
        return True
    most = w.levels.shape[0]
    if rules.multi_planner == 0:
        return planner[e, 0] >= 0 and planner[e, 0] <= most * s.rates.shape[1]  # type: ignore[index,no-any-return]
    for b in range(s.rates.shape[1]):
        if planner[e, b] < 0 or planner[e, b] > most:  # type: ignore[index]
            return False
    return True


def account(e: int, rules: Rules, s: State, out: Output, tally: Tally, finished: Tally) -> None:
    """The account of a finished episode."""
    n = s.labour.shape[1]
    tally.effort[e, 1] = s.active[e]
    tally.effort[e, 2] = s.elasticity[e, 2]
    for i in range(n):
        tally.labour[e, i] = s.labour[e, i]
        tally.payment[e, i] = s.payment[e, i]
        for good in range(3):
            tally.endowment[e, i, good] = s.inventory[e, i, good] + s.escrow[e, i, good]
    for i in range(n + 1):
        tally.objective[e, i] = s.objective[e, i]
    keep(e, tally, finished)


def close(first: int, last: int, rules: Rules, s: State, out: Output, tally: Tally, finished: Tally) -> None:
    """Rewards, and the accounts of episodes that are over."""
    for e in range(first, last):
        if out.fault[e] != 0:
            continue
        tally.effort[e, 0] = weighted_cost(e, rules, s)
        reward(e, rules, s, out)
        out.done[e] = 1 if s.time[e] >= rules.episode_length else 0
        if out.done[e]:
            s.completions[e] += 1
            account(e, rules, s, out, tally, finished)


def keep(e: int, tally: Tally, finished: Tally) -> None:
    """Copy the account of a finished episode."""
    finished.periods[e] = tally.periods[e]
    finished.effective_sum[e] = tally.effective_sum[e]
    for k in range(3):
        finished.effort[e, k] = tally.effort[e, k]
    for i in range(tally.builds.shape[1]):
        finished.builds[e, i] = tally.builds[e, i]
        finished.labour[e, i] = tally.labour[e, i]
        finished.payment[e, i] = tally.payment[e, i]
        for good in range(3):
            finished.endowment[e, i, good] = tally.endowment[e, i, good]
        for k in range(2):
            finished.taxed[e, i, k] = tally.taxed[e, i, k]
            for q in range(2):
                for side in range(2):
                    finished.trades[e, i, q, side, k] = tally.trades[e, i, q, side, k]
    for i in range(tally.objective.shape[1]):
        finished.objective[e, i] = tally.objective[e, i]
    for b in range(tally.rate_sum.shape[1]):
        finished.rate_sum[e, b] = tally.rate_sum[e, b]
        finished.occupancy[e, b] = tally.occupancy[e, b]


def reset(
    first: int, last: int, rules: Rules, w: World, s: State, d: Draws, out: Output, tally: Tally, seen: Seen
) -> None:
    """Put environments at the beginning of an episode."""
    for e in range(first, last):
        out.fault[e] = 0
        restart(e, rules, w, s, d, out, tally)
    observe(first, last, rules, w, s, out, seen)
    look(first, last, rules, s, tally, seen)
    mask(first, last, rules, w, s, seen)


def prepare(
    first: int, last: int, actions: object, planner: object, replayed: int, rules: Rules, w: World, s: State,
    d: Draws, out: Output,
) -> None:  # fmt: skip
    """Look whether actions exist, count the step, and draw its random numbers."""
    for e in range(first, last):
        exist = decode(e, actions, rules, out) and planner_exists(e, planner, rules, w, s)
        out.fault[e] = 0 if exist else NO_ACTION
        out.done[e] = 0
        if not exist:
            continue
        if replayed == 0:
            needs_rates = 1 if rules.tax_model == SAEZ and s.remembered[e, 1] == 0 and s.day[e] == 1 else 0
            draw(e, int(s.clock[e]), int(s.layout[e]), needs_rates, w, d)
        s.time[e] += 1
        s.clock[e] += 1


def step(
    first: int, last: int, actions: object, planner: object, replayed: int, rules: Rules, w: World, s: State,
    d: Draws, out: Output, events: Events, tally: Tally, finished: Tally, seen: Seen,
) -> None:  # fmt: skip
    """One step of environments; those that are finished begin anew, and show the new episode.

    Where `replayed` is 1, the random numbers are those that are in the arrays, and no episode begins anew. Each part of
    a step is done for a block of environments before the next part: calls are few, and a block stays in the cache.
    """
    for a in range(first, last, BLOCK):
        b = min(a + BLOCK, last)
        prepare(a, b, actions, planner, replayed, rules, w, s, d, out)
        build_all(a, b, rules, s, d, out, events, tally)
        auction_all(a, b, rules, s, out, events, tally)
        gather_all(a, b, rules, s, d, out, events)
        share_all(a, b, planner, rules, w, s, d, out, events, tally)
        regenerate_all(a, b, rules, w, s, d, out)
        close(a, b, rules, s, out, tally, finished)
        for e in range(a, b):
            if out.done[e] == 1 and replayed == 0:
                restart(e, rules, w, s, d, out, tally)
        observe(a, b, rules, w, s, out, seen)
        look(a, b, rules, s, tally, seen)
        mask(a, b, rules, w, s, seen)
