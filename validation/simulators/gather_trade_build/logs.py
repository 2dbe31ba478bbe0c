"""What happened in an episode: the dense log of the original, and the table of trades and houses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild, host
from pycrld_econ.validation.simulators.gather_trade_build.state import (
    COMMODITIES,
    GOODS,
    NOBODY,
    OTHERS,
    OWNER,
)

PARTS = (
    "Build",
    "ContinuousDoubleAuction.Buy_Stone",
    "ContinuousDoubleAuction.Sell_Stone",
    "ContinuousDoubleAuction.Buy_Wood",
    "ContinuousDoubleAuction.Sell_Wood",
    "Gather",
)
LAYERS = ("Stone", "Wood", "House", "Water", "StoneSourceBlock", "WoodSourceBlock")


class DenseLog:
    """Records one environment of an economy, step by step, in the published format.

    Parameters
    ----------
    economy : GatherTradeBuild
        At the beginning of an episode, made with `autoreset=False` if its end is to be recorded.
    e : int
        Which environment.
    every : int
        Steps between two snapshots of the map.

    Attributes
    ----------
    data : dict
        `world` and `states` (one more than there are steps), `actions`, `rewards`, `Build`, `Trade`, `Gather`, and
        `PeriodicTax` where there are taxes; plain numbers, strings, lists and dictionaries, so that it is JSON.
    """

    def __init__(self, economy: GatherTradeBuild, e: int = 0, every: int = 50) -> None:
        if not 0 <= e < economy.n_envs:
            raise ValueError(f"e must be in 0 ... {economy.n_envs - 1}, got {e}")
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        self.economy, self.e, self.every = economy, e, every
        names = ["world", "states", "actions", "rewards", "Build", "Trade", "Gather"]
        if economy.config.tax is not None and not economy.config.tax.disable_taxes:
            names.append("PeriodicTax")
        self.data: dict[str, list[Any]] = {name: [] for name in names}
        self._look(0)

    def record(self) -> None:
        """Record the step that the economy just made."""
        economy, e = self.economy, self.e
        out, events = host(economy._out), host(economy.events)
        n = economy.n_agents
        acts: dict[str, dict[str, int]] = {"p": {}}
        for i in range(n):
            acts[str(i)] = {name: int(a) for name, a in zip(PARTS, out.room.chosen[e, i], strict=True) if a}
        self.data["actions"].append(acts)
        who = [*map(str, range(n)), "p"]
        self.data["rewards"].append({name: float(x) for name, x in zip(who, out.gains[e], strict=True)})
        self._events(events)
        self._look(len(self.data["rewards"]), bool(out.done[e]))

    def _events(self, events: Any) -> None:
        e, pad, payments = self.e, self.economy.rules.pad, host(self.economy.state).agents.payment[self.e]

        def rows(log: Any) -> list[list[int]]:
            return log.rows[e, : int(log.size[e])].tolist()  # type: ignore[no-any-return]

        self.data["Build"].append(
            [
                {"builder": i, "loc": [row - pad, col - pad], "income": float(payments[i])}
                for i, row, col in rows(events.build_log)
            ]
        )
        self.data["Trade"].append(
            [
                {
                    "commodity": COMMODITIES[q], "buyer": buyer, "bid": bid, "bid_lifetime": bid_age,
                    "seller": seller, "ask": ask, "ask_lifetime": ask_age, "price": price, "cost": price,
                    "income": price,
                }
                for q, seller, buyer, ask, ask_age, bid, bid_age, price in rows(events.trade_log)
            ]
        )  # fmt: skip
        self.data["Gather"].append(
            [
                {"agent": i, "resource": COMMODITIES[q], "n": units, "loc": [row - pad, col - pad]}
                for i, q, units, row, col in rows(events.gather_log)
            ]
        )
        if "PeriodicTax" in self.data:
            self.data["PeriodicTax"].append(self._taxes(events.tax_log))

    def _taxes(self, log: Any) -> dict[str, Any] | list[Any]:
        if not log.size[self.e]:
            return []
        names = ("income", "tax_paid", "marginal_rate", "effective_rate", "lump_sum")
        agents = {
            str(i): dict(zip(names, map(float, row), strict=True)) for i, row in enumerate(log.rows[self.e])
        }
        rates = host(self.economy.state).fisc.rates[self.e]
        return {"schedule": rates.tolist(), "cutoffs": self.economy.cutoffs.tolist(), **agents}

    def _look(self, time: int, last: bool = False) -> None:
        economy, e = self.economy, self.e
        agents, places = host(economy.state).agents, economy.places()[e]

        def goods(row: np.ndarray) -> dict[str, float]:
            return dict(zip(GOODS, map(float, row), strict=True))

        self.data["states"].append(
            {
                str(i): {
                    "loc": places[i].tolist(),
                    "inventory": goods(agents.inventory[e, i]),
                    "escrow": goods(agents.escrow[e, i]),
                    "endogenous": {"Labor": float(agents.labour[e, i])},
                    "build_payment": float(agents.payment[e, i]),
                    "build_skill": float(agents.skill[e, i]),
                    "bonus_gather_prob": float(agents.bonus[e, i]),
                }
                for i in range(economy.n_agents)
            }
        )
        self.data["world"].append(self._map() if last or time % self.every == 0 else {})

    def _map(self) -> dict[str, Any]:
        cells = self.economy.maps()[self.e]
        layers = [name for name in LAYERS if name != "Water" or self.economy.config.map.has_water]
        found: dict[str, Any] = {name: cells[..., k].tolist() for k, name in enumerate(layers)}
        owner = cells[..., OWNER].astype(int)
        house = {"health": found["House"], "owner": np.where(owner == NOBODY, -1, owner - OTHERS).tolist()}
        return found | {"House": house}


def cell(value: float, number: float) -> str:
    """A cell of the table of trades: mean price and number, or dashes."""
    return "~" * 8 if number == 0 else f"{value:6.2f} (n={int(number):3d})"


def breakdown(metrics: Mapping[str, np.ndarray], payments: np.ndarray, e: int = 0) -> str:
    """The table of what agents paid, and earned from sales and houses, in the published format.

    Parameters
    ----------
    metrics : mapping
        As `GatherTradeBuild.finished_metrics` gives.
    payments : (n,) array
        Coin for a house, by agent.
    e : int
        Which environment.
    """
    n = len(payments)
    lines = ["_" * 15 + ":_" + "_|_".join(f" Agent {i:2d} ____" for i in range(n))]
    for label, verb in (("Cost", "Buy"), ("Income", "Sell")):
        for good in ("Wood", "Stone"):
            means = [metrics[f"Trade/{i}/{verb}{good}/price"][e] for i in range(n)]
            numbers = [metrics[f"Trade/{i}/{verb}{good}/n_sales"][e] for i in range(n)]
            cells = [cell(mean, number) for mean, number in zip(means, numbers, strict=True)]
            lines.append(line(f"{label} ({good})", cells))
        if label == "Cost":
            lines.append("")
    built = [metrics[f"Build/{i}/n_builds"][e] for i in range(n)]
    lines.append(line("Income (Build)", [cell(p, k) for p, k in zip(payments, built, strict=True)]))
    return "\n".join(lines)


def line(label: str, cells: list[str]) -> str:
    """A line of the table."""
    return f"{label:<15}: " + " | ".join(f"{text:^14}" for text in cells)
