"""What every learner must do, whatever it learns: batches, trajectories, tiers, sweeps, names, errors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import (
    ContinuousLimit,
    Dynamics,
    KernelDynamics,
    MixedPopulation,
    POStrategyActorCritic,
    POStrategyQLearning,
    POStrategySARSA,
    Status,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueQLearning,
    ValueSARSA,
    engine,
    multiagent_epsilongreedy_strategy,
    multiagent_mixed_strategy,
    multiagent_softmax_strategy,
)
from pycrld_econ.environments import ExchangeableEcologicalPublicGood, random_game

seeds = st.integers(0, 2**31 - 1)


def game(seed: int = 0) -> Any:
    return random_game(N=3, M=2, Z=3, Q=2, rng=seed)


def numbers(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "learning_rates": rng.uniform(0.01, 0.5, 3),
        "discount_factors": rng.uniform(0, 0.95, 3),
        "choice_intensities": rng.uniform(0.5, 5, 3),
    }


def mixed(seed: int = 0) -> MixedPopulation:
    fixed = np.random.default_rng(seed).dirichlet(np.ones(2), size=3)
    return MixedPopulation(game(seed), [StrategyActorCritic, fixed, StrategyQLearning], **numbers(seed))


def values(kind: Any, strategy: Any, seed: int, **options: Any) -> Any:
    return kind(game(seed), strategy_function=strategy, **numbers(seed), **options)


GREEDY = multiagent_epsilongreedy_strategy([0.1, 0.2, 0.0])
SOFT = multiagent_softmax_strategy(3.0, N=3)
EACH = multiagent_mixed_strategy([0.1, 0.0, 0.2], [np.inf, 2.0, 1.0])
LEARNERS: dict[str, Callable[[int], KernelDynamics]] = {
    "actor-critic": lambda seed=0: StrategyActorCritic(game(seed), **numbers(seed)),
    "sarsa": lambda seed=0: StrategySARSA(game(seed), **numbers(seed)),
    "q": lambda seed=0: StrategyQLearning(game(seed), **numbers(seed)),
    "q-2019": lambda seed=0: StrategyQLearning(
        game(seed), **numbers(seed), q_continuation="policy_average", rounding=9
    ),
    "mixed": mixed,
    "counting": lambda seed=0: StrategySARSA(
        ExchangeableEcologicalPublicGood(3, 1.2, 5.0, -5.0, 0.2, 0.1), **numbers(seed)
    ),
    "value-sarsa": lambda seed=0: values(ValueSARSA, GREEDY, seed),
    "value-q": lambda seed=0: values(ValueQLearning, SOFT, seed, use_prefactor=True),
    "value-incremental": lambda seed=0: values(
        ValueQLearning, EACH, seed, bootstrap="current", frequency=True
    ),
    "po-actor-critic": lambda seed=0: POStrategyActorCritic(game(seed), **numbers(seed)),
    "po-sarsa": lambda seed=0: POStrategySARSA(game(seed), **numbers(seed), closure="conditional"),
    "po-q": lambda seed=0: POStrategyQLearning(game(seed), **numbers(seed)),
}
every_learner = pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())


@every_learner
def test_it_is_a_dynamics(make: Callable[..., Any]) -> None:
    learner = make()
    X = learner.random_points(4, rng=0)
    assert isinstance(learner, Dynamics) and X.shape == (4, *learner.point_shape)
    following, drive = learner.step(X)
    assert following.shape == drive.shape == X.shape and np.isfinite(following).all()
    assert np.array_equal(learner.RPEisa(X), drive) and np.array_equal(learner.TDerror(X), drive)
    np.testing.assert_allclose(learner.RPEisa(X, norm=True).sum(-1), 0.0, atol=1e-12)


@given(seeds)
@every_learner
def test_a_batch_is_many_single_points(make: Callable[..., Any], seed: int) -> None:
    learner = make(seed)
    X = learner.random_points(6, rng=seed).reshape(2, 3, *learner.point_shape)
    together = learner.step(X)
    for place in np.ndindex(2, 3):
        for many, one in zip(together, learner.step(X[place]), strict=True):
            assert np.array_equal(many[place], one)


@every_learner
def test_a_trajectory_is_made_of_its_steps(make: Callable[..., Any]) -> None:
    learner = make()
    start = learner.random_points(1, rng=1)[0]
    points, reached = learner.trajectory(start, Tmax=30)
    assert len(points) == 30 and reached is False and np.array_equal(points[0], start)
    np.testing.assert_allclose(learner.step(points[:-1])[0], points[1:], rtol=1e-7, atol=1e-11)


@every_learner
def test_convergence_is_a_short_step(make: Callable[..., Any]) -> None:
    learner = make()
    points, _ = learner.trajectory(learner.random_points(1, rng=2)[0], Tmax=5000, tolerance=1e-3)
    moves = np.linalg.norm((learner.step(points)[0] - points).reshape(len(points), -1), axis=-1)
    assert (moves[:-1] >= 1e-3).all() and (moves[-1] < 1e-3 or len(points) == 5000)


@every_learner
def test_tiers_agree_bit_for_bit(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for tier in ("interpreted", "compiled"):
        monkeypatch.setenv("PYCRLD_ECON_TIER", tier)
        learner = make()
        X = learner.random_points(3, rng=3)
        found.append([*learner.step(X), learner.trajectory(X[0], Tmax=20)[0]])
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


@every_learner
def test_an_ensemble_is_many_trajectories(make: Callable[..., Any]) -> None:
    learner = make()
    many = learner.ensemble(5, Tmax=200, tolerance=1e-4, rng=0, record="all")
    for k in range(5):
        points, reached = learner.trajectory(many.start[k], Tmax=200, tolerance=1e-4)
        assert np.array_equal(points, many.records[k]) and reached == (many.status[k] == Status.CONVERGED)


@every_learner
def test_parameters_can_be_swept(make: Callable[..., Any]) -> None:
    learner = make()
    starts = learner.random_points(3, rng=4)
    for name in learner.parameters:
        values = np.array([0.05, 0.3])
        sweep = learner.ensemble(starts[:, None], Tmax=20, **{name: values[:, None]})
        for k, value in enumerate(values):
            other = learner.with_parameters(**{name: value})
            assert np.array_equal(sweep.X[:, k], other.ensemble(starts, Tmax=20).X), name


@every_learner
def test_games_can_be_swept(make: Callable[..., Any]) -> None:
    if "Exchangeable" in make().id():
        games = [ExchangeableEcologicalPublicGood(3, f, 5.0, -5.0, 0.2, 0.1) for f in (1.2, 2.0)]
    else:
        games = [game(1), game(2)]
    learner = make()
    starts = learner.random_points(3, rng=5)
    sweep = learner.ensemble(starts[:, None], Tmax=20, games=games)
    for k, env in enumerate(games):
        assert np.array_equal(sweep.X[:, k], learner.with_parameters(env=env).ensemble(starts, Tmax=20).X)


@every_learner
def test_an_agent_with_learning_rate_0_keeps_everything(make: Callable[..., Any]) -> None:
    learner = make().with_parameters(learning_rates=[0.1, 0.1, 0.0])
    start = learner.random_points(1, rng=6)[0]
    points, _ = learner.trajectory(start, Tmax=50)
    assert (points[:, 2] == start[2]).all() and (points[-1, 0] != start[0]).any()


@every_learner
def test_reverse_steps_undo_steps_to_first_order(make: Callable[..., Any]) -> None:
    learner = make()
    if getattr(learner, "rounding", None) is not None:
        pytest.skip("rounding hides small steps")
    X, errors = learner.random_points(1, rng=7)[0], []
    for rate in (1e-4, 1e-5):
        slow = learner.with_parameters(learning_rates=rate)
        errors.append(np.abs(slow.reverse_step(slow.step(X)[0])[0] - X).max())
    assert 30 < errors[0] / errors[1] < 300


@every_learner
def test_whatever_is_asked_the_kernel_is_compiled_once(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYCRLD_ECON_TIER", "compiled")
    learner = make()
    X = learner.random_points(2, rng=0)
    X.flags.writeable = False
    learner.step(X), learner.reverse_step(X[0]), learner.trajectory(X[0], Tmax=3)
    learner.ensemble(X, Tmax=3, record=2)
    for name in learner.parameters:
        for values in (0.1, [0.1, 0.2, 0.3], np.array([[0.1], [0.2]])):
            learner.ensemble(X[0], Tmax=3, **{name: values})
        learner.with_parameters(**{name: 0.2}).trajectory(X[1], Tmax=3)
    assert len(engine.compiled(*learner.kernel).signatures) == 1


@every_learner
def test_names_tell_learners_apart(make: Callable[..., Any]) -> None:
    name = make().id()
    assert f"__j{type(make()).__name__}" in name and name.endswith("preFalse") or "preTrue" in name
    assert make().with_parameters(discount_factors=0.123).id() != name


@every_learner
def test_what_is_no_point_is_refused(make: Callable[..., Any]) -> None:
    learner = make()
    X = learner.random_points(2, rng=8)
    with pytest.raises(ValueError, match=r"must have shape \(\.\.\., 3, "):
        learner.step(X[..., :1])
    with pytest.raises(ValueError, match="must be one point of shape"):
        learner.trajectory(X)
    broken = X.copy()
    broken[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"\[1, 0, 0, 0\] must be"):
        learner.step(broken)


@every_learner
def test_unknown_parameters_are_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="unknown parameter 'speed', known are"):
        make().with_parameters(speed=1)
    with pytest.raises(TypeError, match="unknown parameter 'speed', known are"):
        make().ensemble(1, speed=[[1.0]])
    with pytest.raises(ValueError, match=r"discount_factors must lie in \[0, 1\), got 1"):
        make().with_parameters(discount_factors=1.0)
    with pytest.raises(ValueError, match="env must have N = 3 agents, got 2"):
        make().with_parameters(env=random_game(N=2, M=2, Z=3, Q=2, rng=0))


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        ({"T": np.ones((1, 2, 2))}, "T"),
        ({"R": np.zeros((2, 1, 2, 1))}, "R"),
        ({"R": np.full((2, 1, 2, 2, 1), np.nan)}, "R must be finite"),
        ({"O": np.ones((2, 2, 1))}, "O"),
        ({"F": [0, 0]}, "F"),
        ({"available": np.ones((2, 1, 3), bool)}, "available"),
    ],
)
def test_games_that_do_not_fit_together_are_refused(tensors: dict[str, Any], name: str) -> None:
    fine = {"T": np.ones((1, 2, 2, 1)), "R": np.zeros((2, 1, 2, 2, 1))}
    with pytest.raises(ValueError, match=name):
        StrategyActorCritic(SimpleNamespace(**fine | tensors), 0.1, 0.9)


@pytest.mark.parametrize(
    "name", [key for key in LEARNERS if key.startswith(("actor", "sarsa", "mixed", "po"))]
)
def test_flows_of_slow_learners_are_dynamics(name: str) -> None:
    limit = ContinuousLimit(LEARNERS[name](0), time_step=0.05)
    X = limit.random_points(4, rng=0)
    following, drive = limit.step(X)
    assert isinstance(limit, Dynamics) and drive.shape == X.shape
    np.testing.assert_allclose(following.sum(-1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(limit.vector_field(X).sum(-1), 0.0, atol=1e-12)
    assert np.array_equal(limit.step(X[1])[0], following[1])
