"""Finite games in batches: same draws everywhere, frequencies of the tensors, restarts, other projects' checkers."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from pycrld_econ.environments import (
    EcologicalPublicGood,
    HistoryEmbedded,
    RiskReward,
    SocialDilemma,
    TensorGame,
    UncertainSocialDilemma,
)
from pycrld_econ.environments.one_step_economy import OneStepEconomy, expected_skills, sequential_game
from pycrld_econ.validation.bridge.same_source import same_source
from pycrld_econ.validation.simulators import FiniteSimulator
from pycrld_econ.validation.simulators.finite import cumulative
from pycrld_econ.validation.simulators.rbc import Compat, EconomyConfig, Grids, World, exact

ROOT = Path(__file__).parents[2]
ECO = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)


def walk() -> TensorGame:
    "A walk over four states of which the last is final; one of two actions goes on with probability 0.7"
    T, R = np.zeros((4, 2, 4)), np.zeros((1, 4, 2, 4))
    for s in range(4):
        T[s, 0, s] = 1.0
        T[s, 1, min(s + 1, 3)] += 0.7
        T[s, 1, 0] += 0.3
    R[0, 2, 1, 3] = 1.0
    return TensorGame(T, R, F=np.array([0, 0, 0, 1]))


def uniform_strategy(simulator: FiniteSimulator) -> np.ndarray:
    return np.full((simulator.N, simulator.Q, simulator.M), 1 / simulator.M)


def history(environments: int, threads: int, steps: int = 30) -> np.ndarray:
    simulator = FiniteSimulator(ECO, environments, seed=5, threads=threads)
    states = []
    for _ in range(steps):
        simulator.step(simulator.choose(uniform_strategy(simulator)))
        states.append(simulator.batch.state.copy())
    return np.array(states)


def test_draws_do_not_depend_on_batch_or_threads() -> None:
    reference = history(40, 1)
    assert np.array_equal(history(40, 3), reference) and np.array_equal(history(7, 2), reference[:, :7])
    assert 0 < reference.mean() < 1


def test_rollout_is_a_loop_of_steps() -> None:
    loop = history(20, 1, 30)
    simulator = FiniteSimulator(ECO, 20, seed=5)
    simulator.rollout(uniform_strategy(simulator), 30)
    assert np.array_equal(simulator.batch.state, loop[-1])


def test_cuda_simulator_plays_the_same() -> None:
    code = """
from pycrld_econ.environments import EcologicalPublicGood
from pycrld_econ.validation.simulators import FiniteSimulator
import numpy as np
simulator = FiniteSimulator(EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1), 3, seed=5, device="cuda")
states = []
for _ in range(12):
    simulator.step(simulator.choose(np.full((2, 2, 2), 0.5)))
    states += simulator.batch.state.copy_to_host().tolist()
print(states)
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
    assert run.stdout.strip() == str(history(3, 1, 12).ravel().tolist())


def business_cycle() -> TensorGame:
    "A consumer, a firm and a government, on grids of budgets and stocks between which the next state is drawn"
    grids = Grids((0.0, 1.0), (0.0, 100.0), ((100.0, 1.0, 0.0), (200.0, 2.0, 0.0)), ((0.0, 0.0), (0.5, 0.5)))
    config = EconomyConfig(1, 1, World(), grids, Compat.original())
    return exact.grid_game(config, np.array([0.0, 200.0]), np.array([0.0, 1.0, 2.0])).game()


def taxes() -> TensorGame:
    "A planner who chooses a flat tax, and two workers who see it"
    economy = OneStepEconomy(expected_skills(2), [0.0, 20.0, 40.0], c=0.0125)
    return sequential_game(economy, np.array([[0.0], [0.3], [0.6]]))


GAMES = {
    "business cycle": business_cycle(),
    "taxes": taxes(),
    "ecological": ECO,
    "three agents": EcologicalPublicGood(N=3, f=1.2, c=5, m=-5, qc=0.2, qr=0.1),
    "risk": RiskReward(pc=0.2, pr=0.1, rs=0.3, rr=1.0, rd=0.0),
    "noise": UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.5, 0.1),
    "memory": HistoryEmbedded(SocialDilemma(R=1, T=1.25, S=-0.25, P=0), h=(1, 1, 1)),
    "final states": walk(),
}


@pytest.mark.parametrize("name", GAMES)
def test_frequencies_are_those_of_the_tensors(name: str) -> None:
    result = same_source(GAMES[name], plays=400, seed=3)
    assert result.impossible == 0 and result.reward_error == 0.0
    assert result.p_value > 1e-4, result


def test_frequencies_of_another_game_fail() -> None:
    other = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.25, qr=0.1)
    assert same_source(other, simulator=FiniteSimulator(ECO, 1), plays=8000, seed=3).p_value < 1e-6


def test_episodes_end_and_begin_in_the_same_step() -> None:
    simulator = FiniteSimulator(walk(), 50, seed=1)
    ends = 0
    for _ in range(40):
        before = simulator.batch.state.copy()
        seen, reward, terminated, truncated = simulator.step(np.ones((50, 1), np.int64))
        over = terminated == 1
        assert np.array_equal(over, simulator.batch.landed == 3) and np.array_equal(reward[:, 0] == 1, over)
        assert (
            (seen[over] == 0).all()
            and (simulator.batch.last_seen[over] == 3).all()
            and (before[over] == 2).all()
        )
        assert not truncated.any()
        ends += over.sum()
    assert ends > 100


def test_horizon_truncates() -> None:
    simulator = FiniteSimulator(ECO, 4, seed=1, horizon=3)
    flags = [simulator.step(np.zeros((4, 2), np.int64))[3].copy() for _ in range(7)]
    assert [bool(f.all()) for f in flags] == [False, False, True, False, False, True, False]


def test_impossible_outcomes_are_never_drawn() -> None:
    table = cumulative([0.0, 0.1, 0.0, 0.2, 0.7 - 1e-17, 0.0])
    assert table[0] == 0 and table[4] == table[5] == 1.0
    assert np.array_equal(cumulative(np.full(10, 0.1))[-1:], [1.0])


def test_wrong_actions_are_refused() -> None:
    simulator = FiniteSimulator(ECO, 3)
    with pytest.raises(ValueError, match="environment 1 does not exist in its state"):
        simulator.step(np.array([[0, 1], [2, 0], [0, 0]]))
    with pytest.raises(ValueError, match="actions must be whole numbers of shape"):
        simulator.step(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="X must have shape"):
        simulator.rollout(np.ones((2, 2)), 3)
    with pytest.raises(ValueError, match="horizon must be"):
        FiniteSimulator(ECO, 3, horizon=0)
    with pytest.raises(ValueError, match="start must be a distribution"):
        FiniteSimulator(ECO, 3, start=[0.5, 0.6])


def test_gymnasium_accepts_the_environment() -> None:
    pytest.importorskip("gymnasium")
    pytest.importorskip("pettingzoo")
    from gymnasium.utils.env_checker import check_env

    from pycrld_econ.validation.simulators.adapters import GymnasiumEnv

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*spec.*")
        check_env(GymnasiumEnv(walk()), skip_render_check=True)
        check_env(
            GymnasiumEnv(ECO, agent=1, strategies=np.full((2, 2, 2), 0.5), horizon=20), skip_render_check=True
        )
    with pytest.raises(ValueError, match="strategies must say what the 1 other agents do"):
        GymnasiumEnv(ECO)


def test_gymnasium_vector_wrappers_count_its_episodes() -> None:
    gym = pytest.importorskip("gymnasium")
    pytest.importorskip("pettingzoo")
    from pycrld_econ.validation.simulators.adapters import GymnasiumVector

    env = gym.wrappers.vector.RecordEpisodeStatistics(GymnasiumVector(walk(), 16, seed=2))
    seen, _ = env.reset(seed=4)
    assert env.observation_space.contains(seen)
    lengths = []
    for _ in range(60):
        seen, reward, terminated, truncated, info = env.step(np.ones(16, np.int64))
        assert env.observation_space.contains(seen) and reward.dtype == float and terminated.dtype == bool
        if terminated.any():
            lengths += list(info["episode"]["l"][terminated])
            assert (info["episode"]["r"][terminated] == 1.0).all()
            assert list(info["final_obs"][terminated]) == [3] * terminated.sum()
    # mean time to three successes in a row of probability 0.7: (1 - p^3) / ((1 - p) p^3)
    expected = (1 - 0.7**3) / (0.3 * 0.7**3)
    assert abs(np.mean(lengths) - expected) < 4 * np.std(lengths) / np.sqrt(len(lengths)) + 0.5


def test_pettingzoo_accepts_the_environment() -> None:
    pytest.importorskip("gymnasium")
    testing = pytest.importorskip("pettingzoo.test")
    from pycrld_econ.validation.simulators.adapters import PettingZooParallel

    testing.parallel_api_test(PettingZooParallel(ECO, horizon=30), num_cycles=100)
    testing.parallel_seed_test(lambda: PettingZooParallel(ECO, horizon=30), num_cycles=20)
