"""Who plays the real-business-cycle economy: one network for each type, and what it sees and does.

Consumers, firms and the government see the public state (prices, wages, stocks, rationing, taxes, time); consumers also
their budget and disutility of labour, firms their budget, capital, exponent and number. Stocks and budgets are shown by
their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.backend import Lanes, as_torch, from_torch, split_seed, to_device
from pycrld_econ.validation.learners import rbc_draw_rules
from pycrld_econ.validation.learners.policy_gradient_networks import HeadedPolicy, PolicyShape, digits
from pycrld_econ.validation.learners.rbc_draw_rules import Preferences
from pycrld_econ.validation.simulators.rbc import TYPES, Economy, EconomyConfig, Step
from pycrld_econ.validation.simulators.rbc.rules import Choices, Outcome

CAPITAL_SCALE = 10_000.0
NEVER = -1e4  # a logit beside 0 whose probability is 0


@dataclass(frozen=True)
class Features:
    """What a type sees: public (E, G) and private (E, n, k)."""

    public: Tensor
    private: Tensor


def shapes(config: EconomyConfig, digit_count: int, hidden: int) -> dict[str, PolicyShape]:
    """Sizes of the networks of all types."""
    firms, grids = config.num_firms, config.grids
    public = firms * (3 + digit_count) + 3
    goods = (len(grids.consumption),) * firms
    return {
        "consumer": PolicyShape(public, digit_count + 1, (*goods, len(grids.hours), firms), hidden),
        "firm": PolicyShape(public, digit_count + 2 + firms, (len(grids.firm),), hidden),
        "government": PolicyShape(public, 0, (len(grids.government),), hidden),
    }


def features(economy: Economy, digit_count: int) -> dict[str, Features]:
    """What all types see now, scaled; as the published features, with the public part written once."""
    config = economy.config
    s = {name: as_torch(array) for name, array in economy.state._asdict().items()}
    firms = config.num_firms

    def tensor(array: Tensor) -> Tensor:
        return array.float()

    most_price = max(row[0] for row in config.grids.firm) or 1.0
    most_wage = max(row[1] for row in config.grids.firm) or 1.0
    public = torch.cat(
        [
            tensor(s["price"]) / most_price,
            tensor(s["wage"]) / most_wage,
            digits(tensor(s["stock"]), digit_count).flatten(1),
            tensor(s["rationed"]),
            tensor(s["tax"]),
            tensor(s["time"]).unsqueeze(1) / config.world.maxtime,
        ],
        dim=1,
    )
    theta = tensor(s["theta"]) / (config.world.consumer_theta or 1.0)
    consumer = torch.cat([digits(tensor(s["budget"]), digit_count), theta.unsqueeze(-1)], dim=-1)
    n = economy.n_envs
    own = torch.stack(
        [
            tensor(s["capital"]) / CAPITAL_SCALE,
            tensor(as_torch(economy.exponents)).expand(n, firms),
        ],
        dim=-1,
    )
    who = torch.eye(firms, device=public.device).expand(n, firms, firms)
    firm = torch.cat([digits(tensor(s["firm_budget"]), digit_count), own, who], dim=-1)
    return {
        "consumer": Features(public, consumer),
        "firm": Features(public, firm),
        "government": Features(public, public.new_zeros(n, 1, 0)),
    }


def draw(policy: HeadedPolicy, logits: Tensor, u: Tensor) -> Tensor:
    """Actions (..., heads) by numbers u (..., heads) in [0, 1): the first whose cumulative probability exceeds u.

    Rounded sums may end below u; then it is the last action whose probability is not 0.
    """
    found, start = [], 0
    for part in policy.split(logits):
        count = part.shape[-2]
        probability = part.softmax(-1)
        below = probability[..., :-1].cumsum(-1)
        first = (u[..., start : start + count, None] >= below).sum(-1)
        rows = torch.arange(part.shape[-1], device=part.device)
        last = torch.where(probability > 0, rows, 0).amax(-1)
        found.append(torch.minimum(first, last))
        start += count
    return torch.cat(found, dim=-1)


@dataclass(frozen=True)
class Deviator:
    """One agent who leaves the policy of its type.

    Attributes
    ----------
    kind : str
        Its type.
    agent : int
        Which one of the type.
    policy : HeadedPolicy
        What it plays instead.
    """

    kind: str
    agent: int
    policy: HeadedPolicy


@dataclass
class Episode:
    """An episode of E environments; time is the second axis, as in the published files.

    Attributes
    ----------
    public : (E, T, G) tensor
        What all saw.
    private, actions, rewards : dict of (E, T, n, .) tensors
        By type; rewards (E, T, n) as the economy gives them, the government's still 0.
    states : dict of (E, T, n, dim) arrays
        Published states before each step; empty unless wanted.
    consumption, exported : (E, T, NC, NF), (E, T, NF) arrays
        What was got and exported.
    budgets : dict of (E, n) arrays
        Of consumers and firms, at the end.
    """

    public: Tensor
    private: dict[str, Tensor]
    actions: dict[str, Tensor]
    rewards: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    consumption: np.ndarray
    exported: np.ndarray
    budgets: dict[str, np.ndarray]


class Players:
    """The policies of all types.

    Parameters
    ----------
    config : EconomyConfig
        The economy.
    digit_count, hidden : int
        Digits that stocks and budgets are shown by, and units of both hidden layers.
    seed : int
        Of the initial parameters.
    defaults : mapping of type to row, optional
        Types that play one row of their menu always, whatever their network says.
    """

    def __init__(
        self,
        config: EconomyConfig,
        digit_count: int,
        hidden: int,
        seed: int,
        defaults: Mapping[str, int] | None = None,
    ) -> None:
        self.config, self.digit_count, self.defaults = config, digit_count, dict(defaults or {})
        sizes = shapes(config, digit_count, hidden)
        self.policies = {kind: HeadedPolicy(sizes[kind], seed + k) for k, kind in enumerate(TYPES)}

    def learning(self) -> dict[str, HeadedPolicy]:
        """Policies of the types that have one."""
        return {kind: policy for kind, policy in self.policies.items() if kind not in self.defaults}

    def to(self, device: str) -> Players:
        """Move all policies to where torch keeps its tensors; themselves."""
        for policy in self.policies.values():
            policy.to(device)
        return self

    @torch.no_grad()
    def play(
        self,
        economy: Economy,
        generator: torch.Generator | CounterDraws,
        masks: Mapping[str, Tensor] | None = None,
        frozen: Mapping[str, Tensor] | None = None,
        keep_states: bool = False,
        deviator: Deviator | None = None,
    ) -> Episode:
        """Play an episode from the state that the economy is in.

        Parameters
        ----------
        economy : Economy
            Just reset, on the device of the policies.
        generator : torch.Generator or CounterDraws
            Of the actions; a torch generator needs an economy on the processor.
        masks : mapping, optional
            Added to the logits of a type.
        frozen : mapping, optional
            Numbers in [0, 1) (E, n, 1) by which a type acts in every step, instead of fresh ones of the generator.
        keep_states : bool
            Whether to record the published states.
        deviator : Deviator, optional
            An agent with a policy of its own; it acts by the same random numbers as without one.
        """
        seen: list[dict[str, Features]] = []
        chosen: list[dict[str, Tensor]] = []
        steps: list[dict[str, Tensor]] = []
        states: list[dict[str, np.ndarray]] = []
        outcome: Step | Outcome
        for _ in range(self.config.world.maxtime):
            now = features(economy, self.digit_count)
            if keep_states:
                states.append({kind: getattr(economy, f"{kind}_states")() for kind in TYPES})
            logits = self._logits(now, masks, deviator)
            if isinstance(generator, CounterDraws):
                acts, outcome = generator.act(economy, logits)
            else:
                acts = self._draw(logits, generator, frozen or {})
                outcome = apply(economy, acts)
            seen.append(now)
            chosen.append(acts)
            steps.append({name: as_torch(getattr(outcome, name)).clone() for name in RECORDED})
        return _episode(economy, seen, chosen, steps, states)

    def _logits(
        self, now: Mapping[str, Features], masks: Mapping[str, Tensor] | None, deviator: Deviator | None
    ) -> dict[str, Tensor]:
        """Logits (E, n, actions) of all types, with masks."""
        found = {}
        for kind, policy in self.policies.items():
            logits, _ = policy(now[kind].public, now[kind].private)
            if deviator is not None and deviator.kind == kind:
                one = slice(deviator.agent, deviator.agent + 1)
                logits[:, one], _ = deviator.policy(now[kind].public, now[kind].private[:, one])
            found[kind] = logits + masks[kind] if masks and kind in masks else logits
            if kind in self.defaults:
                found[kind] = torch.full_like(logits, NEVER)
                found[kind][..., self.defaults[kind]] = 0.0
        return found

    def _draw(
        self, logits: Mapping[str, Tensor], generator: torch.Generator, frozen: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Actions (E, n, heads) of all types."""
        found = {}
        for kind, policy in self.policies.items():
            size = (*logits[kind].shape[:-1], len(policy.shape.heads))
            u = frozen[kind] if kind in frozen else torch.rand(size, generator=generator)
            found[kind] = draw(policy, logits[kind], u)
        return found


class Room(NamedTuple):
    """What drawing for one economy needs."""

    economy: Economy
    rule: Lanes
    choices: Choices
    sizes: Any  # arrays on the device
    key: Any


RECORDED = ("consumer_reward", "firm_reward", "consumption", "exported")


class CounterDraws:
    """Actions of all types drawn in one kernel by a counter: the same on every device, up to rounding of logits.

    Parameters
    ----------
    seed : int
        In [0, 2**64).
    frozen : bool
        Whether firms and the government draw one number for each environment and agent in the whole run.
    """

    def __init__(self, seed: int, frozen: bool = False) -> None:
        self.key, self.frozen = np.array(split_seed(seed), dtype=np.int64), frozen
        self._room: Room | None = None

    def _room_for(self, economy: Economy) -> Room:
        """What drawing for an economy needs on its device; made once, so that steps move nothing there."""
        if self._room is None or self._room.economy is not economy:
            device, grids = economy.device, economy.config.grids
            sizes = np.array([len(grids.consumption), len(grids.hours), self.frozen], dtype=np.int64)
            there = (to_device(array, device) for array in (sizes, self.key))
            self._room = Room(economy, Lanes(rbc_draw_rules, "draw", device), economy.choices(), *there)
        return self._room

    def act(self, economy: Economy, logits: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Outcome]:
        """Draw by logits (E, n, actions) and make the step; all stays on the device of the economy."""
        room = self._room_for(economy)
        lanes = economy.n_envs * sum(logits[kind].shape[1] for kind in TYPES)
        preferences = Preferences(*(from_torch(logits[kind].contiguous(), economy.device) for kind in TYPES))
        room.rule(lanes, preferences, room.choices, economy.state.clock, room.sizes, room.key)
        outcome = economy.advance(room.choices)
        demand, hours, employer, firm, government = (as_torch(array).long() for array in room.choices)
        return {
            "consumer": torch.cat([demand.mT, hours[..., None], employer[..., None]], dim=-1),
            "firm": firm[..., None],
            "government": government[:, None, None],
        }, outcome


def apply(economy: Economy, actions: Mapping[str, Tensor]) -> Step:
    """One step by the actions of all types, (E, n, heads) each."""
    firms, consumer = economy.config.num_firms, actions["consumer"].numpy()
    demand = np.moveaxis(consumer[..., :firms], 1, 2)
    firm, government = actions["firm"].numpy()[..., 0], actions["government"].numpy()[:, 0, 0]
    return economy.step(demand, consumer[..., firms], consumer[..., firms + 1], firm, government, check=False)


def _episode(
    economy: Economy,
    seen: list[dict[str, Features]],
    chosen: list[dict[str, Tensor]],
    steps: list[dict[str, Tensor]],
    states: list[dict[str, np.ndarray]],
) -> Episode:
    """Lists of steps as arrays with a time axis; what learning does not need on the device goes to the processor."""
    after = economy.snapshot()
    recorded = {name: torch.stack([step[name] for step in steps], dim=1).cpu().numpy() for name in RECORDED}
    rewards = {kind: recorded[f"{kind}_reward"] for kind in ("consumer", "firm")}
    rewards["government"] = np.zeros_like(rewards["firm"][:, :, :1])
    return Episode(
        torch.stack([now["consumer"].public for now in seen], dim=1),
        {kind: torch.stack([now[kind].private for now in seen], dim=1) for kind in TYPES},
        {kind: torch.stack([acts[kind] for acts in chosen], dim=1) for kind in TYPES},
        rewards,
        {kind: np.stack([state[kind] for state in states], axis=1) for kind in TYPES} if states else {},
        np.moveaxis(recorded["consumption"], 2, 3),
        recorded["exported"],
        {"consumer": after["budget"], "firm": after["firm_budget"]},
    )
