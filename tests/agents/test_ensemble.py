"""Ensembles: many trajectories at once equal single ones, whatever the tier, the threads and the cut into blocks."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

from pycrld_econ.agents import Status, StrategyActorCritic, StrategyDynamics, engine
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma

ENV = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01)


def learner(**options: object) -> StrategyActorCritic:
    return StrategyActorCritic(ENV, learning_rates=0.1, discount_factors=0.75, **options)


def test_equals_single_trajectories() -> None:
    many = learner().ensemble(12, Tmax=3000, tolerance=1e-5, rng=0, record="all")
    assert many.seed == 0 and many.every == 1
    for k in range(12):
        points, reached = learner().trajectory(many.start[k], Tmax=3000, tolerance=1e-5)
        assert len(points) == many.length[k] and reached == many.converged[k]
        assert np.array_equal(points, many.records[k]) and np.array_equal(points[-1], many.X[k])


def test_tiers_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for tier, threads in (("interpreted", 1), ("compiled", 1), ("compiled", 2), ("compiled", 5)):
        monkeypatch.setenv("PYCRLD_ECON_TIER", tier)
        results.append(learner().ensemble(9, Tmax=150, tolerance=1e-4, rng=1, threads=threads))
    for other in results[1:]:
        for name in ("X", "length", "status", "residual"):
            assert np.array_equal(getattr(results[0], name), getattr(other, name)), name


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learner().ensemble(5, Tmax=500, tolerance=1e-5, rng=2, record=7)
    monkeypatch.setattr(engine, "block_steps", lambda tier, point: 3)
    pieces = learner().ensemble(5, Tmax=500, tolerance=1e-5, rng=2, record=7)
    assert np.array_equal(whole.X, pieces.X) and np.array_equal(whole.length, pieces.length)
    for a, b in zip(whole.records, pieces.records, strict=True):
        assert np.array_equal(a, b)


def test_records_every_kth_point() -> None:
    all_points = learner().ensemble(3, Tmax=100, rng=3, record="all")
    some = learner().ensemble(3, Tmax=100, rng=3, record=8)
    for full, thin in zip(all_points.records, some.records, strict=True):
        assert np.array_equal(full[::8], thin)


def test_sweeps_over_parameters_equal_new_objects() -> None:
    gammas = np.array([0.1, 0.5, 0.9])[:, None]
    starts = learner().random_points(4, rng=4)
    sweep = learner().ensemble(starts[:, None], Tmax=300, tolerance=1e-5, discount_factors=gammas)
    assert sweep.X.shape == (4, 3, 2, 2, 2)
    for k, gamma in enumerate(gammas[:, 0]):
        one = learner().with_parameters(discount_factors=gamma).ensemble(starts, Tmax=300, tolerance=1e-5)
        assert np.array_equal(one.X, sweep.X[:, k]) and np.array_equal(one.length, sweep.length[:, k])


def test_sweeps_respect_the_prefactor() -> None:
    gammas = np.array([0.1, 0.9])[:, None]
    start = learner().random_points(1, rng=4)
    sweep = learner(use_prefactor=True).ensemble(start, Tmax=50, discount_factors=gammas)
    for k, gamma in enumerate(gammas[:, 0]):
        single = StrategyActorCritic(ENV, 0.1, gamma, use_prefactor=True).ensemble(start, Tmax=50)
        assert np.array_equal(single.X[0], sweep.X[k])


def test_sweeps_over_games() -> None:
    impacts = [-3.0, -5.0, -8.0]
    games = [EcologicalPublicGood(N=2, f=1.2, c=5, m=m, qc=0.2, qr=0.01) for m in impacts]
    starts = learner().random_points(5, rng=5)
    sweep = learner().ensemble(starts[:, None], Tmax=200, tolerance=1e-5, games=games)
    assert sweep.X.shape[:2] == (5, 3)
    for k, env in enumerate(games):
        one = learner().with_parameters(env=env).ensemble(starts, Tmax=200, tolerance=1e-5)
        assert np.array_equal(one.X, sweep.X[:, k])


def test_statuses() -> None:
    some = learner().ensemble(3, Tmax=5, tolerance=1e-9, rng=0)
    assert (some.status == Status.MAX_STEPS).all() and some.counts() == {Status.MAX_STEPS: 3}
    pure = np.array([[[1.0, 0], [1, 0]], [[0, 1], [0, 1]]])
    assert learner().ensemble(pure[None], Tmax=5, tolerance=1e-9).counts() == {Status.CONVERGED: 1}
    broken = StrategyDynamics(ENV, 0.1, 0.9, 1e308).ensemble(2, Tmax=5, rng=0)
    assert (broken.status == Status.NOT_A_NUMBER).all()
    assert all(status.message for status in Status)


def test_not_a_number_is_not_a_fixed_point() -> None:
    broken = StrategyDynamics(ENV, 0.1, 0.9, 1e308)
    _, reached = broken.trajectory(broken.random_points(1, rng=0)[0], Tmax=5, tolerance=1e-5)
    assert reached is False


def test_no_steps_at_all() -> None:
    points, reached = learner().trajectory(learner().zero_intelligence_strategy(), Tmax=0)
    assert points.shape == (0, 2, 2, 2) and reached is False
    none = learner().ensemble(0, Tmax=10)
    assert none.X.shape == (0, 2, 2, 2)


def test_interruption_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "wait", interrupted)
    with pytest.warns(RuntimeWarning, match="interrupted: .* of 40"):
        partial = learner().ensemble(40, Tmax=10_000_000, rng=0)
    assert (partial.status == Status.RUNNING).any() and np.isfinite(partial.X).all()


def test_errors_in_threads_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MemoryError, match="max_record_bytes=1000 bytes"):
        learner().ensemble(4, Tmax=1000, rng=0, record="all", max_record_bytes=1000)


def test_threads_share_one_compilation() -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(engine.compiled(engine.kernels, "advance_strategies")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(twin) for twin in found}) == 1


def test_dataframe() -> None:
    pd = pytest.importorskip("pandas")
    frame = learner().ensemble(4, Tmax=50, rng=0).to_dataframe()
    assert (
        isinstance(frame, pd.DataFrame)
        and len(frame) == 4
        and "X0_1_0" in frame
        and set(frame.status) == {"max_steps"}
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X0": np.ones((2, 2, 3)) / 3}, r"X0 must have shape \(\.\.\., 2, 2, 2\), got \(2, 2, 3\)"),
        ({"X0": np.ones((2, 2, 2))}, r"X0\[0, 0\] must sum to 1, got 2"),
        ({"X0": -1}, "X0 must be points or a number of starts"),
        ({"X0": 3, "Tmax": -1}, "Tmax must be a whole number >= 0, got -1"),
        ({"X0": 3, "tolerance": -1.0}, "tolerance must be >= 0 or None, got -1.0"),
        ({"X0": 3, "tolerance": float("nan")}, "tolerance must be >= 0 or None, got nan"),
        ({"X0": 3, "record": "some"}, "record must be 'last', 'all' or a whole number"),
        ({"X0": 3, "record": 0}, "record must be 'last', 'all' or a whole number"),
        ({"X0": 3, "threads": 0}, "threads must be at least 1, got 0"),
        ({"X0": 3, "discount_factors": [[1.0]]}, r"discount_factors must lie in \[0, 1\), got 1"),
        ({"X0": 3, "learning_rates": [[0.1, 0.2, 0.3]]}, "learning_rates must be a number or hold 2 numbers"),
        ({"X0": 3, "games": [SocialDilemma(1, 2, 3, 4)]}, "games must have N, Z, M"),
        ({"X0": 3, "games": [ENV, SocialDilemma(1, 2, 3, 4)]}, "games must have equal shapes"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with warnings.catch_warnings(), pytest.raises(ValueError, match=message):
        warnings.simplefilter("error")
        learner().ensemble(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"discount_factors": 1.0}, ValueError, r"discount_factors must lie in \[0, 1\), got 1"),
        ({"discount_factors": float("nan")}, ValueError, "discount_factors must lie in"),
        ({"learning_rates": -0.1}, ValueError, r"learning_rates must lie in \[0, inf\), got -0.1"),
        (
            {"learning_rates": [0.1, 0.2, 0.3]},
            ValueError,
            "learning_rates must be a number or hold 2 numbers",
        ),
        ({"learning_rates": "fast"}, TypeError, "learning_rates must be numbers, got 'fast'"),
        ({"choice_intensities": -1.0}, ValueError, "choice_intensities must lie in"),
        ({"forgetting": 2.0}, ValueError, r"forgetting must lie in \[0, 1\], got 2"),
        (
            {"forgetting": 1.0, "learning_rates": 1.0},
            ValueError,
            r"learning_rates must lie in \[0, 1\), got 1",
        ),
        ({"rounding": -1}, ValueError, "rounding must be a whole number from 0 to 15 or None, got -1"),
    ],
)
def test_bad_parameters_are_named(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    parameters = {"learning_rates": 0.1, "discount_factors": 0.9} | arguments
    with pytest.raises(error, match=message):
        StrategyDynamics(ENV, **parameters)


def test_parameters_can_be_changed_and_are_checked() -> None:
    one = learner()
    before = one.step(one.zero_intelligence_strategy())[0]
    one.gamma = 0.1
    assert not np.array_equal(one.step(one.zero_intelligence_strategy())[0], before)
    with pytest.raises(ValueError, match="discount_factors must lie in"):
        one.gamma = 1.5
    with pytest.raises(TypeError, match="unknown parameter 'discount'"):
        one.with_parameters(discount=0.3)
