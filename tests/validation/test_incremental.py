"""Q-learners who update at every play equal a slow twin; replicates replay alone, in threads and on devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.environments import BertrandPricing, EcologicalPublicGood, TensorGame, memory_one
from pycrld_econ.validation.backend.philox import WORLD, philox, uniform
from pycrld_econ.validation.learners import IncrementalQLearning
from pycrld_econ.validation.learners.incremental import outcomes_of
from reference_impl.batch_learning import pick

ROOT = Path(__file__).parents[2]
ECO = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
RATES: dict[str, Any] = {"learning_rates": [0.2, 0.1], "discount_factors": [0.9, 0.5], "decay": [0.003, 0.01]}


def twin(env: Any, q: np.ndarray, plays: int, lane: int, seed: int) -> tuple[np.ndarray, int]:
    "Values after a number of plays, and the state; own code throughout"
    q, s, N = q.copy(), lane % env.Z, env.N
    for t in range(plays):
        greedy, joint = q[:, s].argmax(-1), []
        for i in range(N):
            w0, w1, w2, _ = philox(lane, t, i, 0, seed, 0)
            explores = ((w0 >> 5) * 2**26 + (w1 >> 6)) / 2**53 < np.exp(-RATES["decay"][i] * t)
            joint.append(w2 * env.M // 2**32 if explores else int(greedy[i]))
        y = pick(env.T[(s, *joint)], uniform(lane, t, WORLD, 0, seed, 0))
        old = q.copy()
        for i in range(N):
            aim = env.R[(i, s, *joint, y)] + RATES["discount_factors"][i] * old[i, y].max()
            q[i, s, joint[i]] += RATES["learning_rates"][i] * (aim - old[i, s, joint[i]])
        s = y
    return q, s


def test_plays_are_those_of_the_slow_twin() -> None:
    learner = IncrementalQLearning(ECO, **RATES)
    start = np.random.default_rng(0).normal(size=(2, 2, 2))
    runs = learner.run(start, 3, seed=5, first=4, longest=600, patience=10**6)
    assert not runs.settled.any() and (runs.plays == 600).all()
    for e in range(3):
        values, _ = twin(ECO, start, 600, 4 + e, 5)
        np.testing.assert_allclose(runs.values[e], values, rtol=1e-12)
        assert np.array_equal(runs.greedy[e], values.argmax(-1))


def test_replicates_replay_alone_and_in_any_number_of_threads() -> None:
    many = IncrementalQLearning(ECO, **RATES, threads=1).run(None, 12, seed=9, patience=500)
    other = IncrementalQLearning(ECO, **RATES, threads=3).run(None, 12, seed=9, patience=500)
    alone = IncrementalQLearning(ECO, **RATES).run(None, 1, seed=9, patience=500, first=7)
    assert many.settled.all() and len(np.unique(many.plays)) > 6
    for name in ("values", "greedy", "earned", "state", "plays"):
        assert np.array_equal(getattr(many, name), getattr(other, name)), name
        assert np.array_equal(getattr(many, name)[7], getattr(alone, name)[0]), name


def test_greedy_play_earns_the_long_run_reward() -> None:
    learner = IncrementalQLearning(ECO, **RATES)
    start = np.zeros((2, 2, 2))
    start[:, :, 0] = 1e6  # everybody cooperates for ever
    earned = learner.run(start, 40, patience=1, longest=1).earned
    cooperation = np.zeros((2, 2, 2))
    cooperation[..., 0] = 1
    exact = StrategyActorCritic(ECO, 0.1, 0.5).Ri(cooperation)
    error = earned.std(0) / np.sqrt(40) + 1e-9
    assert (np.abs(earned.mean(0) - exact) < 5 * error).all()


def test_lists_of_outcomes_are_the_tensors() -> None:
    for env in (ECO, memory_one(BertrandPricing(3))):
        game = outcomes_of(env)
        share = np.diff(game.arrives, axis=-1, prepend=0.0)
        T, R = np.zeros((env.Z, env.M**2, env.Z)), np.zeros((2, env.Z, env.M**2, env.Z))
        for s, j, k in np.ndindex(share.shape):
            T[s, j, game.where[s, j, k]] += share[s, j, k]
            if share[s, j, k] > 0:
                R[:, s, j, game.where[s, j, k]] = game.pays[s, j, k]
        np.testing.assert_allclose(T, env.T.reshape(T.shape), atol=1e-15)
        np.testing.assert_array_equal(R, env.R.reshape(R.shape) * (T > 0))
    assert game.where.shape == (9, 9, 1)  # prices follow for certain


def test_first_values_expect_random_rivals() -> None:
    market = BertrandPricing(4)
    learner = IncrementalQLearning(memory_one(market), 0.1, 0.95, 1e-3)
    profit = market.R.reshape(2, 4, 4)
    expected = np.stack([profit[0].mean(1), profit[1].mean(0)]) / 0.05
    np.testing.assert_allclose(learner.optimistic_values(), np.repeat(expected[:, None], 16, 1), rtol=1e-12)


def test_cuda_simulator_learns_the_same() -> None:
    code = """
import numpy as np
from pycrld_econ.environments import EcologicalPublicGood
from pycrld_econ.validation.learners import IncrementalQLearning
from pycrld_econ.validation.learners import incremental
incremental.WATCHED = 20
env = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
runs = IncrementalQLearning(env, [0.2, 0.1], [0.9, 0.5], [0.003, 0.01], device="cuda").run(None, 2, seed=4, longest=40)
print(runs.values.tobytes().hex())
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
    here = IncrementalQLearning(ECO, **RATES).run(None, 2, seed=4, longest=40).values
    found = np.frombuffer(bytes.fromhex(run.stdout.strip())).reshape(here.shape)
    np.testing.assert_allclose(found, here, rtol=1e-13)


@pytest.mark.slow
def test_published_collusion_is_reproduced() -> None:
    # 300 sessions of others: 0.800, standard deviation 0.079, 5.5e5 plays
    market = BertrandPricing()
    runs = IncrementalQLearning(memory_one(market), 0.15, 0.95, 2e-5).run(None, 100, seed=1)
    gain = market.profit_gain(runs.earned)
    assert runs.settled.all() and abs(gain.mean() - 0.800) < 0.03
    assert abs(gain.std() - 0.079) < 0.025 and abs(runs.plays.mean() / 5.5e5 - 1) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rates": 0.0}, "learning_rates"),
        ({"discount_factors": 1.0}, "discount_factors"),
        ({"decay": 0.0}, "decay"),
        ({"device": "tpu"}, "device must be"),
        ({"env": TensorGame(ECO.T, ECO.R, F=np.array([0, 1]), state=1)}, "no final states"),
    ],
)
def test_wrong_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        IncrementalQLearning(**({"env": ECO} | RATES | change))


def test_wrong_runs_are_refused() -> None:
    learner = IncrementalQLearning(ECO, **RATES)
    for arguments, message in (
        ({"start": np.zeros((2, 2))}, "start must be finite"), ({"longest": 2**33}, "longest must be"),
        ({"first": -1}, "first must be"), ({"replicates": 0}, "replicates"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            learner.run(**arguments)
