"""Training in the gather-trade-build economy: players, curriculum, runs, figures, mistakes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulated import simulated

pytest.importorskip("torch")
pytest.importorskip("dacite")

import torch  # noqa: E402

from pycrld_econ.validation.experiments import checkpoints, commands, gtb, loop  # noqa: E402
from pycrld_econ.validation.experiments.config import as_mapping, dump, load  # noqa: E402
from pycrld_econ.validation.experiments.gtb import GTBRun, GTBTrainer, Phase, stagger  # noqa: E402
from pycrld_econ.validation.experiments.gtb_evaluation import evaluate, random_episodes  # noqa: E402
from pycrld_econ.validation.experiments.gtb_figures import frontier, regimes_of  # noqa: E402
from pycrld_econ.validation.learners.ppo.networks import NetworkSettings  # noqa: E402
from pycrld_econ.validation.learners.ppo.players import collect  # noqa: E402
from pycrld_econ.validation.learners.ppo.schedules import constant  # noqa: E402
from pycrld_econ.validation.learners.ppo.update import PPOSettings  # noqa: E402
from pycrld_econ.validation.simulators.gather_trade_build import (  # noqa: E402
    Build,
    Gather,
    GatherTradeBuild,
    GTBConfig,
    Map,
    Market,
    Tax,
)

ECONOMY = GTBConfig(
    n_agents=3,
    episode_length=8,
    map=Map(kind="uniform", world_size=(7, 7), starting_wood_coverage=0.15, starting_stone_coverage=0.15, pool=2,
            wood_regen_weight=0.2, stone_regen_weight=0.2),
    build=Build(payment_max_skill_multiplier=3, skill_dist="pareto"),
    market=Market(max_bid_ask=3, max_num_orders=2, order_duration=5),
    gather=Gather(skill_dist="pareto"),
    tax=Tax(period=4, usd_scaling=5000.0, rate_disc=0.5),
    starting_agent_coin=10.0,
    mobile_agent_observation_range=1,
    planner_gets_spatial_info=False,
)  # fmt: skip
QUICK = PPOSettings(lr=constant(0.01), epochs=2, minibatch=16, grad_clip=1.0)
CONFIG = GTBRun(
    seed=3,
    economy=ECONOMY,
    phases=(Phase(20, taxes=False, energy_warmup_constant=5), Phase(30)),
    n_envs=2,
    fragment=5,
    network=NetworkSettings(hidden=6),
    planner_network=NetworkSettings("recurrent", 6, 4, 5),
    agents=QUICK,
    planner=QUICK,
    eval_envs=2,
)


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small an economy takes less time than its compilation."""
    monkeypatch.setenv("PYCRLD_ECON_TIER", "interpreted")


def test_fragments_hold_what_happened() -> None:
    """A second economy of the same seed, led by the recorded actions, shows and gives the same."""
    trainer = GTBTrainer(replace(CONFIG, stagger=False, phases=(Phase(100),)))
    twin = GatherTradeBuild(CONFIG.economy, 2, seed=3)
    agents, planner = trainer.agents, trainer.planner
    assert planner is not None
    for _ in range(3):
        ended = collect(trainer.economy, agents, planner)
        f, g = agents.players[0].fragment, planner.fragment
        for t in range(f.steps):
            seen = twin.observation
            np.testing.assert_array_equal(f.mask[t], seen.mask.reshape(6, -1))
            expected = np.concatenate([seen.flat.reshape(6, -1), seen.mask.reshape(6, -1)], 1)
            np.testing.assert_array_equal(f.numbers[t], expected)
            np.testing.assert_array_equal(f.cells[t].numpy().view(np.uint8).reshape(6, 3, 3, 16)[..., :6],
                                          np.moveaxis(seen.window, 2, -1).reshape(6, 3, 3, -1)[..., :6])  # fmt: skip
            np.testing.assert_array_equal(g.mask[t], seen.planner_mask)
            step = twin.step(f.actions[t].numpy().reshape(2, 3), g.actions[t].numpy())
            np.testing.assert_array_equal(f.rewards[t], step.reward.astype(np.float32).reshape(-1))
            np.testing.assert_array_equal(g.rewards[t], step.planner_reward.astype(np.float32))
            np.testing.assert_array_equal(f.fresh[t + 1], np.repeat(step.done, 3))
        assert bool(f.mask[:-1].flatten(0, 1).gather(1, f.actions.flatten(0, 1)).all())
        np.testing.assert_array_equal(f.mask[-1], twin.observation.mask.reshape(6, -1))
        assert ended.all() == bool(f.fresh[1:].any())
        agents.open()
        planner.open()


def test_agents_with_policies_of_their_own_see_and_learn_only_what_is_theirs() -> None:
    trainer = GTBTrainer(replace(CONFIG, policies="separate", stagger=False, phases=(Phase(100),)))
    twin = GatherTradeBuild(CONFIG.economy, 2, seed=3)
    team, planner = trainer.agents, trainer.planner
    assert planner is not None and len(team.players) == 3
    collect(trainer.economy, team, planner)
    fragments = [player.fragment for player in team.players]
    for t in range(5):
        seen = twin.observation
        for i, f in enumerate(fragments):
            np.testing.assert_array_equal(f.numbers[t], np.concatenate([seen.flat[:, i], seen.mask[:, i]], 1))
            cells = f.cells[t].numpy().view(np.uint8).reshape(2, 3, 3, 16)
            np.testing.assert_array_equal(cells[..., :6], np.moveaxis(seen.window[:, i], 1, -1)[..., :6])
        step = twin.step(
            np.concatenate([f.actions[t].numpy() for f in fragments], 1), planner.fragment.actions[t].numpy()
        )
        for i, f in enumerate(fragments):
            np.testing.assert_array_equal(f.rewards[t], step.reward[:, i].astype(np.float32))
    before = [player.network.second.weight.clone() for player in team.players]
    assert not torch.equal(before[0], before[1])
    trainer._learn(team.players[1], CONFIG.agents)
    changed = [
        not torch.equal(player.network.second.weight, old)
        for player, old in zip(team.players, before, strict=True)
    ]
    assert changed == [False, True, False]


def test_environments_are_spread_over_the_episode() -> None:
    economy = GatherTradeBuild(replace(ECONOMY, tax=None), 4, seed=1)
    stagger(economy, np.random.default_rng(0))
    np.testing.assert_array_equal(economy.state.calendar.time, [0, 2, 4, 6])


def test_the_curriculum_passes_on_what_was_learned() -> None:
    trainer = GTBTrainer(CONFIG)
    assert trainer.planner is None and CONFIG.updates == [2, 3] and CONFIG.is_planned
    rows = [trainer.advance(), trainer.advance()]
    weights = trainer.agents.players[0].network.second.weight.clone()
    trainer._enter(1)
    assert torch.equal(trainer.agents.players[0].network.second.weight, weights)
    assert trainer.economy.config.energy_warmup_constant == 0
    rows += [trainer.advance() for _ in range(3)]
    assert [row["phase"] for row in rows] == [0, 0, 1, 1, 1]
    assert [math.isnan(row["planner_entropy"]) for row in rows] == [True, True, False, False, False]
    assert rows[-1]["env_steps"] == 50 and trainer.done == trainer.total


def test_agents_do_not_see_what_is_hidden() -> None:
    config = replace(CONFIG, hidden=("PeriodicBracketTax",))
    widths = [GTBTrainer(c, "cpu").agents.players[0].sight.width for c in (config, CONFIG)]
    hidden = [name for name in GatherTradeBuild(ECONOMY, 1).flat_names if name.startswith("PeriodicBracket")]
    assert widths[1] - widths[0] == len(hidden) > 0


def first_fragment(device: str) -> list[str]:
    """Digests of what agents and planner do and gain in their first fragment, and of what they learn from it."""
    config = replace(CONFIG, n_envs=1, fragment=2, stagger=False, phases=(Phase(100),), policies="separate",
                     economy=replace(ECONOMY, n_agents=2), planner_network=NetworkSettings(hidden=4))  # fmt: skip
    trainer = GTBTrainer(config, device)
    trainer.advance()
    assert trainer.planner is not None
    players = [*trainer.agents.players, trainer.planner]
    parts = [(p.fragment.actions, p.fragment.rewards, p.fragment.numbers, p.fragment.cells, p.network.second.weight)
             for p in players]  # fmt: skip
    return [f"{float(one.detach().double().sum()):.12g}" for part in parts for one in part if one is not None]


def test_training_on_cuda_is_training_on_the_processor() -> None:
    """In numba's simulator, where tensors of the device are in the memory of the processor."""
    assert simulated(__file__, "first_fragment('cuda')") == str(first_fragment("cpu"))


class Killed(GTBTrainer):
    def advance(self):
        if self.done == 4:
            raise KeyboardInterrupt
        return super().advance()


@pytest.mark.parametrize(
    "kind, policies", [("flat", "shared"), ("flat", "separate"), ("recurrent", "shared")]
)
def test_gtb_runs_are_resumed_exactly(tmp_path: Path, kind: str, policies: str) -> None:
    """Killed in the second phase, and resumed at a checkpoint before or after it began."""
    size = 11 if kind == "recurrent" else 3
    config = replace(CONFIG, network=NetworkSettings(kind, 6, 4, 5), policies=policies,
                     economy=replace(ECONOMY, mobile_agent_observation_range=size // 2))  # fmt: skip
    whole = tmp_path / "whole"
    loop.train(GTBTrainer(config), whole, config)
    for every in (1, 3):
        cut = tmp_path / f"cut{every}"
        with pytest.raises(KeyboardInterrupt):
            loop.train(Killed(config), cut, config, checkpoint_every=every)
        assert loop.train(GTBTrainer(config), cut, config).resumed_at == 4 - 4 % every
        newest = [max((run / loop.STATES).iterdir()).name for run in (whole, cut)]
        assert newest[0] == newest[1]  # the name holds a digest of the content
    metrics = [loop.read_metrics(run) for run in (whole, cut)]
    for name in metrics[0].keys() - {"steps_per_second"}:
        np.testing.assert_array_equal(metrics[0][name], metrics[1][name])


def test_random_actions_are_all_possible_ones() -> None:
    economy = GatherTradeBuild(replace(ECONOMY, multi_action_mode_agents=True), 2, seed=1)
    rng, starts = np.random.default_rng(0), np.cumsum([0, *economy.action_dims[:-1]])
    for _ in range(8):
        anything = gtb.any_actions(economy, rng)
        assert (anything >= 0).all() and (anything < economy.action_dims).all()
        actions, mask = gtb.random_actions(economy, rng), economy.observation.mask
        assert np.take_along_axis(mask, actions + starts, -1).all()
        economy.step(actions)


@pytest.mark.parametrize("name", gtb.names())
@pytest.mark.parametrize("size", gtb.SIZES)
def test_named_gtb_runs_are_complete(name: str, size: str) -> None:
    config = load(GTBRun, gtb.named(name, size))
    assert load(GTBRun, as_mapping(config)) == config
    tax = config.economy.tax
    assert tax is not None and config.is_planned is (name == "planner")
    assert (config.economy.agent_reward == "planner_like") is (name in ("machine", "dystopia"))
    assert len(config.phases) == (2 if name in ("us_federal", "saez", "planner") else 1)
    assert (tax.fixed_bracket_rates == (1.0,) * 7) is (name == "communism")


def run_of(tmp_path: Path, seed: int) -> Path:
    folder = tmp_path / f"tiny-{seed}"
    config = replace(CONFIG, seed=seed, phases=(Phase(40),))
    loop.train(GTBTrainer(config), folder, config)
    dump({"experiment": "gtb"}, folder / commands.KIND_FILE)
    return folder


def test_the_gtb_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dump(replace(CONFIG, phases=(Phase(20),)), tmp_path / "tiny.yaml")
    assert commands.train(["gtb", "tiny.yaml", "--seed", "1"]) == 0
    capsys.readouterr()
    assert commands.evaluate(["runs/gtb/tiny-1"]) == 0
    text = capsys.readouterr().out
    assert "random, if possible" in text and "_______________:_ Agent  0 _____|_ Agent  1 ____" in text
    assert len(list((tmp_path / "runs/gtb/tiny-1").glob("episode_*.png"))) == 4
    other = run_of(tmp_path, 2)
    assert commands.report(["gtb", "runs/gtb/tiny-1", str(other), "--out", "figures"]) == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    stems = ("learning_curves", "outcomes", "frontier", "tax_schedules")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("pdf", "png")}


def test_evaluations_repeat_and_need_a_checkpoint(tmp_path: Path) -> None:
    folder = run_of(tmp_path, 5)
    config = load(GTBRun, folder / loop.HPARAMS)
    first, second = (evaluate(config, folder)[0].metrics for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert regimes_of([folder, run_of(tmp_path, 6)]) == [[folder, tmp_path / "tiny-6"]]
    random = random_episodes(config)
    assert random.metrics["social/productivity"].shape == (2,) and random.rates.shape == (2, 7)
    for path in checkpoints.checkpoints(folder / loop.STATES):
        path.unlink()
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        evaluate(config, folder)


def test_the_frontier_is_what_nothing_exceeds() -> None:
    points = np.array([[0.2, 5.0], [0.5, 4.0], [0.4, 3.0], [0.9, 1.0], [0.5, 2.0]])
    np.testing.assert_array_equal(frontier(points), [[0.2, 5.0], [0.5, 4.0], [0.9, 1.0]])


@pytest.mark.parametrize(("change", "message"), [
    ({"seed": -1}, "seed must be in"), ({"fragment": 0}, "fragment must be at least 1"),
    ({"policies": "own"}, "policies must be one of shared, separate, got .own."),
    ({"phases": ()}, "phases must be at least one"), ({"fragment": 7}, "planner_network.max_seq_len must divide"),
])  # fmt: skip
def test_gtb_configurations_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
    with pytest.raises(ValueError, match="phases.steps must be at least 1, got 0"):
        Phase(0)


@pytest.mark.slow
def test_the_free_market_specialises_and_communism_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both small runs, 20 minutes each on two cores: `pytest --slow -k specialises`."""
    monkeypatch.delenv("PYCRLD_ECON_TIER")
    found = {}
    for name in ("free_market", "communism"):
        config = load(GTBRun, gtb.named(name, "small"))
        loop.train(GTBTrainer(config), tmp_path / name, config)
        found[name], _ = evaluate(config, tmp_path / name)
    free, equal = found["free_market"], found["communism"]
    config = load(GTBRun, gtb.named("free_market", "small"))
    random = [random_episodes(config, draw) for draw in (gtb.any_actions, gtb.random_actions)]
    productivity = [one.metrics["social/productivity"].mean() for one in (free, equal, *random)]
    assert productivity[1] < productivity[0] / 5
    assert productivity[0] > 10 * productivity[2] and productivity[0] > 3 * productivity[3]
    share = free.of_best("Build/{}/n_builds").sum() / free.metrics["Build/total_builds"].sum()
    bought = (
        free.of_best("Trade/{}/BuyStone/n_sales").mean() + free.of_best("Trade/{}/BuyWood/n_sales").mean()
    )
    assert share > 0.4 and bought > 10
