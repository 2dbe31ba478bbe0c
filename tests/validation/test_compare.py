"""Distances, passages and intervals on made-up runs whose numbers are known, then on runs of a learner; enumeration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pycrld_econ.agents import POStrategyActorCritic, StrategyActorCritic, StrategySARSA
from pycrld_econ.environments import EcologicalPublicGood, UncertainSocialDilemma
from pycrld_econ.validation.bridge import (
    bootstrap,
    compare,
    compare_learner,
    enumerate_simulator,
    exact_share,
)
from pycrld_econ.validation.learners import BatchLearner
from pycrld_econ.validation.simulators.finite import tables_of
from pycrld_econ.validation.simulators.finite_rules import pick

ECO = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)


def constant(*cooperation: float) -> np.ndarray:
    "Strategies of one agent in two states over time, the same in both states"
    x = np.array(cooperation)[:, None, None]
    return np.broadcast_to(np.stack([x, 1 - x], -1), (len(cooperation), 1, 2, 2)).copy()


def made_up() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    runs = np.array(
        [constant(0.5, 0.95, 1.0, 0.5, 0.0), constant(0.5, 0.1, 0.0, 0.0, 0.0), constant(0.5, 1, 1, 1, 1)]
    )
    return runs, constant(0.5, 0.7, 0.9, 1.0, 1.0), np.array([constant(0.0)[0], constant(1.0)[0]])


def test_numbers_that_are_known() -> None:
    runs, theory, attractors = made_up()
    result = compare(runs, theory, 10 * np.arange(5), attractors=attractors)
    np.testing.assert_allclose(result.distance[0], [0, 0.25, 0.1, 0.5, 1.0], atol=1e-15)
    assert result.labels.tolist() == [[-1, 1, 1, -1, 0], [-1, 0, 0, 0, 0], [-1, 1, 1, 1, 1]]
    assert result.theory_labels.tolist() == [-1, -1, 1, 1, 1]
    assert [times.tolist() for times in result.switching_times()] == [[40], [], []]
    assert result.switches().value == pytest.approx(1 / 3)
    assert result.agreement().value == pytest.approx(1 / 3)
    share, median = result.first_passage(0)
    assert share.value == pytest.approx(2 / 3) and median.value == 40 and median.high == np.inf
    share, median = result.first_passage(1)
    assert share.value == pytest.approx(2 / 3) and median.value == 10
    assert result.mean_distance().value == pytest.approx((1 + 1 + 0) / 3)
    assert result.mean_distance(0) == (0.0, 0.0, 0.0)


def test_occupancy_weighs_states() -> None:
    runs, theory, _ = made_up()
    runs[:, :, :, 1] = theory[:, :, 1]  # equal in state 1
    half = compare(runs, theory).distance
    rarely = compare(runs, theory, occupancy=[0.1, 0.9]).distance
    np.testing.assert_allclose(rarely, 0.2 * half)
    along = np.stack([np.linspace(0, 1, 5), np.linspace(1, 0, 5)], -1)
    np.testing.assert_allclose(compare(runs, theory, occupancy=along).distance, 2 * along[:, 0] * half)


def test_the_distance_of_the_mean_weighs_states_as_the_distances_do() -> None:
    runs, theory, _ = made_up()
    runs[:, :, :, 1] = theory[:, :, 1]  # equal in state 1
    apart = np.abs(runs[:, :, 0, 0, 0].mean(0) - theory[:, 0, 0, 0])
    along = np.stack([np.linspace(0, 1, 5), np.linspace(1, 0, 5)], -1)
    for occupancy, weight in (([0.1, 0.9], np.full(5, 0.1)), (along, along[:, 0])):
        result = compare(runs, theory, occupancy=occupancy)
        assert result.bias().value == pytest.approx((weight * apart).mean(), rel=1e-12)
        assert result.bias().value <= result.path_distance().value
    assert compare(runs, theory, occupancy=[0.0, 1.0]).bias() == pytest.approx((0.0, 0.0, 0.0), abs=1e-15)


def test_the_interval_of_the_distance_of_the_mean_reaches_zero_where_there_is_none() -> None:
    rng = np.random.default_rng(2)
    theory, held = constant(*np.full(6, 0.5)), [0, 0]
    for _ in range(40):
        for k, shift in enumerate((0.0, 0.2)):
            noise = rng.normal(shift, 0.1, (30, 6, 1, 2, 1)).clip(-0.5, 0.5)
            result = compare(theory + noise * np.array([1, -1]), theory).bias()
            assert result.low <= result.value <= result.high
            held[k] += result.low <= shift <= result.high
            assert (result.low > 0) == (shift > 0)
    assert min(held) >= 36  # at least nine tenths of intervals that hold 95 %


def test_exact_shares_cover() -> None:
    assert exact_share(0, 10)[:2] == (0.0, 0.0) and exact_share(10, 10).high == 1.0
    for count in range(1, 10):
        low, high = exact_share(count, 10)[1:]
        assert stats.binom.sf(count - 1, 10, low) == pytest.approx(0.025)
        assert stats.binom.cdf(count, 10, high) == pytest.approx(0.025)
    with pytest.raises(ValueError, match="count must be"):
        exact_share(4, 3)


def test_bootstrap_of_a_mean_is_its_standard_error() -> None:
    rows = np.random.default_rng(3).standard_normal(400)
    value, low, high = bootstrap(rows, lambda r: r.mean(0), 4000)
    standard = rows.std() / np.sqrt(400)
    assert value == rows.mean() and (high - low) / (2 * 1.96 * standard) == pytest.approx(1, abs=0.06)


def test_a_learner_stays_closer_with_larger_batches() -> None:
    dynamics = StrategyActorCritic(ECO, 0.1, 0.75)
    start = np.full((2, 2, 2), 0.5)
    results = [compare_learner(BatchLearner(dynamics, K).run(start, 40, 60, seed=1)) for K in (50, 5000)]
    assert results[0].path_distance().low > 3 * results[1].path_distance().high
    theory, _ = dynamics.trajectory(start, Tmax=41)
    assert np.array_equal(results[0].theory, theory)
    text = str(results[1])
    assert "replicates 60, updates 40" in text and "distance of the mean" in text and "attractor" not in text
    with pytest.raises(ValueError, match="no attractors were given"):
        results[0].agreement()


def test_attractors_of_a_bistable_game() -> None:
    dynamics = StrategyActorCritic(ECO, 0.1, 0.9)
    ends = dynamics.ensemble(20, Tmax=5000, tolerance=1e-6, rng=0).X
    corners = np.unique(ends.round(1), axis=0)
    start = dynamics.random_softmax_strategy(2)
    runs = BatchLearner(dynamics, 400).run(start, 400, 40, seed=1, every=20)
    result = compare_learner(runs, attractors=corners, radius=0.3)
    assert result.theory_labels[-1] >= 0 and 0 <= result.agreement().low <= result.agreement().high <= 1
    assert "same attractor" in result.table() and "switches a replicate" in result.table()


def test_learners_who_observe_can_be_compared() -> None:
    env = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.5, 0.2)
    dynamics = POStrategyActorCritic(env, 0.05, 0.5)
    runs = BatchLearner(dynamics, 1000).run(dynamics.zero_intelligence_strategy(), 10, 20, seed=1)
    assert compare_learner(runs).path_distance().high < 0.1


def test_picture_shows_band_and_theory(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    runs, theory, attractors = made_up()
    ax = compare(runs, theory, attractors=attractors).plot((0, 1, 0))
    assert ax.get_xlabel() == "updates" and len(ax.collections) == 1 and len(ax.lines) == 2
    np.testing.assert_allclose(ax.lines[1].get_ydata(), theory[:, 0, 1, 0])
    ax.figure.savefig(tmp_path / "band.png")
    with pytest.raises(ValueError, match="share must be"):
        compare(runs, theory).plot(share=1.0)


def test_shapes_must_fit() -> None:
    runs, theory, _ = made_up()
    for arguments, message in (
        ({"theory": theory[:3]}, "theory must have the shape"), ({"times": [1, 2]}, "times must have shape"),
        ({"occupancy": [0.5, 0.6]}, "occupancy must be"), ({"occupancy": [1.0]}, "occupancy must be"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            compare(**({"runs": runs, "theory": theory} | arguments))
    starts = np.array([np.full((2, 2, 2), 0.5), np.full((2, 2, 2), [0.4, 0.6])])
    with pytest.raises(ValueError, match="same point"):
        compare_learner(BatchLearner(StrategySARSA(ECO, 0.1, 0.5), 10).run(starts, 1, 2))


@pytest.mark.parametrize(
    "env", [ECO, UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, 0.3, 0.1)], ids=["eco", "noise"]
)
def test_enumeration_recovers_the_tensors(env: EcologicalPublicGood) -> None:
    tables, powers = tables_of(env), env.M ** np.arange(env.N)[::-1]

    def step(state: int, actions: np.ndarray, u: float) -> tuple[int, np.ndarray]:
        y = pick(tables.arrives, state, int(actions @ powers), u)
        return y, tables.pays[state, actions @ powers, y]

    game = enumerate_simulator(step, env.N, env.Z, env.M)
    np.testing.assert_allclose(game.T, env.T, atol=1e-14)
    np.testing.assert_allclose(game.R * (env.T > 0), env.R * (env.T > 0), atol=1e-12)
    with pytest.raises(ValueError, match="step leads from state 0 to 7"):
        enumerate_simulator(lambda s, a, u: (7, np.zeros(1)), 1, 1, 1)
