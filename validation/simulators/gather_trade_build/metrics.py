"""Metrics of an episode, by their published names."""

from __future__ import annotations

import numpy as np

from pycrld_econ.environments.taxes import gini, gini_of_pairs, inverse_income_weights
from pycrld_econ.validation.simulators.gather_trade_build.config import GTBConfig
from pycrld_econ.validation.simulators.gather_trade_build.state import COMMODITIES, GOODS, Tally


def bracket_names(cutoffs: np.ndarray, merged: bool = False) -> list[str]:
    """Names of brackets: their lower ends, cut to whole numbers; if that is no name, with a letter, unless merged."""
    names: list[str] = []
    for cutoff in cutoffs:
        name = plain = f"{int(cutoff):03d}"
        letter = ord("b")
        while name in names and not merged:
            name, letter = f"{plain}{chr(letter)}", letter + 1
        names.append(name)
    return names


def social(config: GTBConfig, t: Tally) -> dict[str, np.ndarray]:
    """Productivity, equality and welfare."""
    coin, n = t.final.endowment[..., 0], config.n_agents
    equality = 1 - (gini if config.quirks.gini_by_size else gini_of_pairs)(coin)
    weights = inverse_income_weights(coin)
    return {
        "social/productivity": coin.sum(-1),
        "social/equality": equality,
        "social_welfare/coin_eq_times_productivity": equality * coin.sum(-1) / n,
        "social_welfare/inv_income_weighted_coin_endow": (coin * weights).sum(-1),
        "social_welfare/inv_income_weighted_utility": (t.final.objective[..., :-1] * weights).sum(-1),
    }


def holdings(config: GTBConfig, t: Tally) -> dict[str, np.ndarray]:
    """What agents have, how much they worked, and what that is worth to them."""
    found: dict[str, np.ndarray] = {}
    for i in range(config.n_agents):
        found |= {f"endow/{i}/{good}": t.final.endowment[:, i, k] for k, good in enumerate(GOODS)}
        found[f"endogenous/{i}/Labor"] = t.final.labour[:, i]
        found[f"util/{i}"] = t.final.objective[:, i]
    found |= {f"endow/p/{good}": np.zeros(len(t.final.labour)) for good in GOODS}
    found["util/p"] = t.final.objective[:, -1]
    found["labor/weighted_cost"], found["labor/warmup_integrator"] = (
        t.final.effort[:, 0],
        t.final.effort[:, 1],
    )
    return found


def trades(config: GTBConfig, t: Tally) -> dict[str, np.ndarray]:
    """Houses and trades by agent; means are nan where there were none."""
    found = {f"Build/{i}/n_builds": t.built[:, i] for i in range(config.n_agents)}
    found["Build/total_builds"] = t.built.sum(-1)
    for i in range(config.n_agents):
        for q, commodity in enumerate(COMMODITIES):
            for side, verb in enumerate(("Sell", "Buy")):
                number, value = t.traded[:, i, q, side, 0], t.traded[:, i, q, side, 1]
                mean = np.where(number > 0, value / np.maximum(number, 1), np.nan)
                found |= {f"Trade/{i}/{verb}{commodity}/{name}": mean for name in ("price", "cost", "income")}
                found[f"Trade/{i}/{verb}{commodity}/n_sales"] = number
    found["Trade/n_trades"] = t.traded[:, :, :, 0, 0].sum((-1, -2))
    return found


def taxes(config: GTBConfig, cutoffs: np.ndarray, t: Tally) -> dict[str, np.ndarray]:
    """Rates, incomes by bracket, and what was paid."""
    periods = np.where(t.fiscal.periods > 0, t.fiscal.periods, np.nan)
    found: dict[str, np.ndarray] = {}
    names = np.array(bracket_names(cutoffs, config.quirks.merged_bracket_names))
    for name in dict.fromkeys(names):
        here = names == name
        found[f"PeriodicTax/avg_bracket_rate/{name}"] = t.fiscal.rate_sum[:, here].mean(-1) / periods
        found[f"PeriodicTax/bracket_occupancy/{name}"] = t.fiscal.occupancy[:, here].sum(-1) / (
            np.maximum(t.fiscal.periods, 1) * config.n_agents
        )
    income, paid, coin = t.fiscal.taxed[..., 0], t.fiscal.taxed[..., 1], t.final.endowment[..., 0]
    found["PeriodicTax/avg_effective_tax_rate"] = t.fiscal.effective_sum / (periods * config.n_agents)
    found["PeriodicTax/total_collected_taxes"] = paid.sum(-1)
    rows = np.arange(len(income))
    for name, who in (("poorest", coin.argmin(-1)), ("richest", coin.argmax(-1))):
        found[f"PeriodicTax/avg_tax_rate/{name}"] = paid[rows, who] / np.maximum(income[rows, who], 0.001)
    if config.tax is not None and config.tax.tax_model == "saez":
        found["PeriodicTax/saez/estimated_elasticity"] = t.final.effort[:, 2]
    return found


def metrics_of(config: GTBConfig, cutoffs: np.ndarray, t: Tally) -> dict[str, np.ndarray]:
    """All metrics of an account, each (E,)."""
    found = social(config, t) | holdings(config, t) | trades(config, t)
    return found | taxes(config, cutoffs, t) if config.tax is not None else found
