"""Learners against each other: limits, special cases, batches and tiers, for every learner there is."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import (
    POStrategyActorCritic,
    POStrategyQLearning,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueQLearning,
    ValueSARSA,
    multiagent_epsilongreedy_strategy,
)
from pycrld_econ.environments import NormalForm, SocialDilemma, random_game

GREEDY = multiagent_epsilongreedy_strategy(epsilon_greedys=0.2, N=2)
LEARNERS = {
    "actor-critic": (StrategyActorCritic, {}),
    "sarsa": (StrategySARSA, {"choice_intensities": 3.0}),
    "q-learning": (StrategyQLearning, {"choice_intensities": 3.0}),
    "policy-averaged q": (StrategyQLearning, {"choice_intensities": 3.0, "q_continuation": "policy_average"}),
    "value sarsa": (ValueSARSA, {"strategy_function": GREEDY}),
    "value q-learning": (ValueQLearning, {"strategy_function": GREEDY}),
    "po actor-critic": (POStrategyActorCritic, {}),
    "po sarsa": (POStrategySARSA, {"choice_intensities": 3.0}),
    "po q-learning": (POStrategyQLearning, {"choice_intensities": 3.0}),
}
OBSERVING = {"actor-critic": "po actor-critic", "sarsa": "po sarsa", "q-learning": "po q-learning"}


def learner(name: str, alpha: float = 0.1, gamma: float = 0.8):
    kind, options = LEARNERS[name]
    return kind(random_game(N=2, M=3, Z=2, rng=4), alpha, gamma, use_prefactor=True, **options)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_batch_equals_single_points_bit_for_bit(name: str) -> None:
    mae = learner(name)
    X = mae.random_points(6, rng=0).reshape(2, 3, *mae.point_shape)
    batch = mae.step(X)
    for place in np.ndindex(2, 3):
        single = mae.step(X[place])
        assert np.array_equal(batch[0][place], single[0]) and np.array_equal(batch[1][place], single[1])


@pytest.mark.parametrize("name", LEARNERS)
def test_tiers_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for tier in ("interpreted", "compiled"):
        monkeypatch.setenv("PYCRLD_ECON_TIER", tier)
        ends.append(learner(name).ensemble(3, Tmax=25, tolerance=1e-12, rng=1))
    assert np.array_equal(ends[0].X, ends[1].X) and np.array_equal(ends[0].length, ends[1].length)


@pytest.mark.parametrize(("full", "observing"), OBSERVING.items())
@pytest.mark.parametrize("closure", ["mean_field", "conditional"])
def test_who_sees_the_state_learns_as_if_nothing_were_hidden(full: str, observing: str, closure: str) -> None:
    kind, options = LEARNERS[observing]
    seeing = kind(random_game(N=2, M=3, Z=2, rng=4), 0.1, 0.8, use_prefactor=True, closure=closure, **options)
    X = seeing.random_points(4, rng=0)
    np.testing.assert_allclose(seeing.step(X)[0], learner(full).step(X)[0], rtol=1e-11, atol=1e-13)


def test_actor_critic_is_the_replicator_for_small_rates() -> None:
    X = learner("actor-critic").random_points(5, rng=0)
    errors = []
    for alpha in (1e-3, 1e-4):
        mae = learner("actor-critic", alpha=alpha)
        Q = mae.Qisa(X)
        field = X * (Q - (X * Q).sum(-1, keepdims=True))
        errors.append(np.abs((mae.step(X)[0] - X) / alpha - field).max())
    assert 8 < errors[0] / errors[1] < 12


def test_sarsa_is_frequency_adjusted_q_learning_for_small_rates() -> None:
    X = learner("sarsa").random_points(5, rng=0)
    errors = []
    for alpha in (1e-3, 1e-4):
        mae = learner("sarsa", alpha=alpha)
        drive = 3.0 * mae.Qisa(X) - np.log(X)
        field = X * (drive - (X * drive).sum(-1, keepdims=True))
        errors.append(np.abs((mae.step(X)[0] - X) / alpha - field).max())
    assert 8 < errors[0] / errors[1] < 12


def test_sarsa_with_a_large_intensity_and_a_small_rate_is_actor_critic() -> None:
    game = random_game(N=2, M=2, Z=2, rng=1)
    X = StrategyActorCritic(game, 0.1, 0.5).random_points(5, rng=0)
    target = StrategyActorCritic(game, 0.2, 0.5).step(X)[0]
    errors = [np.abs(StrategySARSA(game, a, 0.5, 0.2 / a).step(X)[0] - target).max() for a in (1e-2, 1e-3)]
    assert 8 < errors[0] / errors[1] < 12


def test_sarsa_and_q_learning_agree_without_a_future_to_plan() -> None:
    game = NormalForm(np.random.default_rng(0).normal(size=(2, 3, 3)))
    X = StrategySARSA(game, 0.1, 0.9).random_points(5, rng=0)
    for gamma in (0.0, 0.9):
        one, other = (kind(game, 0.1, gamma, 2.0).step(X)[0] for kind in (StrategySARSA, StrategyQLearning))
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_logits_of_a_symmetric_game_move_as_on_paper() -> None:
    R, T, S, P, alpha, beta = 1.0, 0.8, -0.5, 0.0, 0.3, 2.0
    env, X = SocialDilemma(R=R, T=T, S=S, P=P), np.array([[[0.6, 0.4]], [[0.3, 0.7]]])
    gain = alpha * beta * ((R - S - T + P) * 0.3 + S - P)
    logit = np.log(0.6 / 0.4)
    for kind, kept in ((StrategyActorCritic, 1.0), (StrategySARSA, 1 - alpha)):
        x = kind(env, alpha, 0.0, beta).step(X)[0][0, 0, 0]
        np.testing.assert_allclose(np.log(x / (1 - x)), kept * logit + gain, rtol=1e-12)


def test_learning_rates_of_agents_that_forget_lie_below_one() -> None:
    for kind in (StrategySARSA, StrategyQLearning):
        with pytest.raises(ValueError, match=r"learning_rates must lie in \[0, 1\), got 1"):
            kind(SocialDilemma(R=1, T=2, S=3, P=4), 1.0, 0.9)
    with pytest.raises(ValueError, match="epsilon"):
        multiagent_epsilongreedy_strategy(epsilon_greedys=1.5, N=2)
