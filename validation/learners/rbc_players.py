"""Who plays the real-business-cycle economy: one network for each type, and what it sees and does.

Consumers, firms and the government see the public state (prices, wages, stocks, rationing, taxes, time); consumers also
their budget and disutility of labour, firms their budget, capital, exponent and number. Stocks and budgets are shown by
their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pycrld_econ.validation.experiments.rbc_curriculum import TYPES
from pycrld_econ.validation.learners.policy_gradient_networks import HeadedPolicy, PolicyShape, digits
from pycrld_econ.validation.simulators.rbc import Economy, EconomyConfig, Step

CAPITAL_SCALE = 10_000.0


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
    config, s = economy.config, economy.snapshot()
    firms = config.num_firms

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

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
            tensor(np.tile(economy.constants.alpha, (n, 1))),
        ],
        dim=-1,
    )
    who = torch.eye(firms).expand(n, firms, firms)
    firm = torch.cat([digits(tensor(s["firm_budget"]), digit_count), own, who], dim=-1)
    return {
        "consumer": Features(public, consumer),
        "firm": Features(public, firm),
        "government": Features(public, public.new_zeros(n, 1, 0)),
    }


def draw(policy: HeadedPolicy, logits: Tensor, u: Tensor) -> Tensor:
    """Actions (..., heads) by numbers u (..., heads) in [0, 1): the first whose cumulative probability exceeds u."""
    found, start = [], 0
    for part in policy.split(logits):
        count = part.shape[-2]
        below = part.softmax(-1)[..., :-1].cumsum(-1)
        found.append((u[..., start : start + count, None] >= below).sum(-1))
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
    """

    def __init__(self, config: EconomyConfig, digit_count: int, hidden: int, seed: int) -> None:
        self.config, self.digit_count = config, digit_count
        sizes = shapes(config, digit_count, hidden)
        self.policies = {kind: HeadedPolicy(sizes[kind], seed + k) for k, kind in enumerate(TYPES)}

    @torch.no_grad()
    def play(
        self,
        economy: Economy,
        generator: torch.Generator,
        masks: Mapping[str, Tensor] | None = None,
        frozen: Mapping[str, Tensor] | None = None,
        keep_states: bool = False,
        deviator: Deviator | None = None,
    ) -> Episode:
        """Play an episode from the state that the economy is in.

        Parameters
        ----------
        economy : Economy
            Just reset.
        generator : torch.Generator
            Of the actions.
        masks : mapping, optional
            Added to the logits of a type.
        frozen : mapping, optional
            Numbers in [0, 1) (E, n, 1) by which a type acts in every step, instead of fresh ones.
        keep_states : bool
            Whether to record the published states.
        deviator : Deviator, optional
            An agent with a policy of its own; it acts by the same random numbers as without one.
        """
        seen: list[dict[str, Features]] = []
        chosen: list[dict[str, Tensor]] = []
        steps: list[dict[str, np.ndarray]] = []
        states: list[dict[str, np.ndarray]] = []
        for _ in range(self.config.world.maxtime):
            now = features(economy, self.digit_count)
            if keep_states:
                states.append({kind: getattr(economy, f"{kind}_states")() for kind in TYPES})
            acts = {}
            for kind, policy in self.policies.items():
                logits, _ = policy(now[kind].public, now[kind].private)
                logits = logits + masks[kind] if masks and kind in masks else logits
                size = (*logits.shape[:-1], len(policy.shape.heads))
                u = frozen[kind] if frozen and kind in frozen else torch.rand(size, generator=generator)
                acts[kind] = draw(policy, logits, u)
                if deviator is not None and deviator.kind == kind:
                    one = slice(deviator.agent, deviator.agent + 1)
                    logits, _ = deviator.policy(now[kind].public, now[kind].private[:, one])
                    logits = logits + masks[kind] if masks and kind in masks else logits
                    acts[kind][:, one] = draw(deviator.policy, logits, u[:, one])
            step = apply(economy, acts)
            seen.append(now)
            chosen.append(acts)
            steps.append({name: np.array(value) for name, value in vars(step).items()})
        return _episode(economy, seen, chosen, steps, states)


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
    steps: list[dict[str, np.ndarray]],
    states: list[dict[str, np.ndarray]],
) -> Episode:
    after = economy.snapshot()
    rewards = {
        kind: np.stack([step[f"{kind}_reward"] for step in steps], axis=1) for kind in ("consumer", "firm")
    }
    rewards["government"] = np.zeros_like(rewards["firm"][:, :, :1])
    return Episode(
        torch.stack([now["consumer"].public for now in seen], dim=1),
        {kind: torch.stack([now[kind].private for now in seen], dim=1) for kind in TYPES},
        {kind: torch.stack([acts[kind] for acts in chosen], dim=1) for kind in TYPES},
        rewards,
        {kind: np.stack([state[kind] for state in states], axis=1) for kind in TYPES} if states else {},
        np.stack([np.moveaxis(step["consumption"], 1, 2) for step in steps], axis=1),
        np.stack([step["exported"] for step in steps], axis=1),
        {"consumer": after["budget"], "firm": after["firm_budget"]},
    )


def state_dicts(players: Players) -> dict[str, Any]:
    """Parameters of all types."""
    return {kind: policy.state_dict() for kind, policy in players.policies.items()}
