"""The simulated one-step economy against the finite game, and its samples against closed forms."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from pycrld_econ.agents import StrategyActorCritic, StrategyQLearning, StrategySARSA
from pycrld_econ.environments.labour_supply import (
    logit_response,
    optimal_flat_tax,
    replicator_path,
    softmax,
    supply_on_grid,
)
from pycrld_econ.environments.one_step_economy import (
    UTILITIES,
    WELFARES,
    OneStepEconomy,
    additive_parts,
    expected_payoffs,
    expected_skills,
    planner_baseline,
    sequential_game,
    workers_game,
)
from pycrld_econ.environments.saez import new_planner
from pycrld_econ.environments.taxes import rates_from_actions, us_federal_cutoffs
from pycrld_econ.validation.bridge.enumerate import enumerate_simulator
from pycrld_econ.validation.learners import BatchLearner
from pycrld_econ.validation.simulators.one_step_economy import OneStepSimulator, run_saez

ROOT = Path(__file__).parents[2]


def economy_of(n: int = 3, **options) -> OneStepEconomy:
    given = {"c": 0.0125, "cutoffs": us_federal_cutoffs(), "rates": 0.3, "equality_weight": 0.7}
    return OneStepEconomy(expected_skills(n), np.arange(0, 101, 20.0), **{**given, **options})


@pytest.mark.parametrize("utility", UTILITIES)
@pytest.mark.parametrize("welfare", WELFARES)
@pytest.mark.parametrize("n", [3, 31])
def test_simulator_and_finite_game_pay_the_same(utility: str, welfare: str, n: int) -> None:
    economy = economy_of(n, utility=utility, welfare=welfare)
    rng = np.random.default_rng(n)
    planner, places = rng.integers(0, 22, (50, 7)), rng.integers(0, 6, (50, n))
    rewards, gained = OneStepSimulator(economy, 50).episode(planner, places)
    for e in range(50):
        taxed = economy.with_rates(rates_from_actions(planner[e], kept=0.3))
        hours = economy.labour_grid[places[e]]
        # The same operations in the same order; only sums of many workers may be ordered otherwise.
        np.testing.assert_allclose(rewards[e], taxed.rewards(hours), rtol=0, atol=0 if n < 8 else 1e-11)
        expected = taxed.planner_welfare(hours) - planner_baseline(taxed)
        np.testing.assert_allclose(gained[e], expected, rtol=1e-12, atol=1e-12)


def test_first_step_pays_nothing_and_the_second_ends_the_episode() -> None:
    simulator = OneStepSimulator(economy_of(), 2)
    zero, work = np.zeros((2, 7), int), np.full((2, 3), 2)
    workers, planner = simulator.masks()
    assert workers.sum() == 2 * 3 and planner.all()
    rewards, welfare, over = simulator.step(zero + 3, work)
    assert not over and not rewards.any() and not welfare.any()
    np.testing.assert_allclose(simulator.batch.rates, 0.1)
    workers, planner = simulator.masks()
    assert workers.all() and planner.sum() == 2 * 7
    rewards, _, over = simulator.step(zero, work)
    assert over and rewards.all()
    np.testing.assert_allclose(simulator.batch.rates, 0.3)


@pytest.mark.parametrize("tax_first", [False, True])
def test_swapped_components_never_tax(tax_first: bool) -> None:
    simulator = OneStepSimulator(economy_of(), 1, tax_first=tax_first)
    simulator.episode(np.zeros((1, 7), int), np.full((1, 3), 3))
    assert (simulator.batch.tax > 0).all() != tax_first
    np.testing.assert_allclose(simulator.batch.coin.sum(), simulator.batch.income.sum())


def test_samples_follow_strategies_and_payoffs() -> None:
    economy = economy_of()
    X = np.random.default_rng(1).dirichlet(np.full(6, 2.0), size=3)
    found = OneStepSimulator(economy, 100, seed=3).sample(X, 400)
    counts = found.chosen.sum(0)
    statistic = ((counts - 40_000 * X) ** 2 / (40_000 * X)).sum()
    assert chi2.sf(statistic, 3 * 5) > 1e-4
    # Means over environments, with the standard error of their spread.
    error = np.nanstd(found.earned, axis=0) / 10
    deviation = np.nanmean(found.earned, axis=0) - expected_payoffs(economy, X)
    assert (np.abs(deviation) < 5 * error + 1e-9).all()


def test_draws_do_not_depend_on_the_batch_or_threads() -> None:
    X = logit_response(economy_of(), 0.05)
    large = OneStepSimulator(economy_of(), 9, seed=5, threads=2).sample(X, 20)
    small = OneStepSimulator(economy_of(), 4, seed=5, threads=1).sample(X, 20)
    np.testing.assert_array_equal(large.chosen[:4], small.chosen)
    np.testing.assert_array_equal(large.earned[:4], small.earned)
    other = OneStepSimulator(economy_of(), 4, seed=6, threads=1).sample(X, 20)
    assert (other.chosen != small.chosen).any()


@pytest.mark.cuda
def test_cuda_draws_the_same() -> None:
    X = logit_response(economy_of(), 0.05)
    cpu = OneStepSimulator(economy_of(), 3, seed=5).sample(X, 4)
    cuda = OneStepSimulator(economy_of(), 3, seed=5, device="cuda").sample(X, 4)
    np.testing.assert_array_equal(cpu.chosen, cuda.chosen)
    np.testing.assert_allclose(cpu.welfare, cuda.welfare, rtol=1e-12)


def test_the_cuda_simulator_draws_the_same() -> None:
    code = """
import numpy as np
from pycrld_econ.environments.labour_supply import logit_response
from pycrld_econ.environments.one_step_economy import OneStepEconomy, expected_skills
from pycrld_econ.environments.taxes import us_federal_cutoffs
from pycrld_econ.validation.simulators.one_step_economy import OneStepSimulator
economy = OneStepEconomy(
    expected_skills(3), np.arange(0, 101, 20.0), c=0.0125, cutoffs=us_federal_cutoffs(), rates=0.3, equality_weight=0.7
)
found = OneStepSimulator(economy, 3, seed=5, device="cuda").sample(logit_response(economy, 0.05), 4)
print(np.asarray(found.chosen, dtype=np.int64).tobytes().hex(), np.asarray(found.welfare).tobytes().hex())
"""
    settings = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONWARNINGS": "ignore",
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, timeout=300
    )
    assert run.returncode == 0, run.stderr
    chosen, welfare = (bytes.fromhex(word) for word in run.stdout.split())
    here = OneStepSimulator(economy_of(), 3, seed=5).sample(logit_response(economy_of(), 0.05), 4)
    np.testing.assert_array_equal(np.frombuffer(chosen, np.int64).reshape(here.chosen.shape), here.chosen)
    np.testing.assert_allclose(np.frombuffer(welfare).reshape(here.welfare.shape), here.welfare, rtol=1e-12)


def test_wrong_actions_are_refused() -> None:
    simulator = OneStepSimulator(economy_of(), 2)
    zero, work = np.zeros((2, 7), int), np.zeros((2, 3), int)
    with pytest.raises(ValueError, match="an action in environment 1 does not exist"):
        simulator.step(zero + [[0], [22]], work)
    with pytest.raises(ValueError, match=r"workers must be whole numbers of shape \(2, 3\)"):
        simulator.step(zero, np.zeros((2, 4), int))
    with pytest.raises(ValueError, match="X must be distributions"):
        simulator.sample(np.ones((3, 6)), 1)


def test_saez_planner_improves_on_the_free_market() -> None:
    economy = OneStepEconomy(expected_skills(4), c=0.0125)
    planner = new_planner([0, 30.0, 60.0, 90.0, 120.0], size=400, fixed_elasticity=1.0)
    run = run_saez(economy, planner, 150, seed=0)
    learned = run.welfare[-20:].mean()
    free = economy.planner_welfare(supply_on_grid(economy))
    assert free < learned < optimal_flat_tax(economy).welfare + 8
    assert len(run.planner.incomes) == 400 and run.rates.shape == (150, 5)


def played_by(simulator: OneStepSimulator, schedules: int) -> Callable[[int, np.ndarray, float], Any]:
    """One step of the sequential game as the simulator plays it: state 0 is the planner's, state 1 + j a schedule's."""

    def step(state: int, actions: np.ndarray, u: float) -> tuple[int, np.ndarray]:
        n = simulator.n
        simulator.reset()
        places = np.minimum(actions[:n], simulator.A - 1)[None]
        if state == 0:
            chosen = min(int(actions[n]), schedules - 1)
            rewards, welfare, _ = simulator.step(np.array([[chosen + 1]]), places)
            return 1 + chosen, np.append(rewards[0], welfare)
        simulator.step(np.array([[state]]), places)
        rewards, welfare, over = simulator.step(np.array([[0]]), places)
        assert over
        return 0, np.append(rewards[0], welfare)

    return step


def test_enumerated_simulator_is_the_sequential_game() -> None:
    economy = OneStepEconomy(expected_skills(2), [0.0, 20.0, 60.0], c=0.0125)
    game = sequential_game(economy, np.linspace(0, 1, 3)[:, None])
    simulator = OneStepSimulator(economy, 1, rate_step=0.5, threads=1)
    found = enumerate_simulator(played_by(simulator, 3), N=game.N, Z=game.Z, M=game.M)
    np.testing.assert_array_equal(found.T, game.T)
    for s in range(game.Z):
        exists = [np.flatnonzero(game.available[i, s]) for i in range(game.N)]
        after = 1 + np.arange(3) if s == 0 else [0]
        for joint in itertools.product(*exists):
            y = after[joint[2]] if s == 0 else 0
            np.testing.assert_allclose(
                found.R[(slice(None), s, *joint, y)], game.R[(slice(None), s, *joint, y)]
            )


@pytest.mark.parametrize("kind", [StrategyActorCritic, StrategySARSA, StrategyQLearning])
def test_sampled_workers_follow_their_closed_forms(kind: type) -> None:
    economy = OneStepEconomy(expected_skills(2), [0.0, 30.0, 60.0], c=0.0125, rates=0.3)
    alpha, beta, batches = 0.2, 0.05, 8
    dynamics = kind(workers_game(economy), alpha, 0.0, beta)
    X = dynamics.random_softmax_strategy(rng=0)
    ends = BatchLearner(dynamics, 2000).run(X, batches, replicates=60, seed=4).strategies[:, -1, :, 0]
    if kind is StrategyActorCritic:
        exact = replicator_path(economy, X[:, 0], alpha * beta * batches)
    else:
        kept = (1 - alpha) ** batches
        exact = softmax(kept * np.log(X[:, 0]) + (1 - kept) * beta * additive_parts(economy)[0])
    error = ends.std(0) / np.sqrt(len(ends))
    bias = 1e-3  # of the order of one over the size of a batch
    assert (np.abs(ends.mean(0) - exact) < 5 * error + bias).all()
    assert ends.std(0).max() < 0.05
