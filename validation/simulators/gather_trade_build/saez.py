"""The Saez formula for top and other rates, estimated from the incomes that an economy remembers.

The same formula as `pycrld_econ.environments.saez`, whose numbers it is tested against, as loops for one environment.
"""

from __future__ import annotations

import math

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    MEMORY,
    Brackets,
    Fisc,
    Memory,
    Room,
    Rules,
)

RARE = ("saez_schedule",)
BINS = 100
STEP = 0.02  # of the running elasticity
FORGET = 0.99  # of the running average of rates
SMALL = 1e-9
FEWEST = 10  # pairs from which an elasticity is estimated
COUNT, WELFARE, TAIL, RATE, MASS, ABOVE = 0, 1, 2, 3, 4, 5  # rows of the room


def remember(e: int, income: float, rate: float, memory: Memory) -> None:
    """Add a pair; the oldest is forgotten beyond 500."""
    k = int(memory.remembered[e, 0]) % MEMORY
    memory.pairs[e, k, 0] = income
    memory.pairs[e, k, 1] = rate
    memory.remembered[e, 0] += 1
    if memory.remembered[e, 0] >= MEMORY:
        memory.remembered[e, 1] = 1


def is_used(e: int, k: int, memory: Memory) -> bool:
    """Whether a pair counts for the elasticity."""
    return memory.pairs[e, k, 0] > 0.0 and memory.pairs[e, k, 1] < 1.0


def learn_elasticity(e: int, size: int, memory: Memory) -> None:
    """Least squares of log income on the log of the share that is kept; the estimate moves by a small step."""
    memory.elasticity[e, 2] = memory.elasticity[e, 0]
    count, mean, square = 0, 0.0, 0.0
    mean_x, mean_y = 0.0, 0.0
    for k in range(size):
        if is_used(e, k, memory):
            count += 1
            mean += memory.pairs[e, k, 1]
            mean_x += math.log(max(1.0 - memory.pairs[e, k, 1], SMALL))
            mean_y += math.log(max(memory.pairs[e, k, 0], SMALL))
    if count < FEWEST:
        return
    mean, mean_x, mean_y = mean / count, mean_x / count, mean_y / count
    xx, xy = 0.0, 0.0
    for k in range(size):
        if is_used(e, k, memory):
            square += (memory.pairs[e, k, 1] - mean) ** 2
            x = math.log(max(1.0 - memory.pairs[e, k, 1], SMALL)) - mean_x
            xx += x * x
            xy += x * (math.log(max(memory.pairs[e, k, 0], SMALL)) - mean_y)
    if math.sqrt(square / count) < 1e-6:
        return
    slope = xy / xx
    memory.elasticity[e, 0] = STEP * max(slope, 0.0) + (1.0 - STEP) * memory.elasticity[e, 0]
    memory.elasticity[e, 1] = mean_y - slope * mean_x


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


def count_incomes(e: int, size: int, top: float, rules: Rules, memory: Memory, room: Room) -> float:
    """Fill counts and welfare of the bins and of those above; the number of negative incomes."""
    below, welfare_below = 0.0, 0.0
    for k in range(BINS + 1):
        room.bins[e, COUNT, k] = 0.0
        room.bins[e, WELFARE, k] = 0.0
    above_sum = 0.0
    for k in range(size):
        income = memory.pairs[e, k, 0]
        if income < 0.0:
            below += 1.0
            welfare_below += social_weight(0.0, rules)
        elif income > top:
            room.bins[e, COUNT, BINS] += 1.0
            room.bins[e, WELFARE, BINS] += social_weight(income, rules)
            above_sum += income
        else:
            room.bins[e, COUNT, bin_of(income, top)] += 1.0
    total = welfare_below + room.bins[e, WELFARE, BINS]
    for k in range(BINS):
        middle = (k + 0.5) * top / BINS
        room.bins[e, WELFARE, k] = room.bins[e, COUNT, k] * social_weight(middle, rules)
        total += room.bins[e, WELFARE, k]
    for k in range(BINS + 1):
        room.bins[e, WELFARE, k] /= total + SMALL
        room.bins[e, MASS, k] = room.bins[e, COUNT, k] / size
    room.bins[e, ABOVE, 0] = above_sum
    return below


def welfare_above(e: int, room: Room) -> None:
    """Turn welfare densities into mean weights of all who earn at least as much, smoothed between neighbours."""
    density, mass = 0.0, 0.0
    for turn in range(BINS + 1):
        k = BINS - turn
        density += room.bins[e, WELFARE, k]
        mass += room.bins[e, MASS, k]
        room.bins[e, WELFARE, k] = density / (mass + SMALL)
    for k in range(BINS):
        room.bins[e, WELFARE, k] = (room.bins[e, WELFARE, k] + room.bins[e, WELFARE, k + 1]) / 2


def tail_parameters(e: int, below: float, size: int, top: float, room: Room) -> None:
    """Pareto parameter z f(z) / (1 - F(z)) of each bin with incomes, and of those above (0 if there are none)."""
    cumulated, width = below / size, top / BINS
    for k in range(BINS):
        mass = room.bins[e, MASS, k]
        cumulated = mass + below / size if k == 0 else min(max(cumulated + mass, 0.0), 1.0)
        share = 1.0 - cumulated + mass / 2
        share = min(max(share, 0.0), 1.0) + SMALL
        room.bins[e, TAIL, k] = (k + 0.5) * width * mass / share / width
    number = room.bins[e, COUNT, BINS]
    mean = room.bins[e, ABOVE, 0] / number if number > 0.0 else 0.0
    room.bins[e, TAIL, BINS] = mean / (mean - top + SMALL) if number > 0.0 else 0.0


def bin_rates(e: int, elasticity: float, rules: Rules, room: Room) -> None:
    """Rates of all bins; those of empty bins are interpolated, from 0 on the left."""
    known, rate = -1, 0.0
    for k in range(BINS + 1):
        if k < BINS and room.bins[e, COUNT, k] == 0.0:
            continue
        g, a = room.bins[e, WELFARE, k], room.bins[e, TAIL, k]
        here = (1.0 - g) / (1.0 - g + a * elasticity + SMALL)
        if k == BINS and room.bins[e, COUNT, BINS] == 0.0 and rules.saez_top_rate == 0:
            here = rate  # nobody earned so much: the formula knows nothing of it
        for j in range(known + 1, k):
            room.bins[e, RATE, j] = rate + (here - rate) * (j - known) / (k - known) if known >= 0 else 0.0
        room.bins[e, RATE, k] = here
        known, rate = k, here


def revenue(e: int, income: float, top: float, room: Room) -> float:
    """What the rates of the bins take from an income, at least 0."""
    width, total = top / BINS, 0.0
    for k in range(BINS + 1):
        inside = max(0.0, income - k * width)
        if k < BINS:
            inside = min(width, inside)
        total += room.bins[e, RATE, k] * inside
    return max(0.0, total)


def saez_schedule(e: int, rules: Rules, brackets: Brackets, fisc: Fisc, memory: Memory, room: Room) -> None:
    """New rates of the brackets, and their running average."""
    size, B = min(int(memory.remembered[e, 0]), MEMORY), brackets.cutoffs.shape[0]
    top, limit = brackets.cutoffs[B - 1], fisc.cap[e] * rules.rate_max
    learn_elasticity(e, size, memory)
    elasticity = memory.elasticity[e, 0] if rules.fixed_elasticity < 0.0 else rules.fixed_elasticity
    below = count_incomes(e, size, top, rules, memory, room)
    welfare_above(e, room)
    tail_parameters(e, below, size, top, room)
    bin_rates(e, elasticity, rules, room)
    before = 0.0
    for b in range(B):
        if b + 1 < B:
            after = revenue(e, brackets.cutoffs[b + 1], top, room)
            rate = (after - before) / (brackets.cutoffs[b + 1] - brackets.cutoffs[b])
            before = after
        else:
            rate = room.bins[e, RATE, BINS]
        memory.saez[e, b] = min(max(rate, rules.rate_min), limit)
        memory.running[e, b] = FORGET * memory.running[e, b] + (1.0 - FORGET) * memory.saez[e, b]
