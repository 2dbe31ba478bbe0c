"""Training in the real-business-cycle economy against recordings of the original functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pycrld_econ.validation.experiments import rbc_curriculum as curriculum  # noqa: E402
from pycrld_econ.validation.experiments.config import load  # noqa: E402
from pycrld_econ.validation.experiments.rbc import RBCConfig  # noqa: E402
from pycrld_econ.validation.experiments.rbc_original import from_original, hashed_seed, to_original  # noqa: E402
from pycrld_econ.validation.learners.policy_gradient import (  # noqa: E402
    PolicyGradientLearner,
    PolicyGradientSettings,
    Samples,
    discounted_returns,
)
from pycrld_econ.validation.learners.policy_gradient_networks import (  # noqa: E402
    HeadedPolicy,
    PolicyShape,
    digits,
    expand_digits,
)
from pycrld_econ.validation.simulators.rbc import TYPES, EconomyConfig, Grids, World  # noqa: E402

MOVED = 2e-5  # of parameters, absolute
SCALES = {"consumer": 5.0, "firm": 30000.0, "government": 1000.0}


def units(folder: Path) -> Iterator[tuple[str, Any]]:
    if (folder / "train_units.npz").exists():
        with np.load(folder / "train_units.npz", allow_pickle=False) as data:
            yield "train_units", dict(data)


@pytest.mark.reference("rbc", units)
def test_digits(case: dict[str, np.ndarray]) -> None:
    found = digits(torch.from_numpy(case["digit_in"]), case["digit_out"].shape[-1])
    np.testing.assert_allclose(found, case["digit_out"], rtol=0, atol=1e-6)
    columns = case["digit_multi_dims"].tolist()
    size = (case["digit_multi_out"].shape[-1] - case["digit_multi_in"].shape[-1]) // len(columns) + 1
    found = expand_digits(torch.from_numpy(case["digit_multi_in"]), columns, size)
    np.testing.assert_allclose(found, case["digit_multi_out"], rtol=0, atol=1e-6)


@pytest.mark.reference("rbc", units)
def test_schedules(case: dict[str, np.ndarray]) -> None:
    """Those of the short template, which are the defaults."""
    plan, grids = curriculum.Curriculum(), Grids()
    firm, taxes = np.array(grids.firm), np.array(grids.government)
    for k, episode in enumerate(case["episodes"].tolist()):
        assert plan.theta_coefficient(episode) == pytest.approx(case["theta_coef"][k], rel=1e-6, abs=1e-9)
        assert plan.entropy_coefficient(episode, "consumer") == pytest.approx(case["entropy_coef"][k])
        np.testing.assert_array_equal(plan.firm_mask(episode, firm), case["firm_mask"][k])
        np.testing.assert_array_equal(plan.government_mask(episode, taxes), case["government_mask"][k])
        assert [plan.trains(episode, kind) for kind in TYPES] == case["train_flags"][k].tolist()


@pytest.mark.reference("rbc", units)
def test_rewards_and_returns(case: dict[str, np.ndarray]) -> None:
    for key in (key for key in case if key.startswith("returns_out_g")):
        gamma = float(key.removeprefix("returns_out_g"))
        found = discounted_returns(torch.from_numpy(case["returns_in"]), gamma, compounding=False)
        np.testing.assert_allclose(found, case[key], rtol=1e-6, atol=1e-6)
    total = curriculum.government_rewards(case["gov_cr"], case["gov_fr"], 0.0025)
    np.testing.assert_allclose(total, case["gov_out_total"], rtol=1e-6)
    alone = curriculum.government_rewards(case["gov_cr"], case["gov_fr"], 0.0)
    np.testing.assert_allclose(alone, case["gov_out_consumeronly"], rtol=1e-6)


@pytest.mark.reference("rbc", units)
def test_disutilities_of_labour(case: dict[str, np.ndarray]) -> None:
    for key in (key for key in case if key.startswith("theta_") and key != "theta_coef"):
        config = EconomyConfig(int(key.removeprefix("theta_")), 1, World())
        np.testing.assert_allclose(config.thetas(), case[key], rtol=1e-12)


class Update:
    """A recorded update of one type."""

    def __init__(self, kind: str, data: dict[str, np.ndarray]) -> None:
        self.kind, self.data = kind, data
        heads = sorted(key for key in data if key.startswith("p0.action_heads.") and key.endswith(".bias"))
        sizes = [len(data[key]) for key in heads] or [len(data["p0.fc3.bias"])]
        self.shape = PolicyShape(0, data["states"].shape[-1], tuple(sizes))

    def policy(self) -> HeadedPolicy:
        policy = HeadedPolicy(self.shape, 0)
        given = {key.removeprefix("p0."): value for key, value in self.data.items() if key.startswith("p0.")}
        policy.load_parameters(
            {name: torch.from_numpy(value) for name, value in given.items()}, "the recording"
        )
        return policy

    def inputs(self, scale: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        states = torch.from_numpy(self.data["states"] / scale).flatten(0, 1)
        return states[..., 0, :0], states

    def samples(self, scale: np.ndarray) -> Samples:
        d = self.data
        public, private = self.inputs(scale)
        rewards = torch.from_numpy(d["rewards"]) / SCALES[self.kind]
        actions = torch.from_numpy(d["actions"].astype(np.int64))
        actions = actions if actions.dim() == 4 else actions.unsqueeze(-1)
        mask = torch.from_numpy(d["mask"]) if "mask" in d else None
        returns = discounted_returns(rewards, 0.9999, compounding=False)
        return Samples(public, private, actions.flatten(0, 1), returns.flatten(0, 1), mask)


def updates(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("train_update_*.npz")):
        with np.load(path, allow_pickle=False) as data, np.load(folder / "train_units.npz") as other:
            kind = path.stem.removeprefix("train_update_")
            yield kind, (Update(kind, dict(data)), other[f"scale_{kind}"])


@pytest.mark.reference("rbc", updates)
def test_forward_passes(case: tuple[Update, np.ndarray]) -> None:
    update, scale = case
    policy = update.policy()
    with torch.no_grad():
        logits, values = policy(*update.inputs(scale))
        probabilities = policy.probabilities(logits).split(list(update.shape.heads), dim=-1)
    shape = update.data["rewards"].shape
    np.testing.assert_allclose(values.reshape(shape), update.data["values"][..., 0], rtol=1e-4, atol=1e-5)
    names = sorted(key for key in update.data if key.startswith("probs"))
    for name, found in zip(names, probabilities, strict=True):
        np.testing.assert_allclose(found.reshape(*shape, -1), update.data[name], rtol=0, atol=2e-6)


@pytest.mark.reference("rbc", updates)
@pytest.mark.parametrize("method", ["ppo", "pg"])
def test_updates(case: tuple[Update, np.ndarray], method: str) -> None:
    update, scale = case
    policy = update.policy()
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    settings = PolicyGradientSettings(
        1e-3, entropy=0.5, clip_grad_norm=2.0, ppo=method == "ppo", updates=2, clip=0.1, compounding=False
    )
    PolicyGradientLearner(policy, settings).update(update.samples(scale))
    for name, value in policy.state_dict().items():
        expected = update.data[f"{method}.{name}"]
        found = value.numpy() if expected.shape == tuple(value.shape) else value.numpy().ravel()[::37]
        np.testing.assert_allclose(found, expected, rtol=0, atol=MOVED)
        moved = float((value - before[name]).norm())
        assert moved == pytest.approx(float(update.data[f"{method}.{name}.l2delta"]), rel=2e-3, abs=1e-6)


# The recording does not name its coefficients; these are the only round ones that give its numbers.
PENALTY, START, GROWTH, SCALE = 20.0, 1.5, 0.01, 100.0


@pytest.mark.reference("rbc", units)
def test_debts_at_the_end_are_penalised(case: dict[str, np.ndarray]) -> None:
    budgets = case["ponzi_states"][..., 3]
    found = curriculum.penalised(case["ponzi_rewards_in"], budgets, PENALTY, SCALE)
    np.testing.assert_allclose(found, case["ponzi_rewards_out"], rtol=1e-5)
    grown = curriculum.next_coefficient(START, budgets, SCALE, GROWTH)
    assert grown == pytest.approx(float(case["ponzi_coef_next"]), rel=1e-6)


@pytest.mark.reference("rbc", units)
def test_seeds_are_hashed_as_the_original_does(case: dict[str, np.ndarray]) -> None:
    assert [hashed_seed(seed) for seed in case["base_seeds"].tolist()] == case["hashed_seeds"].tolist()


def templates(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    data = json.loads((folder / "configs.json").read_text())
    for name, template in data.items():
        if "agents" in template:
            for part in ("train", "agents", "world"):  # the shipped sweep sets what templates lack
                swept = {key: values[0] for key, values in data[f"sweep_{part}"].items()}
                template = template | {part: template[part] | swept}
            yield name, template


def bare_templates(folder: Path) -> Iterator[tuple[str, Any]]:
    data = json.loads((folder / "configs.json").read_text())
    for name, template in data.items():
        if "agents" in template:
            yield name, (template, {key: values[0] for key, values in data["sweep_train"].items()})


@pytest.mark.reference("rbc", bare_templates)
def test_what_templates_leave_out_is_what_it_is_in_the_original(case: tuple[dict[str, Any], dict]) -> None:
    """They lack what only the sweep sets; what may be absent means no clipping and one learning rate for all."""
    bare, sweep = case
    with pytest.raises(ValueError, match=r"^train.use_ppo is missing$"):
        from_original(bare)
    ppo = {"use_ppo": True, "ppo_clip_param": sweep["ppo_clip_param"]}
    with pytest.raises(ValueError, match=r"^train.ppo_num_updates is missing$"):
        from_original(bare | {"train": bare["train"] | ppo})
    train = bare["train"] | ppo | {"ppo_num_updates": sweep["ppo_num_updates"]}
    for learning in (train, bare["train"] | {"use_ppo": False}):
        found = load(RBCConfig, from_original(bare | {"train": learning})).train
        assert found.use_ppo is learning["use_ppo"] and found.clip_grad_norm is None
        multiples = (found.consumer_lr_multiple, found.firm_lr_multiple, found.government_lr_multiple)
        assert multiples == (1.0, 1.0, 1.0)
        assert (found.lr, found.entropy, found.batch_size) == (0.01, 0.0, 8)
        assert not found.government_counts_firm_reward and found.firm_reward_scale == 10_000
    agents = {key: value for key, value in bare["agents"].items() if key != "firm_reward_scale"}
    with pytest.raises(ValueError, match=r"^agents.firm_reward_scale is missing$"):
        from_original(bare | {"agents": agents, "train": train})
    wages = {key: value for key, value in bare["agents"]["firm_anneal_wages"].items() if key != "start"}
    with pytest.raises(ValueError, match=r"^agents.firm_anneal_wages.start is missing$"):
        from_original(bare | {"agents": bare["agents"] | {"firm_anneal_wages": wages}, "train": train})


@pytest.mark.reference("rbc", templates)
def test_published_configurations_are_read(case: dict[str, Any]) -> None:
    config = load(RBCConfig, from_original(case))
    agents, train = case["agents"], case["train"]
    assert config.seed == hashed_seed(train["base_seed"])
    assert (config.economy.num_consumers, config.economy.num_firms) == (
        agents["num_consumers"],
        agents["num_firms"],
    )
    assert config.economy.world.initial_wages == case["world"]["initial_wages"]
    assert config.train.firm_reward_scale == agents["firm_reward_scale"]
    plan, length = config.curriculum, agents["firm_training_start"]
    assert plan.firm_opening == plan.government_opening == length == plan.government_begin_anneal_action
    assert plan.theta_length == agents["consumer_anneal_theta"]["exp_decay_length_in_steps"]
    written = to_original(config)
    assert load(RBCConfig, from_original(written)) == config
    for part in ("agents", "world", "train"):  # the same keys and numbers, but for those that say nothing
        silent = {"base_seed", "infinite_episodes", "should_boost_firm_reward"}
        for key in written[part].keys() & case[part].keys():
            theirs = case[part][key]
            exact = isinstance(theirs, str | list | None)
            assert written[part][key] == (theirs if exact else pytest.approx(theirs, rel=1e-12)), key
        assert case[part].keys() - written[part].keys() <= silent
    with pytest.raises(ValueError, match=r"agents.firm_state_dim must be \d+ with"):
        from_original(case | {"agents": agents | {"firm_state_dim": 7}})
    with pytest.raises(ValueError, match="train.base_seed is missing"):
        from_original(case | {"train": {key: value for key, value in train.items() if key != "base_seed"}})
    with pytest.raises(ValueError, match="world.moon not known; allowed: boost"):
        from_original(case | {"world": case["world"] | {"moon": 1}})
    with pytest.raises(ValueError, match="agents.moon not known"):
        from_original(case | {"agents": agents | {"moon": 1}})
    slow = agents["firm_anneal_wages"] | {"increase_const": agents["firm_anneal_wages"]["increase_const"] / 2}
    with pytest.raises(ValueError, match="must open in one time"):
        from_original(case | {"agents": agents | {"firm_anneal_wages": slow}})
