"""What trained agents do in whole episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pycrld_econ.validation.experiments import checkpoints
from pycrld_econ.validation.experiments.config import load
from pycrld_econ.validation.experiments.gtb import (
    GTBRun,
    agents_of,
    any_actions,
    planner_of,
    random_actions,
)
from pycrld_econ.validation.experiments.loop import HPARAMS, STATES
from pycrld_econ.validation.learners.ppo.players import Player, Team
from pycrld_econ.validation.simulators.gather_trade_build import GatherTradeBuild
from pycrld_econ.validation.simulators.gather_trade_build.logs import DenseLog, breakdown

EVALUATION_SEED = 1 << 40  # added to seeds: episodes that nobody learned from
Draw = Callable[[GatherTradeBuild, np.random.Generator], np.ndarray]
SNAPSHOTS = 4  # of the map after the beginning


@dataclass(frozen=True)
class Episodes:
    """Whole episodes, one in each environment.

    Attributes
    ----------
    metrics : dict of (E,) arrays
        By published name.
    payments : (E, n) array
        Coin for a house.
    rates : (E, B) array
        Mean tax rates by bracket, over periods.
    log : dict, optional
        Dense log of the first episode.
    """

    metrics: dict[str, np.ndarray]
    payments: np.ndarray
    rates: np.ndarray
    log: dict[str, list] | None

    @property
    def product(self) -> np.ndarray:
        """Equality times productivity, (E,)."""
        return self.metrics["social/equality"] * self.metrics["social/productivity"]

    def of_best(self, name: str) -> np.ndarray:
        """A metric by agent, such as `Build/{}/n_builds`, of the agent with the largest payment, (E,)."""
        best = self.payments.argmax(1)
        each = np.stack([self.metrics[name.format(i)] for i in range(self.payments.shape[1])], 1)
        return np.asarray(each[np.arange(len(best)), best])


def economy_of(config: GTBRun, completions: int, autoreset: bool = False) -> GatherTradeBuild:
    """Economies of the last phase, as after so many episodes, at the beginning of one."""
    where = config.phases[-1].economy(config.economy)
    economy = GatherTradeBuild(
        where, config.eval_envs, config.seed + EVALUATION_SEED, threads=1, autoreset=autoreset
    )
    economy.set_completions(completions)
    economy.reset()
    return economy


def play(
    economy: GatherTradeBuild,
    agents: Team | None,
    planner: Player | None = None,
    greedy: bool = False,
    dense: bool = False,
    draw: Draw = random_actions,
) -> Episodes:
    """One episode everywhere.

    Parameters
    ----------
    economy : GatherTradeBuild
        At the beginning of an episode, with `autoreset=False`.
    agents, planner : Team and Player, optional
        Who act, with fragments of one step; no agents: random actions.
    greedy : bool
        Whether they take the likeliest actions.
    dense : bool
        Whether to keep a dense log.
    draw : callable
        Draws random actions in an economy by a generator.
    """
    c = economy.config
    log = DenseLog(economy, 0, every=max(1, c.episode_length // SNAPSHOTS)) if dense else None
    rng, payments = np.random.default_rng(0), economy.state.agents.payment.copy()
    shape = (economy.n_envs, economy.n_agents, 6)[: 2 + c.multi_action_mode_agents]
    for _ in range(c.episode_length):
        chosen = draw(economy, rng) if agents is None else agents.act(0, greedy).numpy()
        step = economy.step(
            chosen.reshape(shape), None if planner is None else planner.act(0, greedy).numpy()
        )
        if log is not None:
            log.record()
        for player, reward in ((agents, step.reward), (planner, step.planner_reward)):
            if player is not None:
                player.hear(0, torch.from_numpy(reward), torch.from_numpy(step.done))
                player.open()
    metrics = economy.finished_metrics()
    rates = [metrics[name] for name in metrics if name.startswith("PeriodicTax/avg_bracket_rate/")]
    table = np.stack(rates, 1) if rates else np.zeros((economy.n_envs, 0))
    return Episodes(metrics, payments, table, None if log is None else log.data)


def players_of(config: GTBRun, folder: Path, economy: GatherTradeBuild) -> tuple[Team, Player | None, int]:
    """Agents and planner of the newest checkpoint of a run, and its update; ValueError if there is none."""
    found = checkpoints.latest(folder / STATES)
    if found is None:
        raise ValueError(f"{folder} has no checkpoint yet")
    done, state = found
    agents = agents_of(config, economy, 1)
    for player, saved in zip(agents.players, state["agents"], strict=True):
        player.network.load_state_dict(saved["network"])
    planner = None
    if economy.planner_dims:
        planner = planner_of(config, economy, 1)
        if state["planner"] is not None:
            planner.network.load_state_dict(state["planner"]["network"])
    return agents, planner, done


def completions_at(config: GTBRun, done: int) -> int:
    """Episodes of the last phase that each environment finished by an update."""
    steps = max(0, done - sum(config.updates[:-1])) * config.fragment
    return steps // config.economy.episode_length


def evaluate(config: GTBRun, folder: Path, greedy: bool = False, dense: bool = False) -> tuple[Episodes, int]:
    """Episodes of the players of a run, and the update that they are from."""
    found = checkpoints.latest(folder / STATES)
    done = 0 if found is None else found[0]
    economy = economy_of(config, completions_at(config, done))
    agents, planner, done = players_of(config, folder, economy)
    return play(economy, agents, planner, greedy, dense), done


def random_episodes(config: GTBRun, draw: Draw = random_actions) -> Episodes:
    """Episodes of random actions in the same economy: those that masks allow, or `any_actions`."""
    return play(economy_of(config, 0), None, draw=draw)


def row(name: str, episodes: Episodes) -> str:
    """A line of the summary: means over episodes, with standard deviations."""
    m = episodes.metrics
    columns = [m["social/productivity"], m["social/equality"], episodes.product, m["Build/total_builds"]]
    columns += [m["Trade/n_trades"]]
    digits = (1, 3, 1, 1, 1)
    cells = [f"{x.mean():.{d}f} ({x.std():.{d}f})" for x, d in zip(columns, digits, strict=True)]
    return f"{name:<22}" + "".join(f"{text:>18}" for text in cells)


def evaluate_folder(folder: Path) -> str:
    """Productivity, equality, their product, and the table of trades and houses; charts go into the folder."""
    from pycrld_econ.validation.experiments.gtb_charts import draw_episode

    config = load(GTBRun, folder / HPARAMS)
    drawn, done = evaluate(config, folder, dense=True)
    greedy, _ = evaluate(config, folder, greedy=True)
    names = ("productivity", "equality", "product", "houses", "trades")
    steps = done * config.n_envs * config.fragment
    lines = [
        f"after {steps} environment steps; {config.eval_envs} episodes each, means (standard deviations)",
        " " * 22 + "".join(f"{name:>18}" for name in names),
        row("drawn actions", drawn),
        row("likeliest actions", greedy),
        row("random, if possible", random_episodes(config)),
        row("random", random_episodes(config, any_actions)),
        "",
        "one episode of drawn actions:",
        breakdown(drawn.metrics, drawn.payments[0]),
        "",
    ]
    bought = drawn.of_best("Trade/{}/BuyStone/n_sales") + drawn.of_best("Trade/{}/BuyWood/n_sales")
    share = drawn.of_best("Build/{}/n_builds") / np.maximum(drawn.metrics["Build/total_builds"], 1)
    lines.append(
        f"the best builder builds {100 * share.mean():.0f}% of the houses and buys {bought.mean():.1f} units"
    )
    assert drawn.log is not None
    written = draw_episode(drawn.log, folder)
    return "\n".join([*lines, *(str(path) for path in written)])
