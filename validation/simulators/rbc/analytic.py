"""What economics says in closed form about such an economy, to hold learned outcomes against.

One static equilibrium and the best an exporter can do come from the simulator's own equations; two textbook models of
business cycles share its technology and its linear disutility of labour and have a known solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq


@dataclass(frozen=True)
class StaticEquilibrium:
    """Labour, output and consumption of each of N consumers in a static general equilibrium."""

    labour: float
    output: float
    consumption: float


def static_equilibrium(
    capital: float,
    alpha: float,
    consumers: int = 100,
    theta: float = 0.01,
    eta: float = 0.1,
    technology: float = 0.01,
    income_tax: float = 0.0,
    hours: float = 1040.0,
) -> StaticEquilibrium:
    """One firm, one good, one period, prices taken as given, profits and taxes handed back.

    Wages are alpha Y / L in goods, and consumers work until (1 + c)^(-eta) w (1 - tau) = theta / 2, so that

        (1 + Y / N)^(-eta) alpha Y / L = theta / (2 (1 - tau)),   Y = A K^(1 - alpha) L^alpha.

    Without taxes it is what a planner would choose.

    Parameters
    ----------
    capital, alpha, consumers, theta, eta, technology : float
        K, labour's exponent in (0, 1), N, disutility, curvature, A; all > 0.
    income_tax : float
        tau in [0, 1).
    hours : float
        Most hours of a consumer.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), got {alpha!r}")
    if not 0 <= income_tax < 1:
        raise ValueError(f"income_tax must be in [0, 1), got {income_tax!r}")
    if not min(capital, consumers, theta, technology, hours) > 0:
        raise ValueError("capital, consumers, theta, technology and hours must be > 0")

    def output(labour: float) -> float:
        return technology * capital ** (1 - alpha) * labour**alpha

    def excess(log_labour: float) -> float:
        labour = float(np.exp(log_labour))
        made = output(labour)
        return float((1 + made / consumers) ** -eta * alpha * made / labour - theta / (2 * (1 - income_tax)))

    top = float(np.log(hours * consumers))
    labour = hours * consumers if excess(top) > 0 else float(np.exp(brentq(excess, -30.0, top, xtol=1e-13)))
    return StaticEquilibrium(labour, output(labour), output(labour) / consumers)


@dataclass(frozen=True)
class ExportPlan:
    """Hours that an exporter hires, and its profit in a step."""

    labour: float
    profit: float


def export_only(
    capital: float, alpha: float, price: float, wage: float, quota: float = 100.0, technology: float = 0.01
) -> ExportPlan:
    """The best that a firm can do that sells at `price` to the export market only, at most `quota` units.

    Labour is hired until its marginal product is worth the wage, or the quota is filled.
    """
    if not (0 < alpha < 1 and capital > 0 and price > 0 and wage > 0 and quota > 0 and technology > 0):
        raise ValueError("alpha must be in (0, 1) and capital, price, wage, quota and technology > 0")
    scale = technology * capital ** (1 - alpha)
    wanted = (price * alpha * scale / wage) ** (1 / (1 - alpha))
    labour = min(wanted, (quota / scale) ** (1 / alpha))
    return ExportPlan(labour, price * scale * labour**alpha - wage * labour)


def demand(prices: np.ndarray, budget: float, eta: float = 0.1, most: float = 10.0) -> np.ndarray:
    """What a consumer buys who has nothing to save for: sum_i u(c_i) is largest on the budget.

        c_i = clip((lambda p_i)^(-1 / eta) - 1, 0, c_max),   sum_i p_i c_i = budget.

    With eta = 0.1 it is nearly all or nothing: a good that is 11^0.1 = 1.271 times as dear as another is not bought
    before ten units of the other are.

    Parameters
    ----------
    prices : (NF,) array
        All > 0.
    budget : float
        At least 0.
    eta, most : float
        Curvature and c_max, > 0.

    Returns
    -------
    (NF,) array
        Units, not rounded to a menu; `most` of each good if the budget allows.
    """
    p = np.asarray(prices, dtype=float)
    if p.ndim != 1 or not len(p) or not (p > 0).all():
        raise ValueError(f"prices must be a row of numbers > 0, got {p.tolist()}")
    if not budget >= 0 or not min(eta, most) > 0:
        raise ValueError(f"budget must be at least 0, eta and most > 0, got {budget}, {eta}, {most}")
    if budget >= most * p.sum():
        return np.full(len(p), most)

    def bought(log_worth: float) -> np.ndarray:
        logs = np.minimum(-(log_worth + np.log(p)) / eta, np.log1p(most))
        return np.maximum(np.expm1(logs), 0.0)

    # At the upper end nothing is bought, at the lower one as much as there is.
    low, high = -np.log(p.max()) - eta * np.log1p(most), -np.log(p.min())
    worth = brentq(lambda x: float(p @ bought(x)) - budget, low, high, xtol=1e-15) if budget > 0 else high
    return bought(worth)


def working_threshold(
    price: float,
    wage: float,
    consumption: float,
    eta: float = 0.1,
    interest: float = 0.0,
    income_tax: float = 0.0,
) -> float:
    """The disutility of labour theta below which a consumer works all hours, and above which none.

    An hour costs theta / 2 now, and what it brings buys goods in the next step: theta* = 2 (1 - tau)(1 + r) w u'(c) / p
    with u'(c) = (1 + c)^(-eta). A consumer's share of the redistributed tax, tau / NC, is left out.

    Parameters
    ----------
    price, wage, consumption : float
        Of the next step, of this one, and units of the good in the next step; price > 0.
    eta, interest, income_tax : float
        Curvature, interest r, and tau in [0, 1].
    """
    if not price > 0 or not 0 <= income_tax <= 1:
        raise ValueError(f"price must be > 0 and income_tax in [0, 1], got {price!r} and {income_tax!r}")
    return 2 * (1 - income_tax) * (1 + interest) * wage * (1 + consumption) ** -eta / price


def brock_mirman(capital: np.ndarray, alpha: float, beta: float, technology: float = 1.0) -> np.ndarray:
    """Next capital k' = alpha beta z k^alpha with log utility, y = z k^alpha and full depreciation."""
    return alpha * beta * technology * np.asarray(capital, dtype=float) ** alpha


def value_iteration(grid: np.ndarray, alpha: float, beta: float, tolerance: float = 1e-10) -> np.ndarray:
    """Next capital on a grid for the same model, by value iteration; it knows nothing of the closed form.

    Parameters
    ----------
    grid : (n,) increasing array
        Capital, > 0.
    alpha, beta : float
        In (0, 1).
    tolerance : float
        Largest change of a value in the last round.
    """
    consumption = grid[:, None] ** alpha - grid[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        utility = np.where(consumption > 0, np.log(consumption), -np.inf)
    value = np.zeros(len(grid))
    for _ in range(100_000):
        gains = utility + beta * value
        after = gains.max(1)
        if np.abs(after - value).max() < tolerance:
            return grid[gains.argmax(1)]
        value = after
    raise RuntimeError("values did not settle in 100,000 rounds")


@dataclass(frozen=True)
class Hansen:
    """Steady state and log-linear policy of Hansen's model: (coefficient on capital, on technology)."""

    capital: float
    hours: float
    consumption: float
    output: float
    next_capital_on: tuple[float, float]
    consumption_on: tuple[float, float]
    hours_on: tuple[float, float]


def hansen(
    beta: float = 0.99, alpha: float = 0.36, delta: float = 0.025, disutility: float = 2.85, rho: float = 0.95
) -> Hansen:
    """Indivisible labour: u = log c - B h, y = e^z k^alpha h^(1 - alpha), k' = (1 - delta) k + i, z' = rho z + e.

    Parameters
    ----------
    beta, alpha, delta : float
        Discount factor, exponent of capital, depreciation; in (0, 1).
    disutility : float
        B > 0.
    rho : float
        Persistence of technology, in [0, 1).

    G. Hansen, Indivisible labor and the business cycle, Journal of Monetary Economics 16 (1985).
    """
    for name, value in (("beta", beta), ("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1), got {value!r}")
    if not (disutility > 0 and 0 <= rho < 1):
        raise ValueError(f"disutility must be > 0 and rho in [0, 1), got {disutility!r} and {rho!r}")
    rental = 1 / beta - 1 + delta
    by_hour = (alpha / rental) ** (1 / (1 - alpha))
    made = by_hour**alpha
    c = (1 - alpha) * made / disutility
    h = c / (made - delta * by_hour)
    k, y = by_hour * h, made * h
    odds, m = (1 - alpha) / alpha, beta * rental
    a = 1 / (1 + m * odds)
    on_k = (y - k * (a - 1 + delta)) / (c + y * odds)
    on_z = (a * m * rho / alpha - on_k * y / (alpha * k)) / (rho - a - on_k * (c + y * odds) / k)
    next_on_z = (y / alpha - on_z * (c + y * odds)) / k
    return Hansen(k, h, c, y, (a, next_on_z), (on_k, on_z), ((alpha - on_k) / alpha, (1 - on_z) / alpha))
