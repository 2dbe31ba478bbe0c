"""Sampled opponent shaping: both gradient paths on random problems, games, play, epochs, runs, limits and mistakes."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("dacite")

import torch  # noqa: E402

from pycrld_econ.validation.experiments import commands, dice, loop  # noqa: E402
from pycrld_econ.validation.experiments.config import load  # noqa: E402
from pycrld_econ.validation.learners.dice import (  # noqa: E402
    adjoint,
    evaluation,
    networks,
    passes,
    play,
    reference,
)
from pycrld_econ.validation.learners.dice.learning import (  # noqa: E402
    OpponentModels,
    Shaping,
    ShapingSettings,
)
from pycrld_econ.validation.learners.dice.networks import NetworkShape  # noqa: E402
from pycrld_econ.validation.learners.dice.objectives import Objective  # noqa: E402
from pycrld_econ.validation.simulators import coin_rules  # noqa: E402
from pycrld_econ.validation.simulators.coin_game import coin_game, positions  # noqa: E402
from pycrld_econ.validation.simulators.iterated_games import iterated_dilemma  # noqa: E402
from pycrld_econ.validation.simulators.table_games import SCRIPTS, TableGame  # noqa: E402

TINY = ShapingSettings(
    batch_size=6,
    rollout_len=5,
    hidden_size=3,
    epochs=3,
    outer_steps=2,
    inner_steps=2,
    lr_in=0.1,
    lr_out=0.01,
    inner_beta=1.0,
    outer_beta=2.0,
    double=True,
)


def drawn(shape: NetworkShape, count: int, seed: int) -> torch.Tensor:
    """Parameters with biases that matter."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.stack([networks.initial_parameters(shape, generator) for _ in range(count)])
    return rows + 0.3 * torch.randn(rows.shape, generator=generator, dtype=torch.float64)


def as_games(game: TableGame, played: adjoint.Played, u: int) -> reference.Games:
    seen = torch.tensor(game.observations)[played.states[:, u]]
    rest = (played.own_actions, played.other_actions, played.own_rewards, played.other_rewards)
    return reference.Games(seen, *(part[:, u] for part in rest))


VARIANTS = [
    ("ipd", 0, 1, Objective(), 0.0, 3.0),
    ("ipd", 1, 0, Objective(baseline=False), 2.0, 0.0),
    ("ipd", 2, 1, Objective(reverse_kl=True), 2.0, 3.0),
    ("ipd", 2, 2, Objective(gae_lambda=0.7, gamma=0.9), 0.0, 3.0),
    ("ipd", 3, 2, Objective(baseline=False, reverse_kl=True), 4.0, 1.0),
    ("ipd", 2, 1, Objective(zero_values=True, gae_lambda=0.5), 1.0, 0.0),
    ("coin", 2, 2, Objective(), 2.0, 3.0),
]


@pytest.mark.parametrize(("name", "K", "layers", "objective", "inner_beta", "outer_beta"), VARIANTS)
def test_both_gradient_paths_agree(name, K, layers, objective, inner_beta, outer_beta) -> None:
    game = coin_game() if name == "coin" else iterated_dilemma()
    tables = play.DeviceGame(game, torch.float64)
    policy = NetworkShape(game.observations.shape[1], 3, game.actions, layers)
    value = replace(policy, outputs=1)
    problem = reference.OuterProblem(policy, value, objective, K, 0.4, 0.02, inner_beta, outer_beta)
    theta, phi, anchor = (drawn(policy, 2, seed) for seed in (1, 2, 3))
    v, w = (drawn(value, 2, seed) for seed in (4, 5))
    seated, draws = play.seats([1, 2], game.actions), play.Draws([11, 11], [0, 1])
    record: list[adjoint.Played] = []

    def sample(k: int, weights: passes.Weights) -> adjoint.Played:
        record.append(play.play(tables, seated, weights, draws(k, 7, 5)))
        return record[-1]

    found = adjoint.outer_step(problem, tables.observations, theta, v, anchor, (phi, w), sample)
    for u in range(2):
        expected = reference.outer_step(
            problem, theta[u], v[u], anchor[u], (phi[u], w[u]),
            lambda k, a, b, u=u: as_games(game, record[k], u),
        )  # fmt: skip
        for mine, theirs in ((found.policy_gradient, expected.policy_gradient),
                             (found.value_gradient, expected.value_gradient)):  # fmt: skip
            scale = float(theirs.abs().max()) or 1.0
            assert float((mine[u] - theirs).abs().max()) <= 1e-10 * scale
        assert float(found.loss.total[u]) == pytest.approx(float(expected.loss.total), rel=1e-11, abs=1e-12)


def test_shaping_makes_a_difference_and_can_be_left_out() -> None:
    game, draws = play.DeviceGame(iterated_dilemma(), torch.float64), play.Draws([1], [0])
    policy = NetworkShape(6, 3, 2)
    problem = reference.OuterProblem(policy, replace(policy, outputs=1), Objective(), 1, 1.0, 0.0)
    theta, phi, v = drawn(policy, 1, 1), drawn(policy, 1, 2), drawn(problem.value, 1, 3)
    record: list[adjoint.Played] = []

    def sample(k: int, weights: passes.Weights) -> adjoint.Played:
        record.append(play.play(game, play.seats([1], 2), weights, draws(k, 9, 50)))
        return record[-1]

    with_it, without = (
        adjoint.outer_step(problem, game.observations, theta, v, theta, (phi, v), sample, shaping)
        for shaping in (True, False)
    )
    assert not torch.allclose(with_it.policy_gradient, without.policy_gradient, rtol=1e-3)
    expected = reference.outer_step(
        problem, theta[0], v[0], theta[0], (phi[0], v[0]),
        lambda k, a, b: as_games(game.game, record[2 + k], 0), shaping=False,
    )  # fmt: skip
    torch.testing.assert_close(without.policy_gradient[0], expected.policy_gradient, rtol=1e-10, atol=1e-14)


def test_higher_differentiates_the_same() -> None:
    higher = pytest.importorskip("higher")
    policy = NetworkShape(6, 3, 2)
    theta, phi = drawn(policy, 1, 1)[0], drawn(policy, 1, 2)[0]
    problem = reference.OuterProblem(
        policy, replace(policy, outputs=1), Objective(baseline=False), 2, 0.5, 0.0, 2.0, 1.0
    )
    tables, draws = play.DeviceGame(iterated_dilemma(), torch.float64), play.Draws([1], [0])
    both = passes.weights(policy, tables.observations, torch.stack([theta, phi]))
    games = [
        as_games(tables.game, play.play(tables, play.seats([1], 2), both, draws(k, 7, 8)), 0)
        for k in range(3)
    ]
    value = drawn(problem.value, 1, 3)[0]
    expected = reference.outer_step(problem, theta, value, theta, (phi, value), lambda k, a, b: games[k])
    me, other = networks.RecurrentNetwork(policy, theta), networks.RecurrentNetwork(policy, phi)
    descent = torch.optim.SGD(other.parameters(), lr=0.5)
    with higher.innerloop_ctx(other, descent, copy_initial_weights=True) as (learner, optimiser):
        for k in range(2):
            flat = policy.pack(dict(zip(policy.blocks(), learner.parameters(), strict=True)))
            loss, logs = reference.player_loss(problem, flat, me.flat(), value, games[k], True)
            optimiser.step(loss.total + 2.0 * reference.distance(problem, logs, phi, games[k]))
        flat = policy.pack(dict(zip(policy.blocks(), learner.parameters(), strict=True)))
        loss, logs = reference.player_loss(problem, me.flat(), flat, value, games[2], False)
        (loss.total + 1.0 * reference.distance(problem, logs, theta, games[2])).backward()
    found = policy.pack({name: part.grad for name, part in me.named_parameters()})
    torch.testing.assert_close(found, expected.policy_gradient, rtol=1e-10, atol=1e-14)


def test_networks_keep_their_parameters() -> None:
    shape = NetworkShape(6, 4, 2, 2)
    flat = drawn(shape, 1, 1)[0]
    module = networks.RecurrentNetwork(shape, flat)
    torch.testing.assert_close(module.flat().detach(), flat, rtol=0, atol=0)
    other = networks.RecurrentNetwork(shape, torch.zeros_like(flat))
    other.load_state_dict(module.state_dict())
    seen = torch.randn(5, 3, 6, dtype=torch.float64)
    torch.testing.assert_close(other(seen), networks.outputs(shape, flat, seen), rtol=0, atol=0)
    assert NetworkShape(6, 64, 2, 1).size == 25_410 and NetworkShape(36, 64, 1, 1).size == 27_265
    with pytest.raises(ValueError, match="parameters must have"):
        shape.unpack(flat[:-1])
    with pytest.raises(ValueError, match="layers must be 0, 1 or 2, got 3"):
        NetworkShape(6, 4, 2, 3)


def test_initial_parameters_have_their_spread() -> None:
    shape = NetworkShape(36, 64, 4, 2)
    parts = shape.unpack(networks.initial_parameters(shape, torch.Generator().manual_seed(1)))
    for name, block in parts.items():
        if name.startswith("b"):
            assert not block.any()
        elif name.startswith("K_h"):
            torch.testing.assert_close(block @ block.T, torch.eye(64, dtype=torch.float64))
        else:
            spread = math.sqrt(1 / block.shape[0])
            assert float(block.std()) == pytest.approx(spread, rel=0.15)
            assert float(block.abs().max()) <= 2 * spread / networks.TRUNCATION


def test_a_mirrored_policy_does_the_same_in_the_other_seat() -> None:
    shape = NetworkShape(6, 4, 2)
    flat = drawn(shape, 1, 1)[0]
    seen = torch.tensor(iterated_dilemma().observations)[torch.tensor([[4], [1], [2], [0], [3]])]
    swapped = seen.roll(3, dims=-1)
    mirror = networks.mirrored(shape, flat)
    torch.testing.assert_close(networks.outputs(shape, mirror, swapped), networks.outputs(shape, flat, seen))


def test_coins_are_conserved_in_every_transition() -> None:
    game, states = coin_game(), positions()
    lies_free = (states[:, 2] != states[:, 0]) & (states[:, 2] != states[:, 1])
    assert lies_free.sum() == 1152 and set(game.starts) == set(np.flatnonzero(lies_free))
    taken = sum(game.events.values())
    foreign = game.events["red_takes_blue"] + game.events["blue_takes_red"]
    np.testing.assert_array_equal(game.rewards.sum(0)[lies_free], (taken - 2 * foreign)[lies_free])
    reached = game.successors[lies_free]
    used = np.arange(reached.shape[-1]) < game.branches[lies_free][..., None]
    assert lies_free[reached[used]].all()
    collected = game.branches[lies_free] > 1
    colours = states[reached, 3] != states[lies_free, 3][:, None, None, None]
    assert (colours == collected[..., None])[used].all()
    for action in range(coin_rules.MOVES):
        for cell in range(coin_rules.CELLS):
            assert coin_rules.moved(coin_rules.moved(cell, action), coin_rules.away(action)) == cell


RANDOM_AGAINST = {
    "always-defect": (-0.530, 0.531),
    "always-cooperate": (0.113, 0.060),
    "tit-for-tat": (0.076, 0.087),
}


def test_a_random_player_scores_as_known_against_scripts() -> None:
    """Within 4 standard errors of means over 4,000 games (0.0022 each) plus those of the known values."""
    game, shape = play.DeviceGame(coin_game()), NetworkShape(36, 2, 4)
    uniform = torch.zeros(3, shape.size)
    weights = passes.weights(shape, game.observations, uniform)
    draws = play.Draws([5] * 3, [0, 1, 2])
    met = play.play_scripts(game, play.seats([1] * 3, 4), weights, list(SCRIPTS), draws(0, 51, 4000))
    found = torch.stack([met.own_rewards.mean((0, 2)), met.other_rewards.mean((0, 2))], -1)
    np.testing.assert_allclose(found, [RANDOM_AGAINST[name] for name in SCRIPTS], atol=4 * 0.0025)


def test_updates_do_not_depend_on_their_neighbours() -> None:
    together = Shaping(TINY, [3, 4, 5])
    alone = Shaping(TINY, [4])
    for _ in range(2):
        together.advance()
        alone.advance()
    torch.testing.assert_close(together.policies[1], alone.policies[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(together.values[1], alone.values[0], rtol=1e-9, atol=1e-12)


def test_a_single_inner_step_knows_no_distance() -> None:
    one = Shaping(replace(TINY, inner_steps=1, inner_beta=0.0), [1])
    other = Shaping(replace(TINY, inner_steps=1, inner_beta=50.0), [1])
    one.advance(), other.advance()
    torch.testing.assert_close(one.policies, other.policies, rtol=0, atol=0)


def test_lola_with_fresh_moments_goes_by_signs() -> None:
    run = Shaping(
        replace(TINY, outer_steps=1, inner_steps=1, inner_beta=0.0, outer_beta=0.0, lr_out=0.01), [1]
    )
    before = run.policies.clone()
    run.advance()
    moved = (run.policies - before).abs()
    assert float(moved.max()) <= 0.01 + 1e-12
    assert (moved > 0.0099).double().mean() > 0.9
    kept = Shaping(replace(run.settings, reset_optimizer_each_epoch=False), [1])
    kept.advance(), kept.advance(), run.advance()
    assert not torch.allclose(kept.policies, run.policies)


def test_players_are_updated_at_once() -> None:
    """Player 2 answers player 1's policy of the beginning of the epoch."""
    run = Shaping(TINY, [1])
    first = run.policies[0, 0].clone()
    run.advance()
    frozen = Shaping(TINY, [1])
    frozen.settings = replace(TINY, lr_out=0.0, lr_v=0.0)
    torch.testing.assert_close(frozen.policies[0, 0], first)
    frozen.learning_seats = [2]
    frozen.seats = play.seats([2], 2)
    frozen.draws = play.Draws([1], [1])
    frozen.settings = TINY
    frozen.advance()
    torch.testing.assert_close(frozen.policies[0, 1], run.policies[0, 1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("changes", [
    {"batch_size": 1},
    {"rollout_len": 1},
    {"opponent_models": OpponentModels(2, 2)},
    {"game": "coin", "layers_before_gru": 2},
    {"objective": Objective(baseline=False)},
    {"optim": "sgd", "inner_steps": 0},
    {"selfplay_mirror": True, "layers_before_gru": 0},
])  # fmt: skip
def test_unusual_settings_give_finite_parameters(changes: dict) -> None:
    run = Shaping(replace(TINY, **changes), [1])
    run.advance()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in run.tensors.values())


def test_saturated_policies_stay_finite() -> None:
    run = Shaping(replace(TINY, double=False), [1])
    run.tensors["policies"] *= 1e3
    run.advance()
    assert bool(torch.isfinite(run.policies).all())


def test_a_broken_gradient_stops_the_run_before_it_spreads() -> None:
    run = Shaping(replace(TINY, lr_in=1e300), [1])
    before = run.policies.clone()
    with pytest.raises(
        FloatingPointError, match="gradient of updates .* is not finite in outer step . of epoch 0"
    ):
        run.advance()
    torch.testing.assert_close(run.policies, before, rtol=0, atol=0)


@pytest.mark.parametrize(("changes", "message"), [
    ({"game": "chess"}, "game must be one of ipd, coin, got 'chess'"),
    ({"optim": "lbfgs"}, "optim must be one of adam, sgd"),
    ({"inner_steps": -1}, "inner_steps must be at least 0, got -1"),
    ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ({"lr_in": float("nan")}, "lr_in must be at least 0 and finite, got nan"),
    ({"hidden_size": 0}, "hidden must be at least 1, got 0"),
    ({"game": "coin", "selfplay_mirror": True}, "selfplay_mirror must be False in the coin game"),
])  # fmt: skip
def test_impossible_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **changes)


def test_impossible_objectives_are_refused() -> None:
    for changes in ({"gamma": 0.0}, {"gae_lambda": 1.5}, {"baseline": False, "zero_values": True}):
        with pytest.raises(ValueError, match=f"{list(changes)[-1]} must be"):
            Objective(**changes)


@pytest.mark.parametrize("name", dice.names())
@pytest.mark.parametrize("size", dice.SIZES)
def test_named_configurations_are_complete(name: str, size: str) -> None:
    config = load(dice.DiceConfig, dice.named(name, size))
    assert config.shaping.game == ("coin" if name.startswith("fig5") else "ipd")
    if size == "published":
        assert (config.shaping.batch_size, config.shaping.hidden_size) in ((2000, 64), (1000, 64))
        assert not config.shaping.selfplay_mirror


CONFIG = dice.DiceConfig(seed=1, replicates=2, eval_every=2, eval_games=8, shaping=replace(TINY, epochs=6))


class Killed(dice.DiceTrainer):
    def advance(self):
        if self.done == 4:
            raise KeyboardInterrupt
        return super().advance()


@pytest.mark.parametrize(
    "changes", [{}, {"reset_optimizer_each_epoch": False, "opponent_models": OpponentModels(1)}]
)
def test_runs_are_resumed_exactly(tmp_path: Path, changes: dict) -> None:
    config = replace(CONFIG, shaping=replace(CONFIG.shaping, **changes))
    loop.train(dice.DiceTrainer(config, "cpu"), tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        loop.train(Killed(config, "cpu"), tmp_path / "cut", config, checkpoint_every=1)
    assert loop.train(dice.DiceTrainer(config, "cpu"), tmp_path / "cut", config).resumed_at == 4
    for name in ("metrics.csv",):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    newest = [max((tmp_path / run / loop.STATES).iterdir()).name for run in ("whole", "cut")]
    assert newest[0] == newest[1]  # the name holds a digest of the content


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    loop.train(dice.DiceTrainer(CONFIG, "cpu"), tmp_path, CONFIG)
    other = replace(CONFIG, shaping=replace(CONFIG.shaping, lr_in=0.2))
    with pytest.raises(ValueError, match=r"another configuration: shaping\.lr_in: 0\.1 -> 0\.2"):
        loop.train(dice.DiceTrainer(other, "cpu"), tmp_path, other)


def test_states_of_other_runs_are_refused() -> None:
    run = Shaping(TINY, [1])
    with pytest.raises(ValueError, match=r"seeds must be those of the state, \[2\], got \[1\]"):
        run.load_state(Shaping(TINY, [2]).state())
    with pytest.raises(ValueError, match="the state's policies must have shape"):
        run.load_state(Shaping(replace(TINY, hidden_size=4), [1]).state())


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["shaping.epochs=4", "shaping.batch_size=4", "shaping.rollout_len=4", "eval_games=8"]
    for name in ("fig4_pola", "fig4_naive"):
        assert commands.train(["dice", name, *small, "--out", name]) == 0
    capsys.readouterr()
    assert commands.evaluate(["fig4_pola"]) == 0
    text = capsys.readouterr().out
    assert "0 of 4 pairs were like tit-for-tat" in text and text.count("\n") == 6
    assert commands.report(["dice", "fig4_pola", "fig4_naive", "--out", "figures"]) == 0
    assert (tmp_path / "figures" / "learning_curves.pdf").read_bytes().startswith(b"%PDF")


def test_evaluation_knows_who_plays_whom() -> None:
    """Players that always defect and always cooperate, in the iterated dilemma."""
    game, shape = play.DeviceGame(iterated_dilemma(1.33), torch.float64), NetworkShape(6, 2, 2)
    flat = torch.zeros(1, 2, shape.size, dtype=torch.float64)
    flat[..., -1] = torch.tensor([-50.0, 50.0])  # the bias of cooperation
    draws = play.Draws([1] * 7, list(range(7)))
    scores = evaluation.evaluate(game, shape, flat, draws, 0, 10, 4)
    np.testing.assert_allclose(scores.together, [[0.665, -0.335]], atol=1e-12)
    np.testing.assert_allclose(scores.scripted[0, 0], [0.0, 0.665, 0.0665], atol=1e-12)
    np.testing.assert_allclose(scores.scripted[0, 1], [-0.335, 0.33, 0.33], atol=1e-12)
    u = play.Draws([1], [0])(0, 11, 4)
    after = evaluation.cooperation(game, shape, flat, u)[0]
    np.testing.assert_allclose(after[[1, 4]], 0.0, atol=1e-12)
    assert bool(torch.isnan(after[3]))


@pytest.mark.slow
def test_small_runs_end_as_published() -> None:
    """`pola_small` makes at least 3 of 4 pairs like tit-for-tat within 40 epochs, `naive_small` none."""
    for name, reached in (("fig4_pola", 3), ("fig4_naive", 0), ("fig4_lola", 0)):
        config = load(dice.DiceConfig, dice.named(name, "small"))
        trainer, rows = dice.DiceTrainer(config, "cpu"), []
        while trainer.done < trainer.total:
            rows.append(trainer.advance())
        metrics = {key: [row[key] for row in rows] for key in rows[0]}
        count = sum(bool(dice.like_tit_for_tat(metrics, seed).any()) for seed in config.seeds())
        assert count >= reached if reached else count == 0


@pytest.mark.parametrize("game", [iterated_dilemma(), coin_game()], ids=["ipd", "coin"])
def test_fused_play_is_the_same_play(game: TableGame) -> None:
    """Single precision takes the fused rules, double precision the passes of torch: same actions, states, rewards."""
    shape = NetworkShape(game.observations.shape[1], 5, game.actions, 1)
    flat, draws = drawn(shape, 4, 1), play.Draws([1, 2], [0, 0])
    found = {}
    for dtype in (torch.float32, torch.float64):
        tables = play.DeviceGame(game, dtype)
        weights = passes.weights(shape, tables.observations, flat.to(dtype))
        found[dtype] = play.play(tables, play.seats([1, 2], game.actions), weights, draws(0, 11, 20))
    one, two = found[torch.float32], found[torch.float64]
    for name in ("states", "own_actions", "other_actions"):
        assert torch.equal(getattr(one, name), getattr(two, name))
    torch.testing.assert_close(one.own_rewards.double(), two.own_rewards, rtol=0, atol=1e-6)
    for name in ("before", "after", "r", "z", "n", "u"):
        single, double = getattr(one.activations, name), getattr(two.activations, name)
        torch.testing.assert_close(single.double(), double, rtol=0, atol=2e-6)
