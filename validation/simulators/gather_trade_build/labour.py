"""The cost of labour, which may be warmed up over training."""

from __future__ import annotations

import math

from pycrld_econ.validation.simulators.gather_trade_build.state import Rules, State


def weighted_cost(e: int, rules: Rules, s: State) -> float:
    """Utility of a unit of labour: all of it, or a share that grows with episodes or with steps that paid."""
    if rules.warmup <= 0.0:
        return rules.energy_cost
    done = s.active[e] if rules.warmup_auto else s.completions[e]
    return rules.energy_cost * (1.0 - math.exp(-done / rules.warmup))
