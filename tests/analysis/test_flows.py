"""The whole analysis on flows: exponents, stability, branches, manifolds, basins and verdicts of continuous limits."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import FAQ, ContinuousLimit, StrategyActorCritic, StrategyQLearning, replicator
from pycrld_econ.agents.observing_learners import POStrategyActorCritic
from pycrld_econ.analysis import (
    BifurcationKind,
    Motion,
    Regime,
    basins,
    chart_of,
    continuation,
    inverse_step,
    lyapunov,
    manifolds,
    verdict,
)
from pycrld_econ.environments import EcologicalPublicGood, RockPaperScissors, SocialDilemma, matching_pennies

HUNT = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
GOOD = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
LEARNERS = {
    "actor-critic": StrategyActorCritic(GOOD, [0.1, 0.2], 0.9, 2.0),
    "Q": StrategyQLearning(GOOD, [0.1, 0.2], 0.9, 2.0),
    "observing": POStrategyActorCritic(GOOD, 0.1, 0.9, 2.0),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_chart_steps_as_the_flow_and_knows_its_derivative(name: str) -> None:
    flow = ContinuousLimit(LEARNERS[name], time_step=0.2)
    chart = chart_of(flow)
    u = np.random.default_rng(0).normal(size=(3, chart.size))
    np.testing.assert_allclose(chart.back(chart.step(u)), flow.step(chart.back(u))[0], atol=1e-13)
    h, axes = 1e-5, np.eye(chart.size)
    slopes = np.stack([(chart.step(u + h * e) - chart.step(u - h * e)) / (2 * h) for e in axes], -1)
    np.testing.assert_allclose(chart.jacobian(u), slopes, atol=1e-8)


def test_a_flow_of_nobody_who_learns_is_refused() -> None:
    chart = chart_of(ContinuousLimit(StrategyActorCritic(HUNT, 0.0, 0.9)))
    with pytest.raises(ValueError, match="no agent learns"):
        chart.step(np.zeros(chart.size))


def test_forgetting_contracts_at_its_rate() -> None:
    """Around the uniform point of matching pennies multipliers per time are e^(-1 +- i w): exponents are -1."""
    flow = FAQ(matching_pennies(), choice_intensities=2.0, time_step=0.2)
    start = np.array([[[0.7, 0.3]], [[0.4, 0.6]]])
    spectrum = lyapunov(flow, start, steps=60, transient=60, blocks=4)
    np.testing.assert_allclose(spectrum.exponents / flow.time_step, -1.0, atol=2e-3)
    assert spectrum.regime is Regime.STABLE


def test_volume_is_kept_without_forgetting() -> None:
    """In a game with one state the velocity of an agent's logits does not depend on its own: divergence 0."""
    flow = replicator(RockPaperScissors(0.5, -0.3), time_step=0.02)
    start = flow.random_points(1, rng=0)[0]
    spectrum = lyapunov(flow, start, steps=20, transient=0, blocks=4)
    assert abs(spectrum.exponents.sum()) / flow.time_step < 1e-8


def test_flows_lose_stability_where_the_fixed_point_of_the_learners_does() -> None:
    flow = FAQ(SocialDilemma(R=1.0, T=0.0, S=0.0, P=1.0), time_step=0.5)
    branch = continuation(flow, "choice_intensities", np.full((2, 1, 2), 0.5), 0.5, (0.5, 3.0), step=0.2)
    (mark,) = branch.bifurcations
    assert mark.kind is BifurcationKind.PITCHFORK and mark.parameter == pytest.approx(2.0, abs=1e-9)


def test_steps_of_a_flow_are_inverted_and_its_saddle_has_manifolds() -> None:
    flow = replicator(HUNT, time_step=4.0)
    X = flow.random_points(4, rng=0)
    np.testing.assert_allclose(inverse_step(flow, flow.step(X)[0]), X, atol=1e-10)
    curves = manifolds(flow, np.tile([5 / 7, 2 / 7], (2, 1, 1)), steps=40, density=2)
    assert [len(curves[side]) for side in ("stable", "unstable")] == [2, 2]
    ends = [curve[-1, :, 0, 0] for curve in curves["unstable"]]
    np.testing.assert_allclose(np.sort(np.round(ends, 1), axis=0), [[0, 0], [1, 1]])


def test_basins_and_verdicts() -> None:
    flow = replicator(HUNT, time_step=0.5)
    found = basins(flow, 40, tolerance=1e-4, rng=0)
    assert len(found.attractors) == 2 and found.unsettled == 0
    told = verdict(flow, found.starts[0], horizon=2_000, tolerance=1e-4)
    assert told.motion is Motion.FIXED_POINT and told.steps == found.length[0]


def test_conserved_orbits_are_closed_curves() -> None:
    flow = replicator(matching_pennies(), time_step=0.5)
    told = verdict(flow, np.array([[[0.6, 0.4]], [[0.5, 0.5]]]), horizon=32, longer=1, exponent_steps=200)
    assert told.motion is Motion.TORUS
