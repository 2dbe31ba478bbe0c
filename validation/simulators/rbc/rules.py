"""One step of the economy: the rules of one environment, for threads and CUDA.

Goods are rows and consumers columns, so that the loops over consumers are over neighbours in memory. All sums go over
consumers in order, then over firms in order, and give the same numbers on every device up to its arithmetic.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pycrld_econ.validation.backend.philox import WORLD, uniform

BORROWED = True  # no array is made or kept
SHOCK = 0  # draws of the world in one step: SHOCK and SHOCK + 1


class Constants(NamedTuple):
    """What does not change, one entry each unless noted."""

    eta: np.ndarray
    polynomial: (
        np.ndarray
    )  # (degree + 1,) of the utility, from the highest power down; empty: expm1 and log1p
    center: np.ndarray  # x = sqrt(1 + c_max)
    interest: np.ndarray
    dust: np.ndarray
    export: np.ndarray  # 0: none, 1: above the least price, 2: at it too
    export_price: np.ndarray
    export_quantity: np.ndarray
    labour_floor: np.ndarray
    boost: np.ndarray  # share of revenue
    technology: np.ndarray
    keep: np.ndarray  # 1 - depreciation
    persistence: np.ndarray
    spread: np.ndarray
    alpha: np.ndarray  # (NF,)
    units: np.ndarray  # menus
    hours: np.ndarray
    firm: np.ndarray  # (n, 3)
    government: np.ndarray  # (n, 2)


class State(NamedTuple):
    """Environments (first axis E)."""

    price: np.ndarray  # (E, NF)
    wage: np.ndarray
    stock: np.ndarray
    rationed: np.ndarray
    tax: np.ndarray  # (E, 2) on income, on profit
    time: np.ndarray  # (E,)
    budget: np.ndarray  # (E, NC)
    theta: np.ndarray  # (E, NC)
    firm_budget: np.ndarray  # (E, NF)
    capital: np.ndarray  # (E, NF)
    shock: np.ndarray  # (E,) log of technology relative to its mean
    clock: np.ndarray  # (E,) int64 steps since the seed was set


class Choices(NamedTuple):
    """Rows of the menus."""

    demand: np.ndarray  # (E, NF, NC)
    hours: np.ndarray  # (E, NC)
    employer: np.ndarray  # (E, NC)
    firm: np.ndarray  # (E, NF)
    government: np.ndarray  # (E,)


class Outcome(NamedTuple):
    """What a step gives."""

    consumer_reward: np.ndarray  # (E, NC)
    firm_reward: np.ndarray  # (E, NF)
    consumption: np.ndarray  # (E, NF, NC)
    exported: np.ndarray  # (E, NF)
    labour: np.ndarray  # (E, NF) hours
    revenue: np.ndarray  # (E,) of the government
    place: np.ndarray  # (E, NC) scratch, of which a range of environments uses the first row
    value: np.ndarray  # (E, NC) scratch
    asked: np.ndarray  # (E, NF) scratch


def demand(e: int, k: Constants, s: State, a: Choices, o: Outcome) -> None:
    """What consumers ask for and can pay, into `consumption`."""
    firms, consumers = o.consumption.shape[1], o.consumption.shape[2]
    for j in range(consumers):
        o.consumer_reward[e, j] = 0.0  # the cost, for the time being
    for i in range(firms):
        p = s.price[e, i]
        for j in range(consumers):
            o.consumption[e, i, j] = k.units[a.demand[e, i, j]]
        for j in range(consumers):
            o.consumer_reward[e, j] += o.consumption[e, i, j] * p
    one = k.center[0] / k.center[0]  # of the type of the arrays: a literal would make the loop double
    for j in range(consumers):
        cost, budget = o.consumer_reward[e, j], s.budget[e, j]
        o.consumer_reward[e, j] = budget / cost if cost > 0.0 and cost > budget else one
    for i in range(firms):
        for j in range(consumers):
            o.consumption[e, i, j] *= o.consumer_reward[e, j]


def work(e: int, row: int, k: Constants, s: State, a: Choices, o: Outcome) -> None:
    """Hours by firm, earnings before taxes by consumer (into `place`), and what the tax on them brings."""
    for i in range(o.labour.shape[1]):
        o.labour[e, i] = 0.0
    o.revenue[e] = 0.0
    brought, tax = o.revenue[e], s.tax[e, 0]
    for j in range(o.place.shape[1]):
        i, hours = a.employer[e, j], k.hours[a.hours[e, j]]
        earned = s.wage[e, i] * hours
        o.labour[e, i] += hours
        o.place[row, j] = earned
        brought += tax * earned
    o.revenue[e] = brought


def totals(e: int, row: int, o: Outcome) -> None:
    """Units of each good, summed in the order of consumers, into `asked`; five goods side by side, for speed."""
    last, consumers = o.consumption.shape[1] - 1, o.consumption.shape[2]
    for i in range(0, last + 1, 5):  # beyond the last good, the last again
        i1, i2, i3, i4 = min(i + 1, last), min(i + 2, last), min(i + 3, last), min(i + 4, last)
        s0, s1, s2 = o.consumption[e, i, 0], o.consumption[e, i1, 0], o.consumption[e, i2, 0]
        s3, s4 = o.consumption[e, i3, 0], o.consumption[e, i4, 0]
        for j in range(1, consumers):
            s0 += o.consumption[e, i, j]
            s1 += o.consumption[e, i1, j]
            s2 += o.consumption[e, i2, j]
            s3 += o.consumption[e, i3, j]
            s4 += o.consumption[e, i4, j]
        o.asked[row, i], o.asked[row, i1], o.asked[row, i2] = s0, s1, s2
        o.asked[row, i3], o.asked[row, i4] = s3, s4


def ration(e: int, row: int, s: State, o: Outcome) -> None:
    """Share the stocks of goods that consumers ask too much of; `asked` becomes what they get."""
    firms, consumers = o.consumption.shape[1], o.consumption.shape[2]
    short = False
    for i in range(firms):
        asked, stock = o.asked[row, i], s.stock[e, i]
        over = asked > 0.0 and asked > stock
        s.rationed[e, i] = 1.0 if over else 0.0
        if over:
            short = True
            share = stock / asked
            for j in range(consumers):
                o.consumption[e, i, j] *= share
    if short:
        totals(e, row, o)


def trade(e: int, row: int, k: Constants, s: State, a: Choices, o: Outcome) -> None:
    """Sales, export, wages, investment, taxes and production of all firms."""
    for i in range(o.labour.shape[1]):
        sold = o.asked[row, i]
        left, p = s.stock[e, i] - sold, s.price[e, i]
        open_ = k.export[0] > 0 and (p > k.export_price[0] or (k.export[0] == 2 and p == k.export_price[0]))
        exported = max(min(left, k.export_quantity[0]), 0.0) if open_ else 0.0
        o.exported[e, i] = exported
        revenue = (sold + exported) * p
        gross = revenue - o.labour[e, i] * s.wage[e, i]
        invested = max(k.firm[a.firm[e, i], 2] * gross, 0.0)
        profit = gross - invested
        tax = s.tax[e, 1] * max(profit, 0.0)
        net = profit - tax
        o.firm_reward[e, i] = net
        if k.boost[0] > 0.0 and s.firm_budget[e, i] + net > 0.0:
            o.firm_reward[e, i] = net + k.boost[0] * revenue
        o.revenue[e] += tax
        used = o.labour[e, i] if o.labour[e, i] >= k.labour_floor[0] else 0.0
        technology = k.technology[0] * math.exp(s.shock[e]) if k.spread[0] > 0.0 else k.technology[0]
        made = technology * s.capital[e, i] ** (1 - k.alpha[i]) * used ** k.alpha[i]
        s.stock[e, i] = s.stock[e, i] - sold - exported + made
        s.firm_budget[e, i] += net
        if s.firm_budget[e, i] > 0.0:
            s.firm_budget[e, i] += k.interest[0] * s.firm_budget[e, i]
        s.capital[e, i] = k.keep[0] * s.capital[e, i] + invested


def powers(e: int, row: int, i: int, k: Constants, o: Outcome) -> None:
    """The polynomial of good i for all consumers, into `value`; four powers at a time, in vectors of consumers."""
    consumers, most, x = o.consumption.shape[2], k.polynomial.shape[0], k.center[0]
    one = x / x  # of the type of the arrays: a literal would make the loop below double
    for j in range(consumers):
        c = o.consumption[e, i, j]
        o.place[row, j] = (one + c - x) / (one + c + x)
        o.value[row, j] = k.polynomial[0]
    d = 1
    while d + 3 < most:
        p0, p1, p2, p3 = k.polynomial[d], k.polynomial[d + 1], k.polynomial[d + 2], k.polynomial[d + 3]
        for j in range(consumers):
            w = o.place[row, j]
            o.value[row, j] = (((o.value[row, j] * w + p0) * w + p1) * w + p2) * w + p3
        d += 4
    while d < most:
        for j in range(consumers):
            o.value[row, j] = o.value[row, j] * o.place[row, j] + k.polynomial[d]
        d += 1


def utilities(e: int, row: int, k: Constants, o: Outcome) -> None:
    """Utility of what each consumer got, into `consumer_reward`."""
    firms, consumers = o.consumption.shape[1], o.consumption.shape[2]
    for j in range(consumers):
        o.consumer_reward[e, j] = 0.0
    for i in range(firms):
        if k.polynomial.shape[0] == 0:
            for j in range(consumers):
                c = o.consumption[e, i, j]
                if k.eta[0] == 1.0:
                    o.consumer_reward[e, j] += math.log1p(c)
                else:
                    o.consumer_reward[e, j] += math.expm1((1 - k.eta[0]) * math.log1p(c)) / (1 - k.eta[0])
        else:
            powers(e, row, i, k, o)
            for j in range(consumers):
                o.consumer_reward[e, j] += o.consumption[e, i, j] * o.value[row, j]


def consume(e: int, row: int, k: Constants, s: State, a: Choices, o: Outcome) -> None:
    """Money and rewards of consumers; prices are those before the step."""
    firms, consumers = o.consumption.shape[1], o.consumption.shape[2]
    for j in range(consumers):
        o.value[row, j] = k.dust[0]
    for i in range(firms):
        p = s.price[e, i]
        for j in range(consumers):
            o.value[row, j] -= p * o.consumption[e, i, j]
    share, tax = o.revenue[e] / consumers, s.tax[e, 0]
    for j in range(consumers):
        earned = o.place[row, j]
        b = s.budget[e, j] + ((o.value[row, j] + (earned - tax * earned)) + share)
        s.budget[e, j] = b + k.interest[0] * b if b > 0.0 else b
    utilities(e, row, k, o)
    for j in range(consumers):
        o.consumer_reward[e, j] -= 0.5 * s.theta[e, j] * k.hours[a.hours[e, j]]


def post(e: int, k: Constants, s: State, a: Choices) -> None:
    """Prices, wages and taxes of the next step."""
    for i in range(s.price.shape[1]):
        s.price[e, i], s.wage[e, i] = k.firm[a.firm[e, i], 0], k.firm[a.firm[e, i], 1]
    s.tax[e, 0], s.tax[e, 1] = k.government[a.government[e], 0], k.government[a.government[e], 1]
    s.time[e] += 1


def step(first: int, last: int, k: Constants, s: State, a: Choices, o: Outcome, key: np.ndarray) -> None:
    """One step of environments first, ..., last - 1."""
    for e in range(first, last):
        demand(e, k, s, a, o)
        work(e, first, k, s, a, o)
        totals(e, first, o)
        ration(e, first, s, o)
        trade(e, first, k, s, a, o)
        consume(e, first, k, s, a, o)
        post(e, k, s, a)
        if k.spread[0] > 0.0:
            u = 1.0 - uniform(e, s.clock[e], WORLD, SHOCK, key[0], key[1])
            v = uniform(e, s.clock[e], WORLD, SHOCK + 1, key[0], key[1])
            normal = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
            s.shock[e] = k.persistence[0] * s.shock[e] + k.spread[0] * normal
        s.clock[e] += 1
