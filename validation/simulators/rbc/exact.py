"""Small economies as finite games: enumerated by the simulator's own step, never by a second description.

The transition is deterministic given the joint action, so nothing needs sampling. `grid_game` rounds the next state to
a grid; `reachable_tree` expands the states that can really occur.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pycrld_econ.environments import TensorGame
from pycrld_econ.validation.simulators.rbc.config import EconomyConfig
from pycrld_econ.validation.simulators.rbc.economy import Economy


@dataclass(frozen=True)
class GridGame:
    """An economy whose budgets and stocks live on grids; S states, A joint actions, n = NC + NF + 1 agents.

    Attributes
    ----------
    state_dims : tuple of int
        Posted row of each firm, posted row of the government, place of each stock, place of each budget; states are
        numbered with the last varying fastest.
    action_dims : tuple of int
        Actions of consumers (demand of each good, hours and employer, the last varying fastest), firms, government.
    joint_actions : (A, n) int array
        Numbered likewise.
    rewards : (n, S, A) array
        Of each agent; the government gets the sum of the consumers'.
    successors : (S, A, W) int array
        States that may follow; -1 where there are fewer.
    weights : (S, A, W) array
        Their probabilities: mean-preserving between neighbours on a grid, clipped at its ends.
    """

    state_dims: tuple[int, ...]
    action_dims: tuple[int, ...]
    joint_actions: np.ndarray
    rewards: np.ndarray
    successors: np.ndarray
    weights: np.ndarray

    def transition(self) -> np.ndarray:
        """Probabilities (S, A, S)."""
        states, joint, _ = self.successors.shape
        dense = np.zeros((states, joint, states))
        rows, columns, k = np.nonzero(self.successors >= 0)
        np.add.at(dense, (rows, columns, self.successors[rows, columns, k]), self.weights[rows, columns, k])
        return dense

    def game(self, reward_scale: tuple[float, ...] | None = None) -> TensorGame:
        """The game in tensors, rewards divided by the agents' scales; agents have as many actions as the most has.

        Actions that an agent does not have are unavailable.
        """
        n, most = len(self.action_dims), max(self.action_dims)
        scale = np.ones(n) if reward_scale is None else np.asarray(reward_scale, dtype=float)
        states = len(self.successors)
        where = np.ravel_multi_index(tuple(self.joint_actions.T), (most,) * n)
        transition = np.zeros((states, most**n, states))
        transition[:, :, 0] = 1.0  # rows of actions that do not exist, which are never used
        transition[:, where] = self.transition()
        rewards = np.zeros((n, states, most**n))
        rewards[:, :, where] = self.rewards / scale[:, None, None]
        shape = (states, *(most,) * n, states)
        full = np.broadcast_to(rewards[..., None], (n, states, most**n, states)).reshape(n, *shape)
        exists = np.arange(most) < np.array(self.action_dims)[:, None]
        available = np.broadcast_to(exists[:, None], (n, states, most)).copy()
        return TensorGame(transition.reshape(shape), full, available=available)


def consumer_actions(config: EconomyConfig) -> np.ndarray:
    """Rows (demand of each good, hours, employer) of a consumer's actions."""
    grids, firms = config.grids, config.num_firms
    ranges = [range(len(grids.consumption))] * firms + [range(len(grids.hours)), range(firms)]
    return np.array(list(itertools.product(*ranges)))


def split_grid(values: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower neighbour on a grid, and weight of the upper one, of values clipped to it."""
    if len(grid) == 1:
        return np.zeros(values.shape, dtype=int), np.zeros(values.shape)
    clipped = np.clip(values, grid[0], grid[-1])
    low = np.clip(np.searchsorted(grid, clipped, side="right") - 1, 0, len(grid) - 2)
    return low, (clipped - grid[low]) / (grid[low + 1] - grid[low])


def _check_deterministic(config: EconomyConfig) -> None:
    if config.world.technology_spread > 0:
        raise ValueError(
            f"technology_spread must be 0 in a game without chance, got {config.world.technology_spread!r}"
        )


def grid_game(
    config: EconomyConfig,
    budgets: np.ndarray,
    stocks: np.ndarray,
    firm_reward_factor: float = 0.0,
) -> GridGame:
    """Enumerate an economy on grids of consumers' budgets and stocks.

    Capital is that of the beginning, firms' budgets are 0 and count for nothing, and time stands still. With one budget
    and one stock all that is private is the same in every step, and what is posted is the state: a game of prices. In
    that game work brings nobody anything, so let the only hours be 0.

    Parameters
    ----------
    config : EconomyConfig
        Small: the number of states times joint actions is what this costs.
    budgets, stocks : increasing arrays
        Grids, the same for all consumers and for all goods.
    firm_reward_factor : float
        What the government counts of firms' rewards besides consumers'.

    Returns
    -------
    GridGame

    Raises
    ------
    ValueError
        If a grid is not increasing, technology is stochastic, or firms are rewarded by revenue if they have no debts.
    """
    _check_deterministic(config)
    if config.world.should_boost_firm_reward and config.world.boost_firm_reward_factor > 0:
        raise ValueError(
            "should_boost_firm_reward must be off: it depends on firms' budgets, which no state has"
        )
    for name, grid in (("budgets", budgets), ("stocks", stocks)):
        if np.ndim(grid) != 1 or len(grid) < 1 or np.any(np.diff(grid) <= 0) or np.min(grid) < 0:
            raise ValueError(
                f"{name} must be increasing numbers of at least 0, got {np.asarray(grid).tolist()}"
            )
    budget_grid, stock_grid = np.asarray(budgets, dtype=float), np.asarray(stocks, dtype=float)
    firms, consumers, grids = config.num_firms, config.num_consumers, config.grids
    state_dims = (
        *(len(grids.firm),) * firms,
        len(grids.government),
        *(len(stock_grid),) * firms,
        *(len(budget_grid),) * consumers,
    )
    menu = consumer_actions(config)
    action_dims = (*(len(menu),) * consumers, *(len(grids.firm),) * firms, len(grids.government))
    states = np.array(list(np.ndindex(*state_dims)))
    joint = np.array(list(np.ndindex(*action_dims)))
    count = len(states) * len(joint)
    economy = Economy(config, count, dtype="float64")
    here, act = np.repeat(states, len(joint), axis=0), np.tile(joint, (len(states), 1))
    _load_states(economy, here, budget_grid, stock_grid)
    demand, hours, employer, firm_rows, taxes = _choices(config, menu, act)
    step = economy.step(demand, hours, employer, firm_rows, taxes)
    consumer, firm = step.consumer_reward.T, step.firm_reward.T
    government = consumer.sum(0) + firm_reward_factor * firm.sum(0)
    rewards = np.concatenate([consumer, firm, government[None]]).reshape(-1, len(states), len(joint))
    successors, weights = _successors(economy, act, consumers, firms, state_dims, budget_grid, stock_grid)
    shape = (len(states), len(joint), -1)
    return GridGame(
        state_dims, action_dims, joint, rewards, successors.reshape(shape), weights.reshape(shape)
    )


def grid_economy(
    config: EconomyConfig, budgets: np.ndarray, stocks: np.ndarray, time: int = 0, dtype: str = "float32"
) -> Economy:
    """One environment in each state of `grid_game`, in its order, at a time; for asking policies what they do there."""
    firms, grids = config.num_firms, config.grids
    sizes = (*(len(grids.firm),) * firms, len(grids.government))
    sizes += (*(len(stocks),) * firms, *(len(budgets),) * config.num_consumers)
    states = np.array(list(np.ndindex(*sizes)))
    economy = Economy(config, len(states), dtype=dtype)
    _load_states(economy, states, np.asarray(budgets, float), np.asarray(stocks, float))
    economy.load(economy.snapshot() | {"time": np.full(len(states), time)})
    return economy


def _choices(config: EconomyConfig, menu: np.ndarray, act: np.ndarray) -> tuple[np.ndarray, ...]:
    """Joint actions (R, n) as the economy takes them."""
    firms, consumers = config.num_firms, config.num_consumers
    chosen = menu[act[:, :consumers]]  # (R, NC, NF + 2)
    demand = np.moveaxis(chosen[..., :firms], 1, 2)
    return demand, chosen[..., firms], chosen[..., firms + 1], act[:, consumers:-1], act[:, -1]


def _load_states(economy: Economy, states: np.ndarray, budgets: np.ndarray, stocks: np.ndarray) -> None:
    firms, grids = economy.config.num_firms, economy.config.grids
    posted = np.array(grids.firm)[states[:, :firms]]
    economy.load(
        economy.snapshot()
        | {
            "price": posted[..., 0],
            "wage": posted[..., 1],
            "tax": np.array(grids.government)[states[:, firms]],
            "stock": stocks[states[:, firms + 1 : 2 * firms + 1]],
            "budget": budgets[states[:, 2 * firms + 1 :]],
            "firm_budget": np.zeros((len(states), firms)),
        }
    )


def _successors(
    economy: Economy,
    act: np.ndarray,
    consumers: int,
    firms: int,
    state_dims: tuple[int, ...],
    budgets: np.ndarray,
    stocks: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours on the grids of what followed, with the products of their weights, those that have one first."""
    after = economy.snapshot()
    lows, shares = [], []
    for values, grid in ((after["stock"], stocks), (after["budget"], budgets)):
        low, share = split_grid(values, grid)
        lows.append(low)
        shares.append(share)
    low, share = np.concatenate(lows, axis=1), np.concatenate(shares, axis=1)
    posted = np.concatenate([act[:, consumers : consumers + firms], act[:, -1:]], axis=1)
    corners = np.array(list(itertools.product((0, 1), repeat=low.shape[1])))
    weight = np.ones((len(act), len(corners)))
    for k in range(low.shape[1]):
        weight *= np.where(corners[:, k] == 1, share[:, k, None], 1 - share[:, k, None])
    place = np.minimum(low[:, None] + corners, np.array(state_dims[1 + firms :]) - 1)
    both = np.concatenate([np.broadcast_to(posted[:, None], (*place.shape[:2], firms + 1)), place], axis=2)
    found = np.ravel_multi_index(tuple(np.moveaxis(both, -1, 0)), state_dims)
    order = np.argsort(weight == 0, axis=1, kind="stable")
    weight, found = np.take_along_axis(weight, order, 1), np.take_along_axis(found, order, 1)
    return np.where(weight > 0, found, -1), weight


def _joint(policies: Sequence[np.ndarray], joint: np.ndarray, without: int | None = None) -> np.ndarray:
    """Probabilities (S, A) of joint actions, leaving out one agent."""
    found = np.ones((len(policies[0]), len(joint)))
    for agent, policy in enumerate(policies):
        if agent != without:
            found *= policy[:, joint[:, agent]]
    return found


def response_rewards(game: GridGame, policies: list[np.ndarray], agent: int) -> tuple[np.ndarray, np.ndarray]:
    """What an agent's own actions bring when the others play: rewards (S, M) and transitions (S, M, S)."""
    probability = _joint(policies, game.joint_actions, agent)
    own = game.joint_actions[:, agent]
    indicator = (own[:, None] == np.arange(game.action_dims[agent])).astype(float)
    rewards = (probability * game.rewards[agent]) @ indicator
    transition = np.einsum("sa,am,sat->smt", probability, indicator, game.transition(), optimize=True)
    return rewards, transition


def values(game: GridGame, policies: list[np.ndarray], gamma: float) -> np.ndarray:
    """Discounted sums of rewards (n, S) under policies (S, M) of all agents."""
    probability = _joint(policies, game.joint_actions)
    chain = np.einsum("sa,sat->st", probability, game.transition())
    rewards = np.einsum("sa,nsa->ns", probability, game.rewards)
    return np.linalg.solve(np.eye(len(chain)) - gamma * chain, rewards.T).T


def best_response(
    game: GridGame, policies: list[np.ndarray], agent: int, gamma: float
) -> tuple[np.ndarray, np.ndarray]:
    """An exact best response to the others' policies, by policy iteration.

    Returns
    -------
    (S,) int array, (S,) array
        Its actions, the first of equally good ones, and its discounted sums of rewards.
    """
    rewards, transition = response_rewards(game, policies, agent)
    states = np.arange(len(rewards))
    chosen = rewards.argmax(1)
    for _ in range(1000):
        chain = transition[states, chosen]
        value = np.linalg.solve(np.eye(len(states)) - gamma * chain, rewards[states, chosen])
        gains = rewards + gamma * transition @ value
        better = gains.max(1) > gains[states, chosen] + 1e-12 * (1 + np.abs(value))
        if not better.any():
            return chosen, value
        chosen = np.where(better, gains.argmax(1), chosen)
    raise RuntimeError("policy iteration did not end in 1000 rounds")


@dataclass(frozen=True)
class Tree:
    """States that can be reached from one state within H steps.

    Attributes
    ----------
    levels : list of (n_d, k) arrays
        Different states after d steps: columns price, wage, stock, rationed of each firm, both taxes, budgets of
        consumers, budgets and capital of firms; in lexical order.
    successors : list of (n_d, A) int arrays
        Row in the next level.
    rewards : list of (n_d, A, NC + NF) arrays
        Of consumers and firms.
    joint_actions : (A, NC + NF + 1) int array
        As for `GridGame`.
    consumers : int
        NC.
    """

    levels: list[np.ndarray]
    successors: list[np.ndarray]
    rewards: list[np.ndarray]
    joint_actions: np.ndarray
    consumers: int

    def uniform_return(self, gamma: float) -> np.ndarray:
        """Discounted rewards (NC + NF,) of uniformly random play over the whole depth."""
        value = np.zeros((len(self.levels[-1]), self.rewards[0].shape[-1]))
        for after, reward in zip(reversed(self.successors), reversed(self.rewards), strict=True):
            value = (reward + gamma * value[after]).mean(1)
        return value[0]

    @property
    def action_dims(self) -> tuple[int, ...]:
        """Number of actions of consumers, firms, government."""
        return tuple((self.joint_actions.max(0) + 1).tolist())

    def agent_rewards(self, depth: int, agent: int) -> np.ndarray:
        """Rewards (n_d, A) of a consumer, a firm, or the government, which gets the sum of the consumers'."""
        rewards = self.rewards[depth]
        if agent < rewards.shape[-1]:
            return rewards[..., agent]
        return rewards[..., : self.consumers].sum(-1)

    def values(self, policies: Sequence[Sequence[np.ndarray]], gamma: float) -> np.ndarray:
        """Discounted rewards (n,) of all agents under policies[depth][agent], arrays (n_d, actions)."""
        found = []
        for agent in range(len(self.action_dims)):
            value = np.zeros(len(self.levels[-1]))
            for depth in reversed(range(len(self.rewards))):
                gains = self.agent_rewards(depth, agent) + gamma * value[self.successors[depth]]
                value = (_joint(policies[depth], self.joint_actions) * gains).sum(1)
            found.append(value[0])
        return np.array(found)

    def best_response(
        self, policies: Sequence[Sequence[np.ndarray]], agent: int, gamma: float
    ) -> tuple[list[np.ndarray], float]:
        """An exact best response to the others' policies, by backward induction.

        Parameters
        ----------
        policies : policies[depth][agent], arrays (n_d, actions)
            Of all agents; that of `agent` counts for nothing.
        agent : int
            Consumers, then firms, then the government.
        gamma : float
            Discount factor.

        Returns
        -------
        list of (n_d,) int arrays, float
            What it does in each state, the first of equally good actions; its discounted rewards from the root.
        """
        own = self.joint_actions[:, agent, None] == np.arange(self.action_dims[agent])
        value, chosen = np.zeros(len(self.levels[-1])), []
        for depth in reversed(range(len(self.rewards))):
            gains = self.agent_rewards(depth, agent) + gamma * value[self.successors[depth]]
            totals = (_joint(policies[depth], self.joint_actions, agent) * gains) @ own.astype(float)
            chosen.append(totals.argmax(1))
            value = totals.max(1)
        return chosen[::-1], float(value[0])

    def game(self) -> GridGame:
        """The tree as a stationary game: states are those of all depths but the last, which is the root again."""
        sizes = [len(level) for level in self.levels[:-1]]
        first = np.concatenate([[0], np.cumsum(sizes)])
        agents = range(len(self.action_dims))
        rewards = np.array(
            [
                np.concatenate([self.agent_rewards(depth, agent) for depth in range(len(sizes))])
                for agent in agents
            ]
        )
        after = [first[depth + 1] + self.successors[depth] for depth in range(len(sizes) - 1)]
        successors = np.concatenate([*after, np.zeros_like(self.successors[-1])])[..., None]
        return GridGame(
            (len(successors),), self.action_dims, self.joint_actions, rewards, successors,
            np.ones(successors.shape),
        )  # fmt: skip

    def best_total(self, gamma: float, consumers: int) -> float:
        """The most that all consumers together can get, everybody helping."""
        value = np.zeros(len(self.levels[-1]))
        for after, reward in zip(reversed(self.successors), reversed(self.rewards), strict=True):
            value = (reward[..., :consumers].sum(-1) + gamma * value[after]).max(1)
        return float(value[0])


COLUMNS = ("price", "wage", "stock", "rationed", "tax", "budget", "firm_budget", "capital")


def reachable_tree(config: EconomyConfig, start: Mapping[str, np.ndarray], depth: int) -> Tree:
    """Expand all joint actions.

    Parameters
    ----------
    config : EconomyConfig
        Small.
    start : mapping
        Entries of a snapshot of one environment that differ from the initial ones; of those that a state has, which
        are the columns of `Tree.levels`.
    depth : int
        H, at least 1.

    Raises
    ------
    ValueError
        If `start` has other entries or shapes, or technology is stochastic.
    """
    _check_deterministic(config)
    unknown = sorted(set(start) - set(COLUMNS))
    if unknown:
        raise ValueError(f"start has {', '.join(unknown)}; states have only {', '.join(COLUMNS)}")
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}")
    menu = consumer_actions(config)
    dims = (*(len(menu),) * config.num_consumers, *(len(config.grids.firm),) * config.num_firms)
    joint = np.array(list(np.ndindex(*dims, len(config.grids.government))))
    root = Economy(config, 1, dtype="float64").snapshot()
    for name, value in start.items():
        given = np.asarray(value, dtype=float)
        if given.shape != root[name].shape:
            raise ValueError(f"start[{name!r}] must have shape {root[name].shape}, got {given.shape}")
        root[name] = given
    levels, successors, rewards = [_rows(root)], [], []
    for _ in range(depth):
        economy = economy_at(config, np.repeat(levels[-1], len(joint), axis=0))
        demand, hours, employer, firm, taxes = _choices(config, menu, np.tile(joint, (len(levels[-1]), 1)))
        step = economy.step(demand, hours, employer, firm, taxes)
        found = _rows(economy.snapshot())
        # To the last bit: states that differ in rounding only stay apart.
        different, inverse = np.unique(found, axis=0, return_inverse=True)
        both = np.concatenate([step.consumer_reward, step.firm_reward], axis=1)
        levels.append(different)
        successors.append(inverse.reshape(-1, len(joint)))
        rewards.append(both.reshape(-1, len(joint), both.shape[1]))
    return Tree(levels, successors, rewards, joint, config.num_consumers)


def economy_at(config: EconomyConfig, rows: np.ndarray, time: int = 0, dtype: str = "float64") -> Economy:
    """Environments in the states of a level of a tree, (n_d, k), at a time."""
    economy = Economy(config, len(rows), dtype=dtype)
    state = economy.snapshot()
    parts = np.split(rows, np.cumsum([state[name].shape[1] for name in COLUMNS])[:-1], axis=1)
    economy.load(state | dict(zip(COLUMNS, parts, strict=True)) | {"time": np.full(len(rows), time)})
    return economy


def _rows(snapshot: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([snapshot[name] for name in COLUMNS], axis=1)
