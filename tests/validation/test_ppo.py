"""Proximal policy optimisation: advantages, losses, masks, schedules, networks, and what is learned with it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch  # noqa: E402

from pycrld_econ.validation.learners.ppo import advantages, window_layer  # noqa: E402
from pycrld_econ.validation.learners.ppo.actions import Heads  # noqa: E402
from pycrld_econ.validation.learners.ppo.networks import (  # noqa: E402
    NetworkSettings,
    Views,
    network_of,
    normed_columns,
)
from pycrld_econ.validation.learners.ppo.rollout import Fragment  # noqa: E402
from pycrld_econ.validation.learners.ppo.schedules import check_schedule, value_at  # noqa: E402
from pycrld_econ.validation.learners.ppo.update import PPO, PPOSettings, terms_of  # noqa: E402
from pycrld_econ.validation.learners.ppo.window_layer import WindowShape  # noqa: E402

WINDOW = WindowShape(3, 4, 7, True)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_cells(count: int, shape: WindowShape, seed: int = 0) -> torch.Tensor:
    """Words of random windows, mostly empty."""
    rng = np.random.default_rng(seed)
    found = np.zeros((count, shape.cells, 16), np.uint8)
    for column in (*range(shape.shown), 8, 9):
        found[..., column] = rng.integers(1, 6, found.shape[:2]) * (rng.random(found.shape[:2]) < 0.2)
    if shape.bounded:
        found[..., shape.shown - 1] = rng.random(found.shape[:2]) < 0.8
    return torch.from_numpy(found.view(np.int64))


def test_advantages_are_the_double_sum() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(7, 3)), rng.normal(size=(8, 3))
    done = rng.random((7, 3)) < 0.3
    gamma, smoothing = 0.9, 0.7
    expected = np.zeros((7, 3))
    for lane in range(3):
        for t in range(7):
            weight = 1.0
            for k in range(t, 7):
                after = 0.0 if done[k, lane] else gamma * values[k + 1, lane]
                expected[t, lane] += weight * (rewards[k, lane] + after - values[k, lane])
                if done[k, lane]:
                    break
                weight *= gamma * smoothing
    found = advantages.generalised_advantages(
        torch.tensor(rewards), torch.tensor(values), torch.tensor(done), gamma, smoothing
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_loss_by_hand() -> None:
    """One sample that is clipped and one that is not, with two actions of which old probabilities were even."""
    heads, settings = Heads((2,)), PPOSettings(clip=0.2, value_clip=0.5)
    new = torch.tensor([[0.8, 0.2], [0.45, 0.55]])
    old = torch.full((2, 2), 0.5)
    found = terms_of(
        settings, heads, new.log(), torch.tensor([1.0, 0.1]), torch.tensor([[0], [1]]), torch.tensor([0.5, 0.5]).log(),
        torch.tensor([0.0, 0.0]), torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), old.log(),
    )  # fmt: skip
    assert float(found.policy) == pytest.approx(-(1.2 * 2.0 + 1.1 * -1.0) / 2)
    # The first value moved by more than 0.5, so its error counts from 0.5; the second one did not.
    assert float(found.value) == pytest.approx((0.25 + 0.01) / 2)
    entropy = [-sum(p * math.log(p) for p in row) for row in new.tolist()]
    assert float(found.entropy) == pytest.approx(sum(entropy) / 2, rel=1e-6)
    divergence = [sum(0.5 * math.log(0.5 / p) for p in row) for row in new.tolist()]
    assert float(found.divergence) == pytest.approx(sum(divergence) / 2, rel=1e-6)
    assert float(found.moved) == 0.5
    without = terms_of(
        settings, heads, new.log(), torch.zeros(2), torch.tensor([[0], [1]]), torch.tensor([0.5, 0.5]).log(),
        torch.zeros(2), torch.zeros(2), torch.zeros(2),
    )  # fmt: skip
    ratios = (1.6, 1.1)  # the divergence is then estimated from what was done
    assert float(without.divergence) == pytest.approx(sum(r - 1 - math.log(r) for r in ratios) / 2, rel=1e-5)


@pytest.mark.parametrize("sizes", [(9,), (4, 4, 4), (2, 5, 5, 3)])
def test_masked_actions_are_never_drawn(sizes: tuple[int, ...]) -> None:
    heads, rng = Heads(sizes), np.random.default_rng(1)
    mask = torch.from_numpy((rng.random((1000, heads.total)) < 0.3).astype(np.uint8))
    starts = np.cumsum([0, *sizes[:-1]])
    mask[:, torch.from_numpy(starts)] = 1
    logits = torch.randn((1000, heads.total), generator=generator(2)) * 20
    logs = heads.logs(logits, mask)
    for actions in (heads.sample(logs, generator(3)), heads.best(logs)):
        assert bool(mask.gather(1, actions + torch.from_numpy(starts)).all())
    chosen = heads.sample(logs, generator(3))
    whole = sum(
        logs[:, start : start + size].exp().gather(1, chosen[:, k : k + 1]).log()[:, 0]
        for k, (start, size) in enumerate(zip(starts, sizes, strict=True))
    )
    torch.testing.assert_close(heads.of(logs, chosen), whole, rtol=1e-4, atol=1e-4)


def test_actions_are_drawn_by_their_probabilities() -> None:
    heads, p = Heads((4,)), torch.tensor([0.5, 0.0, 0.3, 0.2])
    logs = heads.logs(p.clamp_min(1e-9).log(), torch.tensor([1, 0, 1, 1])).expand(50_000, 4)
    counts = torch.bincount(heads.sample(logs, generator(5))[:, 0], minlength=4) / 50_000
    assert counts[1] == 0
    np.testing.assert_allclose(counts, p, atol=0.01)


def test_schedules() -> None:
    points = ((0, 2.0), (10, 2.0), (20, 1.0))
    assert [value_at(points, step) for step in (-5, 0, 10, 15, 20, 1e9)] == [2, 2, 2, 1.5, 1, 1]
    assert value_at(((100, 3.0),), 0) == 3
    for wrong, message in (
        ([], "list of points"), ([[0]], "list of points"), ([[0, 1.0], [0, 2.0]], "growing steps"),
        ([[0, -1.0]], "at least 0"), ([[0, math.nan]], "at least 0"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"lr must (have|be).*{message}|{message}"):
            check_schedule("lr", wrong)


@pytest.mark.parametrize("tier", ["interpreted", "compiled"])
@pytest.mark.parametrize("shape", [WINDOW, WindowShape(5, 2, 6, False)])
def test_sparse_windows_are_the_dense_product(
    monkeypatch: pytest.MonkeyPatch, tier: str, shape: WindowShape
) -> None:
    monkeypatch.setenv("PYCRLD_ECON_TIER", tier)
    cells, rows = some_cells(11, shape), torch.tensor([3, 3, 0, 10, 7])
    weight = torch.randn((shape.cells * shape.features, 6), generator=generator()).requires_grad_()
    direction = torch.randn((5, 6), generator=generator(1))
    sparse = window_layer.embed(cells, rows, weight, shape)
    dense = window_layer.dense(cells[rows], shape).flatten(1) @ weight
    torch.testing.assert_close(sparse, dense, rtol=1e-5, atol=1e-5)
    gradients = [torch.autograd.grad((out * direction).sum(), weight)[0] for out in (sparse, dense)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_flat_networks_see_one_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Map, index map, numbers and mask in one dense layer, as published; weights of a unit have length 1."""
    monkeypatch.setenv("PYCRLD_ECON_TIER", "interpreted")
    network = network_of(5, 3, WINDOW, NetworkSettings(hidden=8), generator())
    numbers, cells = torch.randn((4, 5), generator=generator(1)), some_cells(4, WINDOW)
    weight = torch.cat([network.first.weight, network.maps.t()], 1)
    torch.testing.assert_close(weight.square().sum(1), torch.ones(8))
    x = torch.cat([numbers, window_layer.dense(cells, WINDOW).flatten(1)], 1) @ weight.t()
    x = torch.tanh(torch.nn.functional.layer_norm(x, (8,)))
    x = torch.tanh(torch.nn.functional.layer_norm(network.second(x), (8,)))
    rows = torch.arange(4)
    views = Views(numbers, cells, torch.ones((4, 3)))
    logits, values, state = network(views, rows, network.initial_state(4), torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(logits, network.logits(x))
    torch.testing.assert_close(values, network.value(x)[:, 0])
    assert state.shape == (4, 0)
    lengths = normed_columns(7, 20, 0.01, generator()).square().sum(1).sqrt()
    torch.testing.assert_close(lengths, torch.full((7,), 0.01))


@pytest.mark.parametrize("window", [None, WindowShape(11, 11, 7, True)])
def test_sequences_are_their_steps(window: WindowShape | None) -> None:
    """A sequence in one call and step by step; an episode that begins in the middle forgets what was before."""
    settings = NetworkSettings("recurrent", hidden=8, cell=6, max_seq_len=4)
    network = network_of(5, 3, window, settings, generator())
    steps, lanes = 4, 3
    cells = None if window is None else some_cells(steps * lanes, window)
    views = Views(torch.randn((steps * lanes, 5), generator=generator(1)), cells, torch.ones((12, 3)))
    rows = torch.arange(steps * lanes).view(steps, lanes)
    fresh = torch.zeros((steps, lanes), dtype=torch.bool)
    fresh[2, 1] = True
    state = torch.randn((lanes, 24), generator=generator(2))
    whole, values, last = network(views, rows, state, fresh)
    stepwise, now = [], state
    for t in range(steps):
        logits, value, now = network(views, rows[t : t + 1], now, fresh[t : t + 1])
        stepwise.append((logits[0], value[0]))
    torch.testing.assert_close(whole, torch.stack([one[0] for one in stepwise]))
    torch.testing.assert_close(values, torch.stack([one[1] for one in stepwise]))
    torch.testing.assert_close(last, now)
    forgot, _, _ = network(views, rows[2:], torch.zeros_like(state), fresh[2:])
    torch.testing.assert_close(whole[2:, 1], forgot[:, 1])
    assert not torch.allclose(whole[2:, 0], forgot[:, 0])
    # torch's own recurrent layer, as a second opinion about the gates
    layer = torch.nn.LSTM(8, 6)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layer.load_state_dict({f"{name}_l0": getattr(network.policy.cell, name) for name in names})
    h, c = (part[None].contiguous() for part in state[:, :12].chunk(2, -1))
    hidden, _ = layer(network.policy.before(views, rows), (h, c))
    torch.testing.assert_close(network.policy.out(hidden)[:, 0], whole[:, 0])


class Corridor:
    """Cells 0 ... 4 in a row; the right end pays 1, after which, or after twelve steps, one begins on the left."""

    def __init__(self, lanes: int) -> None:
        self.place, self.time = torch.zeros(lanes, dtype=torch.int64), torch.zeros(lanes, dtype=torch.int64)

    def see(self) -> tuple[torch.Tensor, torch.Tensor]:
        mask = torch.ones((len(self.place), 3), dtype=torch.uint8)
        mask[self.place == 0, 1] = 0  # 0 stay, 1 left, 2 right
        return torch.nn.functional.one_hot(self.place, 5).float(), mask

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.place, self.time = self.place + (actions == 2).long() - (actions == 1).long(), self.time + 1
        won = self.place == 4
        done = won | (self.time == 12)
        self.place[done], self.time[done] = 0, 0
        return won.float() - 0.01 * (actions > 0).float(), done


@pytest.mark.parametrize(("kind", "kl"), [("flat", 0.0), ("recurrent", 0.2)])
def test_the_way_through_a_corridor_is_learned(kind: str, kl: float) -> None:
    settings = PPOSettings(lr=((0, 0.01),), epochs=4, minibatch=160, grad_clip=1.0, kl_coefficient=kl,
                           value_weight=0.5)  # fmt: skip
    network = network_of(5, 3, None, NetworkSettings(kind, 16, 8, 10), generator(1))
    learner, draws = PPO(network, Heads((3,)), settings, generator(2)), generator(3)
    world, lanes, steps = Corridor(16), 16, 20
    state = network.initial_state(lanes)
    f = Fragment(steps, lanes, 5, 3, 1, 0, state.shape[1], 10 if kind == "recurrent" else steps)
    f.fresh[0] = True
    rows = torch.arange(lanes) if kind == "flat" else torch.arange(lanes)[None]
    for _ in range(25 if kind == "flat" else 30):
        for t in range(steps + 1):
            f.numbers[t], f.mask[t] = world.see()
            if t < steps and t % f.sequence == 0:
                f.states[t // f.sequence] = state
            with torch.no_grad():
                logits, f.values[t], after = network(
                    Views(f.numbers[t], None, f.mask[t]), rows, state, f.fresh[t].view(rows.shape)
                )
            if t == steps:
                break
            state, logs = after, learner.heads.logs(logits.view(lanes, 3), f.mask[t])
            f.actions[t] = learner.heads.sample(logs, draws)
            f.logs[t], f.log[t] = logs, learner.heads.of(logs, f.actions[t])
            f.rewards[t], f.fresh[t + 1] = world.step(f.actions[t, :, 0])
        assert bool(f.mask[:-1].flatten(0, 1).gather(1, f.actions.flatten(0, 1)).all())
        learner.update(f, 0.01, 0.01)
        f.fresh[0] = f.fresh[-1].clone()
    assert float(f.rewards.mean()) > 0.9 * 0.96 / 4  # four steps to the end, and each costs a cent


def test_the_divergence_is_held_near_its_target() -> None:
    learner = PPO(
        network_of(2, 2, None, NetworkSettings(hidden=4), generator()),
        Heads((2,)),
        PPOSettings(),
        generator(),
    )
    learner._adapt(0.03)
    assert learner.kl_coefficient == pytest.approx(0.3)
    learner._adapt(0.001)
    learner._adapt(0.01)
    assert learner.kl_coefficient == pytest.approx(0.15)


@pytest.mark.parametrize(("change", "message"), [
    ({"gamma": 1.1}, "gamma must be in"), ({"clip": 0.0}, "clip must be > 0"), ({"minibatch": 0}, "minibatch must be"),
    ({"lr": ((0, -1.0),)}, "lr must be at least 0"), ({"value_weight": -1.0}, "value_weight must be >= 0"),
])  # fmt: skip
def test_settings_are_checked(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PPOSettings(), **change)
    with pytest.raises(ValueError, match="network.kind must be one of flat, recurrent, got 'deep'"):
        NetworkSettings("deep")
