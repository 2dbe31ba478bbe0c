"""The Saez formula for top and other rates, estimated from the incomes that an economy remembers.

The same formula as `pycrld_econ.environments.saez`, whose numbers it is tested against, as loops for one environment.
"""

from __future__ import annotations

import math

from pycrld_econ.validation.simulators.gather_trade_build.state import MEMORY, Output, Rules, State, World

RARE = ("saez_schedule",)
BINS = 100
STEP = 0.02  # of the running elasticity
FORGET = 0.99  # of the running average of rates
SMALL = 1e-9
FEWEST = 10  # pairs from which an elasticity is estimated
COUNT, WELFARE, TAIL, RATE, MASS, ABOVE = 0, 1, 2, 3, 4, 5  # rows of the room


def remember(e: int, income: float, rate: float, s: State) -> None:
    """Add a pair; the oldest is forgotten beyond 500."""
    k = int(s.remembered[e, 0]) % MEMORY
    s.memory[e, k, 0] = income
    s.memory[e, k, 1] = rate
    s.remembered[e, 0] += 1
    if s.remembered[e, 0] >= MEMORY:
        s.remembered[e, 1] = 1


def is_used(e: int, k: int, s: State) -> bool:
    """Whether a pair counts for the elasticity."""
    return s.memory[e, k, 0] > 0.0 and s.memory[e, k, 1] < 1.0


def learn_elasticity(e: int, size: int, s: State) -> None:
    """Least squares of log income on the log of the share that is kept; the estimate moves by a small step."""
    s.elasticity[e, 2] = s.elasticity[e, 0]
    count, mean, square = 0, 0.0, 0.0
    mean_x, mean_y = 0.0, 0.0
    for k in range(size):
        if is_used(e, k, s):
            count += 1
            mean += s.memory[e, k, 1]
            mean_x += math.log(max(1.0 - s.memory[e, k, 1], SMALL))
            mean_y += math.log(max(s.memory[e, k, 0], SMALL))
    if count < FEWEST:
        return
    mean, mean_x, mean_y = mean / count, mean_x / count, mean_y / count
    xx, xy = 0.0, 0.0
    for k in range(size):
        if is_used(e, k, s):
            square += (s.memory[e, k, 1] - mean) ** 2
            x = math.log(max(1.0 - s.memory[e, k, 1], SMALL)) - mean_x
            xx += x * x
            xy += x * (math.log(max(s.memory[e, k, 0], SMALL)) - mean_y)
    if math.sqrt(square / count) < 1e-6:
        return
    slope = xy / xx
    s.elasticity[e, 0] = STEP * max(slope, 0.0) + (1.0 - STEP) * s.elasticity[e, 0]
    s.elasticity[e, 1] = mean_y - slope * mean_x


def social_weight(income: float, rules: Rules) -> float:
    """Weight of the welfare of somebody with an income."""
    return 1.0 if rules.uniform_weights else 1.0 / max(1.0, income)


def bin_of(income: float, top: float) -> int:
    """The bin of an income in [0, top]; the last one holds `top` itself."""
    k = int(income / top * BINS)
    if k > 0 and income < top * k / BINS:
        k -= 1
    elif k + 1 < BINS and income >= top * (k + 1) / BINS:
        k += 1
    return min(k, BINS - 1)


def count_incomes(e: int, size: int, top: float, rules: Rules, s: State, out: Output) -> float:
    """Fill counts and welfare of the bins and of those above; the number of negative incomes."""
    below, welfare_below = 0.0, 0.0
    for k in range(BINS + 1):
        out.bins[e, COUNT, k] = 0.0
        out.bins[e, WELFARE, k] = 0.0
    above_sum = 0.0
    for k in range(size):
        income = s.memory[e, k, 0]
        if income < 0.0:
            below += 1.0
            welfare_below += social_weight(0.0, rules)
        elif income > top:
            out.bins[e, COUNT, BINS] += 1.0
            out.bins[e, WELFARE, BINS] += social_weight(income, rules)
            above_sum += income
        else:
            out.bins[e, COUNT, bin_of(income, top)] += 1.0
    total = welfare_below + out.bins[e, WELFARE, BINS]
    for k in range(BINS):
        middle = (k + 0.5) * top / BINS
        out.bins[e, WELFARE, k] = out.bins[e, COUNT, k] * social_weight(middle, rules)
        total += out.bins[e, WELFARE, k]
    for k in range(BINS + 1):
        out.bins[e, WELFARE, k] /= total + SMALL
        out.bins[e, MASS, k] = out.bins[e, COUNT, k] / size
    out.bins[e, ABOVE, 0] = above_sum
    return below


def welfare_above(e: int, out: Output) -> None:
    """Turn welfare densities into mean weights of all who earn at least as much, smoothed between neighbours."""
    density, mass = 0.0, 0.0
    for turn in range(BINS + 1):
        k = BINS - turn
        density += out.bins[e, WELFARE, k]
        mass += out.bins[e, MASS, k]
        out.bins[e, WELFARE, k] = density / (mass + SMALL)
    for k in range(BINS):
        out.bins[e, WELFARE, k] = (out.bins[e, WELFARE, k] + out.bins[e, WELFARE, k + 1]) / 2


def tail_parameters(e: int, below: float, size: int, top: float, out: Output) -> None:
    """Pareto parameter z f(z) / (1 - F(z)) of each bin with incomes, and of those above (0 if there are none)."""
    cumulated, width = below / size, top / BINS
    for k in range(BINS):
        mass = out.bins[e, MASS, k]
        cumulated = mass + below / size if k == 0 else min(max(cumulated + mass, 0.0), 1.0)
        share = 1.0 - cumulated + mass / 2
        share = min(max(share, 0.0), 1.0) + SMALL
        out.bins[e, TAIL, k] = (k + 0.5) * width * mass / share / width
    number = out.bins[e, COUNT, BINS]
    mean = out.bins[e, ABOVE, 0] / number if number > 0.0 else 0.0
    out.bins[e, TAIL, BINS] = mean / (mean - top + SMALL) if number > 0.0 else 0.0


def bin_rates(e: int, elasticity: float, rules: Rules, out: Output) -> None:
    """Rates of all bins; those of empty bins are interpolated, from 0 on the left."""
    known, rate = -1, 0.0
    for k in range(BINS + 1):
        if k < BINS and out.bins[e, COUNT, k] == 0.0:
            continue
        g, a = out.bins[e, WELFARE, k], out.bins[e, TAIL, k]
        here = (1.0 - g) / (1.0 - g + a * elasticity + SMALL)
        if k == BINS and out.bins[e, COUNT, BINS] == 0.0 and rules.saez_top_rate == 0:
            here = rate  # nobody earned so much: the formula knows nothing of it
        for j in range(known + 1, k):
            out.bins[e, RATE, j] = rate + (here - rate) * (j - known) / (k - known) if known >= 0 else 0.0
        out.bins[e, RATE, k] = here
        known, rate = k, here


def revenue(e: int, income: float, top: float, out: Output) -> float:
    """What the rates of the bins take from an income, at least 0."""
    width, total = top / BINS, 0.0
    for k in range(BINS + 1):
        inside = max(0.0, income - k * width)
        if k < BINS:
            inside = min(width, inside)
        total += out.bins[e, RATE, k] * inside
    return max(0.0, total)


def saez_schedule(e: int, rules: Rules, w: World, s: State, out: Output) -> None:
    """New rates of the brackets, and their running average."""
    size, brackets = min(int(s.remembered[e, 0]), MEMORY), w.cutoffs.shape[0]
    top, limit = w.cutoffs[brackets - 1], s.cap[e] * rules.rate_max
    learn_elasticity(e, size, s)
    elasticity = s.elasticity[e, 0] if rules.fixed_elasticity < 0.0 else rules.fixed_elasticity
    below = count_incomes(e, size, top, rules, s, out)
    welfare_above(e, out)
    tail_parameters(e, below, size, top, out)
    bin_rates(e, elasticity, rules, out)
    before = 0.0
    for b in range(brackets):
        if b + 1 < brackets:
            after = revenue(e, w.cutoffs[b + 1], top, out)
            rate = (after - before) / (w.cutoffs[b + 1] - w.cutoffs[b])
            before = after
        else:
            rate = out.bins[e, RATE, BINS]
        s.saez[e, b] = min(max(rate, rules.rate_min), limit)
        s.running[e, b] = FORGET * s.running[e, b] + (1.0 - FORGET) * s.saez[e, b]
