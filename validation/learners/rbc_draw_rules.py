"""One rule draws the actions of all agents of an economy: a lane is an agent of an environment.

The k-th agent of an environment (consumers, then firms, then the government) draws by `uniform(environment, clock, k,
head)`: the same numbers whatever the size of the batch, the threads and the device.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pycrld_econ.validation.backend.philox import uniform
from pycrld_econ.validation.simulators.rbc.rules import Choices

BORROWED = True  # no array is made or kept

ONCE = 1 << 16  # added to the head where a number is drawn once for all steps


class Preferences(NamedTuple):
    """Logits with masks added, heads one after another."""

    consumer: np.ndarray  # (E, NC, NF * units + hours + NF)
    firm: np.ndarray  # (E, NF, rows)
    government: np.ndarray  # (E, 1, rows)


def choice(logits: np.ndarray, e: int, agent: int, start: int, count: int, u: float) -> int:
    """The first action of a head whose cumulative probability exceeds u; all in double precision.

    If rounding leaves none, the last action whose probability is not 0.
    """
    most = float(logits[e, agent, start])
    for m in range(1, count):
        most = max(most, float(logits[e, agent, start + m]))
    total, chosen = 0.0, 0
    for m in range(count):
        weight = math.exp(float(logits[e, agent, start + m]) - most)
        total += weight
        if weight > 0.0:
            chosen = m
    left = u * total
    for m in range(count - 1):
        left -= math.exp(float(logits[e, agent, start + m]) - most)
        if left < 0.0:
            chosen = m
            break
    return chosen


def draw(
    first: int, last: int, p: Preferences, a: Choices, clock: np.ndarray, sizes: np.ndarray, key: np.ndarray
) -> None:
    """Draw the actions of agents first, ..., last - 1, all environments' one after another, into the choices.

    `sizes`: rows of units and of hours; and 1 where firms and the government draw the same number in every step.
    """
    firms, consumers = a.demand.shape[1], a.demand.shape[2]
    agents = consumers + firms + 1
    for lane in range(first, last):
        e, k = lane // agents, lane % agents
        if k < consumers:
            units, hours = sizes[0], sizes[1]
            for i in range(firms):
                u = uniform(e, clock[e], k, i, key[0], key[1])
                a.demand[e, i, k] = choice(p.consumer, e, k, i * units, units, u)
            u = uniform(e, clock[e], k, firms, key[0], key[1])
            a.hours[e, k] = choice(p.consumer, e, k, firms * units, hours, u)
            u = uniform(e, clock[e], k, firms + 1, key[0], key[1])
            a.employer[e, k] = choice(p.consumer, e, k, firms * units + hours, firms, u)
        else:
            step, head = int(clock[e]), 0
            if sizes[2] != 0:
                step, head = 0, ONCE
            u = uniform(e, step, k, head, key[0], key[1])
            if k < consumers + firms:
                i = k - consumers
                a.firm[e, i] = choice(p.firm, e, i, 0, p.firm.shape[2], u)
            else:
                a.government[e] = choice(p.government, e, 0, 0, p.government.shape[2], u)
