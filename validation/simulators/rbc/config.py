"""What a real-business-cycle economy is: sizes, grids of actions, constants, initial values.

Names are those of the published configuration (`world` and `agents` dictionaries); constants that the original has in
its code are parameters here. Its oddities are switches in `Compat`, off by default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

TYPES = ("consumer", "firm", "government")
CAPITALS = ("twolevel", "proportional", "unit")
ALPHAS = ("fixed_array", "proportional")
FIXED_ALPHAS = (0.2, 0.3, 0.4, 0.6, 0.8, 0.2, 0.3, 0.4, 0.6, 0.8)
TAX_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Compat:
    """What the original does and we do not, unless asked.

    Attributes
    ----------
    export_at_minimum : bool
        Export at the minimum price too; the paper exports above it.
    dust : bool
        Each consumer finds 0.01 in each step, which keeps budgets positive.
    """

    export_at_minimum: bool = False
    dust: bool = False

    @classmethod
    def original(cls) -> Compat:
        """All on."""
        return cls(True, True)


@dataclass(frozen=True)
class World:
    """Constants and initial values.

    Attributes
    ----------
    maxtime : int
        Steps of an episode, at least 1.
    initial_prices, initial_wages, initial_stocks : float
        Posted before the first step; at least 0.
    initial_consumer_endowment, initial_firm_endowment : float
        First budgets; at least 0 for consumers, finite for firms. None: 22,000 a consumer, for each firm.
    initial_capital : str or float
        twolevel: 5000 for the first half of the firms, 10000 for the others; proportional: 0.2 (i + 1); unit: 1; or
        a number > 0 for all.
    interest_rate : float
        On positive budgets, each step; at least 0.
    consumer_theta : float
        Disutility of labour of the consumer who minds most, at least 0.
    paretoscaletheta : float, optional
        k > 0: consumer j's disutility is theta (1 - j / NC)^(1 / k). None: the same for all.
    crra_param : float
        eta of u(c) = ((1 + c)^(1 - eta) - 1) / (1 - eta); log(1 + c) if 1. At least 0. Where eta and the most units on
        the menu are large, no polynomial stands for u and steps take longer; see `utility.coefficients`.
    production_alpha : str or float
        Labour's exponent: fixed_array (at most 10 firms), proportional (at least 2), or a number in (0, 1].
    importer_price, importer_quantity, use_importer : float, float, bool
        The export market: least price and most units of a firm in a step, at least 0; whether there is one.
    labor_floor : float
        Hours below which a firm produces nothing.
    should_boost_firm_reward, boost_firm_reward_factor : bool, float
        Whether firms that are not in debt get this share of their revenue as reward besides; at least 0.
    technology : float
        A of Y = A K^(1 - alpha) L^alpha, > 0.
    depreciation : float
        Share of capital lost in each step, in [0, 1].
    technology_persistence, technology_spread : float
        rho in [0, 1) and sigma >= 0 of log A' = rho log A + sigma e around `technology`; 0: constant.
    """

    maxtime: int = 10
    initial_prices: float = 1000.0
    initial_wages: float = 22.0
    initial_stocks: float = 0.0
    initial_consumer_endowment: float = 2000.0
    initial_firm_endowment: float | None = None
    initial_capital: str | float = "twolevel"
    interest_rate: float = 0.1
    consumer_theta: float = 0.01
    paretoscaletheta: float | None = 4.0
    crra_param: float = 0.1
    production_alpha: str | float = "fixed_array"
    importer_price: float = 500.0
    importer_quantity: float = 100.0
    use_importer: bool = True
    labor_floor: float = 0.0
    should_boost_firm_reward: bool = False
    boost_firm_reward_factor: float = 1.0
    technology: float = 0.01
    depreciation: float = 0.0
    technology_persistence: float = 0.0
    technology_spread: float = 0.0

    def __post_init__(self) -> None:
        if self.maxtime < 1:
            raise ValueError(f"maxtime must be at least 1, got {self.maxtime}")
        for name in (
            "initial_prices initial_wages initial_stocks initial_consumer_endowment interest_rate consumer_theta "
            "crra_param importer_price importer_quantity labor_floor boost_firm_reward_factor technology_spread"
        ).split():
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)!r}")
        endowment = self.initial_firm_endowment
        if endowment is not None and not math.isfinite(endowment):
            raise ValueError(f"initial_firm_endowment must be finite or None, got {endowment!r}")
        if not 0 < self.technology < math.inf:
            raise ValueError(f"technology must be > 0 and finite, got {self.technology!r}")
        if self.paretoscaletheta is not None and not self.paretoscaletheta > 0:
            raise ValueError(f"paretoscaletheta must be > 0 or None, got {self.paretoscaletheta!r}")
        capital = self.initial_capital
        if isinstance(capital, str) and capital not in CAPITALS:
            raise ValueError(
                f"initial_capital must be one of {', '.join(CAPITALS)} or a number, got {capital!r}"
            )
        if not isinstance(capital, str) and not 0 < capital < math.inf:
            raise ValueError(f"initial_capital must be > 0, got {capital!r}")
        alpha = self.production_alpha
        if isinstance(alpha, str) and alpha not in ALPHAS:
            raise ValueError(
                f"production_alpha must be one of {', '.join(ALPHAS)} or a number, got {alpha!r}"
            )
        if not isinstance(alpha, str) and not 0 < alpha <= 1:
            raise ValueError(f"production_alpha must be in (0, 1], got {alpha!r}")
        if not 0 <= self.depreciation <= 1:
            raise ValueError(f"depreciation must be in [0, 1], got {self.depreciation!r}")
        if not 0 <= self.technology_persistence < 1:
            raise ValueError(f"technology_persistence must be in [0, 1), got {self.technology_persistence!r}")


def _check_menu(name: str, values: tuple[float, ...]) -> None:
    if not values or any(not 0 <= value < math.inf for value in values):
        raise ValueError(f"{name} must be numbers of at least 0, got {values}")


@dataclass(frozen=True)
class Grids:
    """What agents choose from.

    Attributes
    ----------
    consumption, hours : tuple of float
        Units of each good, and hours of work.
    firm : tuple of (price, wage, share invested)
        Rows of a firm's menu.
    government : tuple of (income tax, corporate tax)
        Rows of the government's.
    """

    consumption: tuple[float, ...] = tuple(float(units) for units in range(11))
    hours: tuple[float, ...] = tuple(260.0 * level for level in range(5))
    firm: tuple[tuple[float, float, float], ...] = tuple(
        (500.0 * price, 11.0 * wage, 0.1) for price in range(6) for wage in range(5)
    )
    government: tuple[tuple[float, float], ...] = tuple(
        (tau, sigma) for tau in TAX_LEVELS for sigma in TAX_LEVELS
    )

    def __post_init__(self) -> None:
        _check_menu("consumption", self.consumption)
        _check_menu("hours", self.hours)
        for row in self.firm:
            if len(row) != 3 or min(row) < 0 or not all(map(math.isfinite, row)):
                raise ValueError(
                    f"firm must have rows (price, wage, share invested) of at least 0, got {row}"
                )
        for taxes in self.government:
            if len(taxes) != 2 or not all(0 <= tax <= 1 for tax in taxes):
                raise ValueError(
                    f"government must have rows (income tax, corporate tax) in [0, 1], got {taxes}"
                )
        if not self.firm or not self.government:
            raise ValueError("firm and government must have at least one row")


@dataclass(frozen=True)
class EconomyConfig:
    """An economy.

    Attributes
    ----------
    num_consumers, num_firms : int
        NC and NF, at least 1. There is one government.
    world : World
        Constants and initial values.
    grids : Grids
        Menus of actions.
    compat : Compat
        Oddities of the original.
    """

    num_consumers: int = 100
    num_firms: int = 10
    world: World = field(default_factory=World)
    grids: Grids = field(default_factory=Grids)
    compat: Compat = field(default_factory=Compat)

    def __post_init__(self) -> None:
        for name in ("num_consumers", "num_firms"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        alpha = self.world.production_alpha
        if alpha == "fixed_array" and self.num_firms > len(FIXED_ALPHAS):
            raise ValueError(
                f"num_firms must be at most {len(FIXED_ALPHAS)} with fixed_array, got {self.num_firms}"
            )
        if alpha == "proportional" and self.num_firms < 2:
            raise ValueError(
                f"num_firms must be at least 2 with proportional production_alpha, got {self.num_firms}"
            )

    @property
    def public_size(self) -> int:
        """Entries of the public state: 4 NF + 3."""
        return 4 * self.num_firms + 3

    def thetas(self) -> np.ndarray:
        """Disutilities of labour (NC,)."""
        world, rank = self.world, np.arange(self.num_consumers) / self.num_consumers
        if world.paretoscaletheta is None:
            return np.full(self.num_consumers, world.consumer_theta)
        return world.consumer_theta * (1 - rank) ** (1 / world.paretoscaletheta)

    def capitals(self) -> np.ndarray:
        """First capital (NF,)."""
        firms, capital = np.arange(self.num_firms), self.world.initial_capital
        if capital == "twolevel":
            return np.where(firms < self.num_firms // 2, 5000.0, 10000.0)
        if capital == "proportional":
            return 0.2 * (firms + 1.0)
        return np.full(self.num_firms, 1.0 if capital == "unit" else float(capital))

    def alphas(self) -> np.ndarray:
        """Labour's exponents (NF,)."""
        alpha = self.world.production_alpha
        if alpha == "fixed_array":
            return np.array(FIXED_ALPHAS[: self.num_firms])
        if alpha == "proportional":
            return 0.2 * (np.arange(self.num_firms) % (self.num_firms // 2) + 1.0)
        return np.full(self.num_firms, float(alpha))

    def firm_endowment(self) -> float:
        """First budget of a firm."""
        given = self.world.initial_firm_endowment
        return 22_000.0 * self.num_consumers if given is None else given
