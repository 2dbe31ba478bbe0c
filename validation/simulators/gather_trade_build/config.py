"""What a gather-trade-build economy is: nested records that are read from and written to YAML.

Names are those of the published configuration files. What the original does by accident is a switch of `Quirks`; all of
them are off by default, and `strict()` turns them on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import isfinite

SKILLS = ("none", "pareto", "lognormal")
TAX_MODELS = ("model_wrapper", "us-federal-single-filer-2018-scaled", "saez", "fixed-bracket-rates")
SPACINGS = ("us-federal", "linear", "log")
WELFARES = (
    "coin_eq_times_productivity",
    "inv_income_weighted_coin_endowments",
    "inv_income_weighted_utility",
)
WARMUPS = ("decay", "auto")
AGENT_REWARDS = ("utility", "planner_like")
PARETO_WEIGHTS = ("inverse_income", "uniform")
MAPS = ("open_quadrant", "file", "split", "uniform", "multi_zone", "quadrant")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def _between(name: str, value: float, low: float, high: float = float("inf")) -> None:
    if not (isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be in [{low:g}, {high:g}], got {value!r}")


@dataclass(frozen=True)
class Build:
    """Houses: one unit of wood and one of stone become coin.

    Attributes
    ----------
    payment : int
        Coin for a house, times the multiplier of the builder's skill.
    payment_max_skill_multiplier : int
        Largest multiplier, >= 1.
    skill_dist : str
        none, pareto or lognormal.
    build_labor : float
        Labour of a house.
    """

    payment: int = 10
    payment_max_skill_multiplier: int = 1
    skill_dist: str = "none"
    build_labor: float = 10.0

    def __post_init__(self) -> None:
        _one_of("build.skill_dist", self.skill_dist, SKILLS)
        _between("build.payment", self.payment, 0)
        _between("build.payment_max_skill_multiplier", self.payment_max_skill_multiplier, 1)
        _between("build.build_labor", self.build_labor, 0)


@dataclass(frozen=True)
class Market:
    """A continuous double auction for each of stone and wood.

    Attributes
    ----------
    max_bid_ask : int
        Prices are 0, ..., max_bid_ask.
    order_labor : float
        Labour of an order.
    order_duration : int
        Steps that an order stays open.
    max_num_orders : int, optional
        Most open orders, bids and asks together, of an agent for a commodity. None: order_duration.
    """

    max_bid_ask: int = 10
    order_labor: float = 0.25
    order_duration: int = 50
    max_num_orders: int | None = None

    def __post_init__(self) -> None:
        _between("market.max_bid_ask", self.max_bid_ask, 1, 1000)
        _between("market.order_labor", self.order_labor, 0)
        _between("market.order_duration", self.order_duration, 1, 30000)
        if self.max_num_orders is not None:
            _between("market.max_num_orders", self.max_num_orders, 1, 1000)

    @property
    def limit(self) -> int:
        """Most open orders of an agent for a commodity."""
        return self.order_duration if self.max_num_orders is None else self.max_num_orders


@dataclass(frozen=True)
class Gather:
    """Moving about and collecting.

    Attributes
    ----------
    move_labor, collect_labor : float
        Labour of a move and of collecting.
    skill_dist : str
        Of the probability of a second unit: none (0), pareto or lognormal.
    """

    move_labor: float = 1.0
    collect_labor: float = 1.0
    skill_dist: str = "none"

    def __post_init__(self) -> None:
        _one_of("gather.skill_dist", self.skill_dist, SKILLS)
        _between("gather.move_labor", self.move_labor, 0)
        _between("gather.collect_labor", self.collect_labor, 0)


@dataclass(frozen=True)
class Tax:
    """A tax on the income of each period, shared equally.

    Attributes
    ----------
    tax_model : str
        model_wrapper: a planner sets the rates. us-federal-single-filer-2018-scaled, fixed-bracket-rates: constant.
        saez: estimated from incomes.
    disable_taxes : bool
        All rates are 0, and the planner has no actions.
    period : int
        Steps.
    rate_min, rate_max, rate_disc : float
        Range of rates, and distance of those that a planner chooses among.
    bracket_spacing : str
        us-federal, linear or log.
    n_brackets, top_bracket_cutoff : int, float
        For linear and log.
    usd_scaling : float
        Dollars in a coin, for us-federal.
    fixed_bracket_rates : tuple of float, optional
        For fixed-bracket-rates.
    pareto_weight_type : str
        inverse_income or uniform: social weights of the Saez formula.
    saez_fixed_elas : float, optional
        Elasticity that the Saez formula uses instead of the estimated one.
    tax_annealing_schedule : (float, float), optional
        Warm-up w and slope s: after c episodes the largest rate is clip(s (c - w), 0, 1) times rate_max.
    """

    tax_model: str = "model_wrapper"
    disable_taxes: bool = False
    period: int = 100
    rate_min: float = 0.0
    rate_max: float = 1.0
    rate_disc: float = 0.05
    bracket_spacing: str = "us-federal"
    n_brackets: int = 5
    top_bracket_cutoff: float = 100.0
    usd_scaling: float = 1000.0
    fixed_bracket_rates: tuple[float, ...] | None = None
    pareto_weight_type: str = "inverse_income"
    saez_fixed_elas: float | None = None
    tax_annealing_schedule: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _one_of("tax.tax_model", self.tax_model, TAX_MODELS)
        _one_of("tax.bracket_spacing", self.bracket_spacing, SPACINGS)
        _one_of("tax.pareto_weight_type", self.pareto_weight_type, PARETO_WEIGHTS)
        _between("tax.period", self.period, 1)
        _between("tax.rate_min", self.rate_min, 0, self.rate_max)
        _between("tax.rate_max", self.rate_max, 0, 1)
        _between("tax.rate_disc", self.rate_disc, 1e-6, 1)
        _between("tax.n_brackets", self.n_brackets, 2, 100)
        _between("tax.top_bracket_cutoff", self.top_bracket_cutoff, 1e-9)
        _between("tax.usd_scaling", self.usd_scaling, 1e-9)
        if self.saez_fixed_elas is not None:
            _between("tax.saez_fixed_elas", self.saez_fixed_elas, 0)
        if self.tax_annealing_schedule is not None and len(self.tax_annealing_schedule) != 2:
            raise ValueError(
                f"tax.tax_annealing_schedule must be two numbers, got {self.tax_annealing_schedule!r}"
            )
        if self.tax_model == "fixed-bracket-rates":
            self._check_fixed_rates()

    def _check_fixed_rates(self) -> None:
        rates = self.fixed_bracket_rates
        brackets = 7 if self.bracket_spacing == "us-federal" else self.n_brackets
        if rates is None or len(rates) != brackets:
            raise ValueError(f"tax.fixed_bracket_rates must be {brackets} rates, got {rates!r}")
        for rate in rates:
            _between("tax.fixed_bracket_rates", rate, 0, 1)

    @property
    def is_planned(self) -> bool:
        """Whether a planner sets rates."""
        return self.tax_model == "model_wrapper" and not self.disable_taxes


@dataclass(frozen=True)
class Map:
    """Where resources, water and agents are.

    Attributes
    ----------
    kind : str
        open_quadrant: our own map, four quadrants parted by water with gaps, of which one has both resources, one
        wood, one stone, and one nothing. file: a map in the published text format. split: such a map, with a row of
        water that parts the agents of `skill_rank_of_top_agents` from the others. uniform, quadrant, multi_zone:
        generated.
    file : str
        Path of the text, for file and split. For split, empty: our own map without water.
    world_size : (int, int)
        Rows and columns; must be those of the file.
    resource_regen_prob : float
        Chance of a unit in a step and empty source cell, for maps that are not generated.
    max_health : int
        Most units on a cell, for maps that are not generated. Above 1, resources recover faster where more are left
        (with a half-width >= 1, or stock_dependent).
    stock_dependent : bool
        Multiply the chance of a unit by the share of source cells of that resource that hold one: a commons.
    fixed_four_skill_and_loc : bool
        Payments are average order statistics and start cells corners, dealt out anew in each episode.
    water_row : int, optional
        For split; the middle if None.
    skill_rank_of_top_agents : tuple of int
        For split: ranks (0 is best) that start above the water.
    starting_wood_coverage, starting_stone_coverage : float
        Share of cells, or number if >= 1, for generated maps.
    wood_regen_halfwidth, stone_regen_halfwidth : int
        h: cells in a window of 2h + 1 help a source to recover, for generated maps.
    wood_regen_weight, stone_regen_weight : float
        Chance of a unit per step, spread over the window.
    wood_max_health, stone_max_health : int
        Most units on a cell, for generated maps.
    wood_clumpiness, stone_clumpiness : float
        In [0, 1), how clustered sources are.
    gradient_steepness : float
        How strongly wood and stone are parted, >= 1.
    checker_source_blocks : bool
        Leave only every second cell.
    num_wood_zones, num_stone_zones, num_mixed_zones : int
        For multi_zone, of 64.
    pool : int
        How many generated maps episodes draw from.
    """

    kind: str = "open_quadrant"
    file: str = ""
    world_size: tuple[int, int] = (25, 25)
    resource_regen_prob: float = 0.01
    max_health: int = 1
    stock_dependent: bool = False
    fixed_four_skill_and_loc: bool = False
    water_row: int | None = None
    skill_rank_of_top_agents: tuple[int, ...] = (0,)
    starting_wood_coverage: float = 0.025
    starting_stone_coverage: float = 0.025
    wood_regen_halfwidth: int = 0
    stone_regen_halfwidth: int = 0
    wood_regen_weight: float = 0.01
    stone_regen_weight: float = 0.01
    wood_max_health: int = 1
    stone_max_health: int = 1
    wood_clumpiness: float = 0.35
    stone_clumpiness: float = 0.5
    gradient_steepness: float = 8.0
    checker_source_blocks: bool = False
    num_wood_zones: int = 6
    num_stone_zones: int = 6
    num_mixed_zones: int = 4
    pool: int = 16

    def __post_init__(self) -> None:
        _one_of("map.kind", self.kind, MAPS)
        for name in ("wood_regen_halfwidth", "stone_regen_halfwidth"):
            _between(f"map.{name}", getattr(self, name), 0, 3)
        for name in ("wood_regen_weight", "stone_regen_weight", "resource_regen_prob"):
            _between(f"map.{name}", getattr(self, name), 0, 1)
        for name in ("wood_max_health", "stone_max_health", "max_health"):
            _between(f"map.{name}", getattr(self, name), 1, 255)
        for name in ("wood_clumpiness", "stone_clumpiness"):
            _between(f"map.{name}", getattr(self, name), 0, 1)
        _between("map.gradient_steepness", self.gradient_steepness, 1)
        _between("map.pool", self.pool, 1)
        for size in self.world_size:
            _between("map.world_size", size, 3, 1000)
        zones = self.num_wood_zones + self.num_stone_zones + self.num_mixed_zones
        if min(self.num_wood_zones, self.num_stone_zones, self.num_mixed_zones) < 0 or zones > 64:
            raise ValueError(f"map.num_*_zones must be >= 0 and at most 64 together, got {zones}")

    @property
    def is_generated(self) -> bool:
        """Whether sources are drawn at random, as in the original's generated scenarios."""
        return self.kind in ("uniform", "multi_zone", "quadrant")

    @property
    def has_water(self) -> bool:
        """Whether the water layer is observed."""
        return self.kind not in ("uniform", "multi_zone")


@dataclass(frozen=True)
class Quirks:
    """What the original does by accident; False is the sound rule.

    Attributes
    ----------
    stone_by_wood_coverage : bool
        Generated maps place stone by the coverage of wood (Q2).
    unrelated_build_skill : bool
        With ranked payments, the skill that agents observe has nothing to do with the payment (Q3). Sound: the skill
        that would give this payment.
    corner_row_by_width : bool
        The bottom right start cell takes its row from the width of the world (Q4).
    gini_by_size : bool
        The Gini index has another formula from 30 agents on (Q7).
    merged_bracket_names : bool
        Metrics of brackets whose lower ends agree in whole numbers are merged (Q10). Sound: they get letters.
    stale_first_rates : bool
        Rates seen at the reset are capped by the annealing of the episode before (Q9).
    saez_top_rate : bool
        The Saez top rate is the largest rate when nobody earned as much (Q11). Sound: the rate of the highest bin
        with incomes.
    escrow_untaxed : bool
        Taxes cannot take coin that is bound in bids (Q13). Sound: bids are cancelled, the worst first, until the tax
        can be paid.
    redistribution_debt : bool
        Redistribution can make coin at hand negative (Q14). Sound: bids are cancelled before.
    extra_order_round : bool
        Orders take part in order_duration + 1 rounds (Q16). Sound: order_duration.
    hidden_labour : bool
        Agents do not see their labour (Q18). Sound: the last number of `flat` is 0.01 times it.
    """

    stone_by_wood_coverage: bool = False
    unrelated_build_skill: bool = False
    corner_row_by_width: bool = False
    gini_by_size: bool = False
    merged_bracket_names: bool = False
    stale_first_rates: bool = False
    saez_top_rate: bool = False
    escrow_untaxed: bool = False
    redistribution_debt: bool = False
    extra_order_round: bool = False
    hidden_labour: bool = False

    @classmethod
    def all(cls) -> Quirks:
        """The original."""
        return cls(**{one.name: True for one in fields(cls)})


@dataclass(frozen=True)
class GTBConfig:
    """A gather-trade-build economy.

    Attributes
    ----------
    n_agents : int
        n, at least 2.
    episode_length : int
        Steps.
    map, build, market, gather : Map, Build, Market, Gather
        Its parts.
    tax : Tax, optional
        None: no taxes, and nothing of them is observed.
    redistribution : bool
        Share all coin equally in every step (instead of taxes).
    starting_agent_coin : float
        Coin at the beginning.
    isoelastic_eta : float
        Curvature of the utility of coin, >= 0; 1 gives the logarithm of max(coin, 1).
    energy_cost : float
        Utility of a unit of labour.
    energy_warmup_constant, energy_warmup_method : float, str
        Labour costs the share 1 - exp(-x / constant) of it, where x counts episodes (decay) or steps in which agents
        gained (auto). 0: all of it.
    planner_reward_type : str
        coin_eq_times_productivity, inv_income_weighted_coin_endowments or inv_income_weighted_utility.
    mixing_weight_gini_vs_coin : float
        In [0, 1]: 1 leaves equality out of the first of these.
    agent_reward : str
        utility, or planner_like: every agent gains a tenth of equality times productivity.
    multi_action_mode_agents, multi_action_mode_planner : bool
        Whether agents and planner choose one action in each sub-action, or one in all.
    full_observability : bool
        Agents see the whole map.
    mobile_agent_observation_range : int
        w: or else a window of 2w + 1 cells around them.
    planner_gets_spatial_info : bool
        Whether the planner sees where agents are.
    allow_observation_scaling : bool
        Whether coin, stock and time are scaled.
    quirks : Quirks
        What the original does by accident.
    """

    n_agents: int = 4
    episode_length: int = 1000
    map: Map = field(default_factory=Map)
    build: Build = field(default_factory=Build)
    market: Market = field(default_factory=Market)
    gather: Gather = field(default_factory=Gather)
    tax: Tax | None = field(default_factory=Tax)
    redistribution: bool = False
    starting_agent_coin: float = 0.0
    isoelastic_eta: float = 0.23
    energy_cost: float = 0.21
    energy_warmup_constant: float = 0.0
    energy_warmup_method: str = "decay"
    planner_reward_type: str = "coin_eq_times_productivity"
    mixing_weight_gini_vs_coin: float = 0.0
    agent_reward: str = "utility"
    multi_action_mode_agents: bool = False
    multi_action_mode_planner: bool = True
    full_observability: bool = False
    mobile_agent_observation_range: int = 5
    planner_gets_spatial_info: bool = True
    allow_observation_scaling: bool = True
    quirks: Quirks = field(default_factory=Quirks)

    def __post_init__(self) -> None:
        _between("n_agents", self.n_agents, 2, 100)
        _between("episode_length", self.episode_length, 1)
        _between("starting_agent_coin", self.starting_agent_coin, 0)
        _between("isoelastic_eta", self.isoelastic_eta, 0)
        _between("energy_cost", self.energy_cost, 0)
        _between("energy_warmup_constant", self.energy_warmup_constant, 0)
        _between("mixing_weight_gini_vs_coin", self.mixing_weight_gini_vs_coin, 0, 1)
        _between("mobile_agent_observation_range", self.mobile_agent_observation_range, 1, 100)
        _one_of("energy_warmup_method", self.energy_warmup_method, WARMUPS)
        _one_of("planner_reward_type", self.planner_reward_type, WELFARES)
        _one_of("agent_reward", self.agent_reward, AGENT_REWARDS)
        if self.tax is not None and self.redistribution:
            raise ValueError(
                "redistribution must be False where there are taxes: both share what agents have"
            )
        if self.n_agents * self.market.limit > 10_000:
            raise ValueError(
                f"market.max_num_orders must be at most {10_000 // self.n_agents} for {self.n_agents} agents, "
                f"got {self.market.limit}"
            )
        if self.is_ranked and self.build.skill_dist != "pareto":
            raise ValueError(
                "build.skill_dist must be 'pareto' where payments are ranked "
                f"(map.fixed_four_skill_and_loc, map.kind 'split'), got {self.build.skill_dist!r}"
            )

    @property
    def is_ranked(self) -> bool:
        """Whether payments are average order statistics."""
        return self.map.fixed_four_skill_and_loc or self.map.kind == "split"


def strict(config: GTBConfig) -> GTBConfig:
    """The same economy with everything that the original does by accident."""
    return replace(config, quirks=Quirks.all())


def paper(phase: int = 1, **changes: object) -> GTBConfig:
    """The economy of the AI Economist papers, with four agents.

    Parameters
    ----------
    phase : int
        1: no taxes, and labour is warmed up. 2: a planner sets taxes.
    **changes
        Fields of GTBConfig.
    """
    if phase not in (1, 2):
        raise ValueError(f"phase must be 1 or 2, got {phase!r}")
    config = GTBConfig(
        map=Map(fixed_four_skill_and_loc=True),
        build=Build(payment_max_skill_multiplier=3, skill_dist="pareto"),
        market=Market(max_num_orders=5),
        gather=Gather(skill_dist="pareto"),
        tax=Tax(disable_taxes=phase == 1, tax_annealing_schedule=(-100, 0.001)),
        energy_warmup_constant=10_000.0 if phase == 1 else 0.0,
        energy_warmup_method="auto" if phase == 1 else "decay",
        planner_gets_spatial_info=False,
    )
    return replace(config, **changes)  # type: ignore[arg-type]


def tutorial(rates: tuple[float, ...] | None = None, **changes: object) -> GTBConfig:
    """The economy of the tutorials and of the four regimes: coin at the start, and nobody gathers better.

    Parameters
    ----------
    rates : tuple of seven float, optional
        Tax rates; all 0 if None.
    **changes
        Fields of GTBConfig.
    """
    tax = Tax(
        tax_model="fixed-bracket-rates", fixed_bracket_rates=(0.0,) * 7 if rates is None else tuple(rates)
    )
    config = replace(paper(2), gather=Gather(), tax=tax, starting_agent_coin=10.0)
    return replace(config, **changes)  # type: ignore[arg-type]
