"""Piecewise-linear schedules as plain data: ((0, 3e-4), (10e6, 3e-4), (15e6, 0)) holds, then falls."""

from __future__ import annotations

from collections.abc import Sequence

Schedule = tuple[tuple[float, ...], ...]


def constant(value: float) -> Schedule:
    """A schedule that does not change."""
    return ((0.0, value),)


def check_schedule(name: str, schedule: Sequence[Sequence[float]], low: float = 0.0) -> None:
    """Refuse what is no schedule.

    Parameters
    ----------
    name : str
        What to call it in the message.
    schedule : sequence of (step, value)
        Points; steps must grow, values be at least `low`.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not schedule or any(len(point) != 2 for point in schedule):
        raise ValueError(f"{name} must be a list of points [step, value], got {schedule!r}")
    steps = [point[0] for point in schedule]
    if any(later <= earlier for earlier, later in zip(steps, steps[1:], strict=False)):
        raise ValueError(f"{name} must have growing steps, got {steps}")
    for point in schedule:
        if not point[1] >= low:
            raise ValueError(f"{name} must be at least {low:g} everywhere, got {point[1]!r}")


def value_at(schedule: Sequence[Sequence[float]], step: float) -> float:
    """The value at a step: linear between points, constant before the first and after the last."""
    before = schedule[0]
    for point in schedule:
        if step < point[0]:
            if point is before:
                return float(before[1])
            share = (step - before[0]) / (point[0] - before[0])
            return float(before[1] + share * (point[1] - before[1]))
        before = point
    return float(before[1])
