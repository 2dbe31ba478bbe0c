"""The wage game: its rules, its learners, and what the price of information does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pycrld_econ.environments import principal_agent  # noqa: E402
from pycrld_econ.validation.learners.inattentive_wages import (  # noqa: E402
    WageLearning,
    Wages,
    WageTraining,
    advantages,
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def traces(folder: Path) -> Iterator[tuple[str, Any]]:
    found = json.loads((folder / "cases.json").read_text())
    if "wage_game_trace" in found:
        yield "trace", found["wage_game_trace"]


@pytest.mark.reference("rational_inattention", traces)
def test_games_in_torch_follow_the_recorded_ones(case: dict[str, Any]) -> None:
    types = torch.tensor(case["types"])
    games = Wages(types, torch.full((len(types),), float(case["horizon"])))
    for step in case["steps"]:
        wage = torch.tensor(step["wages"]).float()
        action = torch.tensor(step["actions_agent_major"]).reshape(types.T.shape).T
        seen = games.worker_sees(wage).transpose(0, 1).reshape(-1, 4)
        np.testing.assert_allclose(seen, step["agent_state"])
        reward, profit = games.play(wage, action)
        np.testing.assert_allclose(reward.T.ravel(), step["agent_rewards_agent_major"])
        np.testing.assert_allclose(profit, step["principal_rewards"])
        names = ("last_effort", "last_individual_outputs", "last_wage_hours_output_time")
        for name, values in zip(names, games.principal_sees(), strict=True):
            np.testing.assert_allclose(values, step["principal_obs"][name])


def test_rules_agree_with_the_arrays_of_the_theory() -> None:
    rng = np.random.default_rng(0)
    types, wage = rng.integers(0, 5, (7, 3)), rng.integers(0, 11, (7, 3))
    action = rng.integers(0, 32, (7, 3))
    games = Wages(torch.tensor(types), torch.full((7,), 2.0))
    reward, profit = games.play(torch.tensor(wage).float(), torch.tensor(action))
    hours, effort = principal_agent.split_action(action)
    output = principal_agent.output_of(np.array(principal_agent.SKILLS)[types], hours, effort)
    np.testing.assert_allclose(reward, principal_agent.worker_reward(wage, hours, effort))
    np.testing.assert_allclose(profit, principal_agent.principal_reward(wage, hours, output))


def test_advantages_are_standardised_returns_to_go() -> None:
    rewards = torch.tensor([[1.0, 2.0, 4.0], [0.0, 3.0, 0.0]])
    alive = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    found = advantages(rewards, alive).numpy()
    to_go = np.array([1.0, 5.0, 4.0])
    np.testing.assert_allclose(found[0], (to_go - to_go.mean()) / to_go.std(), rtol=1e-5)
    np.testing.assert_allclose(found[1, :2], [-1, 1], rtol=1e-5)


def trained(prices: tuple[float, float, float], iterations: int, horizon: int):
    how = WageTraining(
        prices=prices,
        games=64,
        iterations=iterations,
        policy_rate=3e-3,
        discriminator_rate=3e-3,
        horizon=horizon,
        entropy=0.2,
        hidden=32,
        memory=16,
        seed=1,
    )
    return WageLearning(how).run()


def test_one_round_ends_near_the_exact_optimum_without_information() -> None:
    found = trained((0.0, 0.0, 0.0), 300, horizon=1)
    # Nobody has shown anything yet: one wage for everybody, 18 from each of four workers who answer w/2 hours.
    exact = 4 * principal_agent.wage_choice().mean(0).max()
    assert exact == 72
    assert abs(found.profit[-50:].mean() - exact) < 10
    assert found.reward[:20].mean() < 0 and found.reward[-50:].mean() > 3
    assert abs(found.wage_gap[-50:].mean()) < 0.2
    assert found.effort[-50:].mean() < 1.0  # random workers: 1.5


@pytest.mark.slow  # pytest -m slow tests/validation/test_inattentive_wages.py: about a minute and a half
def test_dear_attention_to_outputs_closes_the_wage_gap_over_several_rounds() -> None:
    def learn(price: float) -> tuple[float, float, float]:
        how = WageTraining(
            prices=(0.0, price, price), workers=2, games=128, iterations=600, horizon=3, policy_rate=3e-3,
            discriminator_rate=3e-3, hidden=32, memory=16, seed=1,
        )  # fmt: skip
        found = WageLearning(how).run()
        return tuple(
            float(values[-100:].mean()) for values in (found.wage_gap, found.profit, found.information[:, 1])
        )

    free, dear = learn(0.0), learn(5.0)
    # abler workers show it by their output, and are paid for it if it is seen
    assert free[0] > 1.5 and dear[0] < 0.5 * free[0]
    assert dear[1] < free[1] and dear[2] < 0.5 * free[2]


def test_training_replays_from_its_seed() -> None:
    how = WageTraining(games=16, iterations=2, seed=4)
    first, again = (WageLearning(how).run() for _ in range(2))
    np.testing.assert_array_equal(first.profit, again.profit)
    np.testing.assert_array_equal(first.information, again.information)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="prices must hold one price"):
        WageTraining(prices=(1.0, 2.0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="horizon must be"):
        WageTraining(horizon=11)
