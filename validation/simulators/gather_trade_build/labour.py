"""The cost of labour, which may be warmed up over training."""

from __future__ import annotations

import math

from pycrld_econ.validation.simulators.gather_trade_build.state import Calendar, Rules


def weighted_cost(e: int, rules: Rules, calendar: Calendar) -> float:
    """Utility of a unit of labour: all of it, or a share that grows with episodes or with steps that paid."""
    if rules.warmup <= 0.0:
        return rules.energy_cost
    done = calendar.active[e] if rules.warmup_auto else calendar.completions[e]
    return rules.energy_cost * (1.0 - math.exp(-done / rules.warmup))
