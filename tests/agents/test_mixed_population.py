"""Populations in which every agent learns in its own way."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pycrld_econ.agents import (
    Kind,
    MixedPopulation,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueSARSA,
)
from pycrld_econ.environments import random_game

ENV = random_game(N=3, M=2, Z=2, rng=0)
RATES = {"learning_rates": [0.1, 0.2, 0.3], "discount_factors": [0.5, 0.7, 0.9], "choice_intensities": 2.0}
KINDS = [StrategyActorCritic, StrategySARSA, StrategyQLearning]
FIXED = np.array([[0.3, 0.7], [1.0, 0.0]])


def test_each_agent_steps_as_in_a_population_of_its_kind() -> None:
    mixed = MixedPopulation(ENV, KINDS, **RATES)
    X = mixed.random_points(5, rng=0)
    step, drive = mixed.step(X)
    for i, kind in enumerate(KINDS):
        own_step, own_drive = kind(ENV, **RATES).step(X)
        assert np.array_equal(step[:, i], own_step[:, i]) and np.array_equal(drive[:, i], own_drive[:, i])


def test_a_kind_is_as_good_as_its_class() -> None:
    historical = StrategyQLearning(ENV, **RATES, q_continuation="policy_average")
    mixed = MixedPopulation(ENV, [Kind(1.0, 1.0, 1.0)] * 3, **RATES)
    X = mixed.random_points(5, rng=0)
    assert np.array_equal(mixed.step(X)[0], historical.step(X)[0])


def test_points_are_projected_onto_fixed_strategies() -> None:
    mixed = MixedPopulation(ENV, [StrategyActorCritic, FIXED, StrategySARSA], **RATES)
    anything = StrategyActorCritic(ENV, 0.1, 0.9).random_points(4, rng=0)
    placed = anything.copy()
    placed[:, 1] = FIXED
    assert np.array_equal(mixed.step(anything)[0], mixed.step(placed)[0])
    assert (mixed.step(anything)[0][:, 1] == FIXED).all() and (mixed.RPEisa(anything)[:, 1] == 0).all()
    for average in ("Tss", "Ris", "Qisa", "Ps", "Ri", "NextQisa"):
        assert np.array_equal(getattr(mixed, average)(anything), getattr(mixed, average)(placed)), average
    np.testing.assert_allclose(mixed.Ris(anything, mixed.Risa(anything)), mixed.Ris(placed), rtol=1e-12)
    points, _ = mixed.trajectory(anything[0], Tmax=500)
    assert (points[:, 1] == FIXED).all()
    ends = mixed.ensemble(anything, Tmax=50)
    assert (ends.X[:, 1] == FIXED).all() and (ends.start[:, 1] == FIXED).all()
    assert (mixed.zero_intelligence_strategy()[1] == FIXED).all()
    assert (mixed.random_softmax_strategy(rng=0)[1] == FIXED).all()


def test_a_fixed_agent_equals_a_slow_learner_with_that_strategy() -> None:
    mixed = MixedPopulation(ENV, [StrategyActorCritic, FIXED, StrategyActorCritic], **RATES)
    still = StrategyActorCritic(ENV, [0.1, 0.0, 0.3], RATES["discount_factors"], [2.0, 0.0, 2.0])
    X = mixed.random_points(4, rng=1)
    assert np.array_equal(mixed.step(X)[0], still.step(X)[0])


def test_fixed_agents_stay_fixed_whatever_is_swept() -> None:
    mixed = MixedPopulation(ENV, [StrategyActorCritic, FIXED, StrategySARSA], **RATES)
    rates = np.array([0.1, 0.4])[:, None]
    sweep = mixed.ensemble(mixed.random_points(3, rng=0)[:, None], Tmax=50, learning_rates=rates)
    assert (sweep.X[:, :, 1] == FIXED).all() and (sweep.X[:, 0, 0] != sweep.X[:, 1, 0]).any()
    assert mixed.alpha[1] == 0 and mixed.beta[1] == 0 and mixed.gamma[1] == 0.7


def test_only_those_who_forget_need_rates_below_1() -> None:
    MixedPopulation(ENV, KINDS, [1.5, 0.5, 0.5], 0.9)
    with pytest.raises(ValueError, match=r"learning_rates must lie in \[0, 1\), got 1.5: agent 1 forgets"):
        MixedPopulation(ENV, KINDS, [0.5, 1.5, 0.5], 0.9)


def test_names() -> None:
    mixed = MixedPopulation(ENV, [StrategyActorCritic, FIXED, Kind(0.5, 0.0)], **RATES)
    assert "MixedPopulation(StrategyActorCritic,fixed,Kind)" in mixed.id()


@pytest.mark.parametrize(
    ("learners", "error", "message"),
    [
        ([StrategySARSA, StrategySARSA], ValueError, "learners must have one entry for each of 3 agents"),
        ("abc", ValueError, "learners must have one entry for each of 3 agents"),
        (
            [StrategySARSA, StrategySARSA, "SARSA"],
            TypeError,
            r"learners\[2\] must be a strategy learner class",
        ),
        (
            [StrategySARSA, ValueSARSA, StrategySARSA],
            TypeError,
            r"learners\[1\] must be a strategy learner class",
        ),
        (
            [StrategySARSA, [[0.5, 0.5]], StrategySARSA],
            ValueError,
            r"learners\[1\], .*, must have shape \(2, 2\)",
        ),
        (
            [StrategySARSA, [[0.5, 0.6]] * 2, StrategySARSA],
            ValueError,
            r"learners\[1\]\[0\] must sum to 1, got 1.1",
        ),
    ],
)
def test_bad_entries_are_named(learners: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        MixedPopulation(ENV, learners, **RATES)


def test_fixed_strategies_use_existing_actions() -> None:
    available = np.ones((3, 2, 2), bool)
    available[1, 0, 0] = False
    env = SimpleNamespace(T=ENV.T, R=ENV.R, available=available)
    with pytest.raises(
        ValueError, match=r"learners\[1\]\[0, 0\] must be a probability of an available action"
    ):
        MixedPopulation(env, [StrategyActorCritic, FIXED, StrategySARSA], **RATES)
