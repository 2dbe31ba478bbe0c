"""Who learns when in the real-business-cycle economy, and what is open to whom.

Three types learn one after another while the menus of firms and of the government open slowly around a first row:
prices and wages around (1000, 22), taxes from 0. A type whose menu opens before it learns plays its initial network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

CLOSED = -1000.0  # added to the logits of rows that are not open, once for the price and once for the wage


@dataclass(frozen=True)
class Curriculum:
    """Times in episodes.

    Attributes
    ----------
    consumer_training_start, firm_training_start, government_training_start : int
        First episode in which each type learns.
    train_consumers_every, train_firms_every, train_government_every : int
        From then on, each so many episodes.
    consumer_training_list, firm_training_list, government_training_list : tuple of (first, end), optional
        Episodes in which a type learns, first included and end not; they replace its start and `train_..._every`.
    training_schedule_mod, consumer_mod_threshold : int
        M > 0: consumers learn in episodes with e mod M <= the threshold and firms in the others, whatever else is said;
        the government as it does anyway. 0: no such turns.
    firm_default_action, government_default_action : int, optional
        Row of the menu that a type plays always; it never learns then, and has no policy.
    firm_begin_anneal_action, firm_opening : int
        When firms' menus begin to open and how long that takes; opening 0: they are open.
    government_begin_anneal_action, government_opening : int
        The same for taxes.
    start_price, start_wage : float
        The first row of firms.
    theta_length : int
        Disutility of labour is multiplied with 1 - exp(-episode / length); 0: by 1.
    entropy_length, entropy_floor : int, float
        Entropy weights are multiplied with max(exp(-n / length), floor) n episodes after the start; 0: by 1.
    """

    consumer_training_start: int = 0
    firm_training_start: int = 30_000
    government_training_start: int = 60_000
    train_consumers_every: int = 1
    train_firms_every: int = 1
    train_government_every: int = 1
    consumer_training_list: tuple[tuple[int, int], ...] | None = None
    firm_training_list: tuple[tuple[int, int], ...] | None = None
    government_training_list: tuple[tuple[int, int], ...] | None = None
    training_schedule_mod: int = 0
    consumer_mod_threshold: int = 0
    firm_default_action: int | None = None
    government_default_action: int | None = None
    firm_begin_anneal_action: int = 0
    firm_opening: int = 30_000
    government_begin_anneal_action: int = 30_000
    government_opening: int = 30_000
    start_price: float = 1000.0
    start_wage: float = 22.0
    theta_length: int = 10_000
    entropy_length: int = 10_000
    entropy_floor: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("_list"):
                if value is not None and any(len(pair) != 2 or not 0 <= pair[0] < pair[1] for pair in value):
                    raise ValueError(
                        f"{name} must have pairs (first, end) with 0 <= first < end, got {value}"
                    )
            elif value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
        for name in ("train_consumers_every", "train_firms_every", "train_government_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def defaults(self) -> dict[str, int]:
        """Rows that types play always."""
        rows = {"firm": self.firm_default_action, "government": self.government_default_action}
        return {kind: row for kind, row in rows.items() if row is not None}

    def start(self, kind: str) -> int:
        """First episode in which a type learns."""
        return int(getattr(self, f"{kind}_training_start"))

    def trains(self, episode: int, kind: str) -> bool:
        """Whether a type learns from an episode."""
        if kind in self.defaults():
            return False
        if self.training_schedule_mod and kind != "government":
            first = episode % self.training_schedule_mod <= self.consumer_mod_threshold
            return first if kind == "consumer" else not first
        intervals = getattr(self, f"{kind}_training_list")
        if intervals is not None:
            return any(first <= episode < end for first, end in intervals)
        name = {"consumer": "consumers", "firm": "firms", "government": "government"}[kind]
        return episode >= self.start(kind) and episode % getattr(self, f"train_{name}_every") == 0

    def theta_coefficient(self, episode: int) -> float:
        """Factor of the disutility of labour."""
        return 1 - math.exp(-episode / self.theta_length) if self.theta_length else 1.0

    def entropy_coefficient(self, episode: int, kind: str) -> float:
        """Factor of a type's entropy weight; 1 before it begins to learn."""
        if not self.entropy_length:
            return 1.0
        learned = max(episode - self.start(kind), 0)
        return max(math.exp(-learned / self.entropy_length), self.entropy_floor)

    def firm_mask(self, episode: int, menu: np.ndarray) -> np.ndarray:
        """What is added to firms' logits, for a menu (n, 3) of price, wage, share invested."""
        if not self.firm_opening:
            return np.zeros(len(menu), dtype=np.float32)
        share = max(episode - self.firm_begin_anneal_action, 0) / self.firm_opening
        mask = np.zeros(len(menu), dtype=np.float32)
        for column, start in ((0, self.start_price), (1, self.start_wage)):
            values = menu[:, column]
            low = start - share * (start - min(values.min(), start))
            high = start + share * (max(values.max(), start) - start)
            mask += np.where((values < low - _slack(start)) | (values > high + _slack(start)), CLOSED, 0.0)
        return mask.astype(np.float32)

    def government_mask(self, episode: int, menu: np.ndarray) -> np.ndarray:
        """What is added to the government's logits, for a menu (n, 2) of taxes."""
        if not self.government_opening:
            return np.zeros(len(menu), dtype=np.float32)
        share = max(episode - self.government_begin_anneal_action, 0) / self.government_opening
        return np.where((menu > share + 1e-6).any(1), CLOSED, 0.0).astype(np.float32)

    def check_menus(self, firm: np.ndarray, government: np.ndarray) -> None:
        """ValueError if a type that is free to choose finds no row open when the first episode begins.

        Parameters
        ----------
        firm, government : (n, 3) array, (n, 2) array
            Menus. What is open only grows, so a row that is open at first is open always.
        """
        first = f"({self.start_price:g}, {self.start_wage:g})"
        if "firm" not in self.defaults() and not (self.firm_mask(0, firm) == 0).any():
            raise ValueError(
                f"start_price and start_wage must be a row of the firms' menu if firm_opening > 0, got {first}"
            )
        if "government" not in self.defaults() and not (self.government_mask(0, government) == 0).any():
            raise ValueError("government must have the row (0, 0) on its menu if government_opening > 0")


def _slack(start: float) -> float:
    """Rounding that a row may be outside by."""
    return 1e-6 * max(start, 1.0)


def penalised(rewards: np.ndarray, budgets: np.ndarray, coefficient: float, scale: float) -> np.ndarray:
    """Rewards (B, T, n) with a penalty on the last step for debts at the end.

    Parameters
    ----------
    rewards : (B, T, n) array
        Of one type.
    budgets : (B, n) array
        At the end of the episode.
    coefficient, scale : float
        The last reward falls by coefficient * max(-budget, 0) / scale.
    """
    found = rewards.copy()
    found[:, -1] -= coefficient * np.maximum(-budgets, 0.0) / scale
    return found


def next_coefficient(coefficient: float, budgets: np.ndarray, scale: float, rate: float) -> float:
    """The coefficient of `penalised` after an update: it grows with the mean debt."""
    return coefficient + rate * float(np.mean(np.maximum(-budgets, 0.0) / scale))


def government_rewards(consumers: np.ndarray, firms: np.ndarray, firm_factor: float) -> np.ndarray:
    """Welfare (B, T, 1): consumers' rewards summed, and firms' times a factor."""
    welfare = consumers.sum(-1, keepdims=True)
    return welfare + firm_factor * firms.sum(-1, keepdims=True) if firm_factor else welfare
