"""Opponent shapers under the same analysis as other learners."""

from __future__ import annotations

import numpy as np
import pytest

shaping = pytest.importorskip("pycrld_econ.shaping")

from pycrld_econ.analysis import Regime, chart_of, interior_fixed_points, lyapunov  # noqa: E402


@pytest.mark.parametrize("rule", [shaping.Naive(0.5), shaping.LOLA(0.5, 0.5)], ids=["naive", "lola"])
def test_jacobian_of_shapers_is_that_of_their_step(rule: object) -> None:
    chart = chart_of(shaping.OpponentShaping(shaping.prisoners_dilemma(), rule))
    u = np.random.default_rng(0).normal(size=chart.size)
    h = 1e-5
    steps = [(chart.step(u + h * e) - chart.step(u - h * e)) / (2 * h) for e in np.eye(chart.size)]
    np.testing.assert_allclose(chart.jacobian(u), np.stack(steps, -1), atol=1e-7)
    np.testing.assert_allclose(chart.to(chart.back(u)), u, atol=1e-9)


@pytest.mark.parametrize("rule", [shaping.Naive(0.1), shaping.LOLA(0.1, 0.5)], ids=["naive", "lola"])
def test_fixed_points_of_shapers_stay_where_they_are(rule: object) -> None:
    dynamics = shaping.OpponentShaping(shaping.matching_pennies(), rule)
    found = interior_fixed_points(dynamics, starts=8)
    assert len(found) >= 1
    np.testing.assert_allclose(dynamics.step(found.points)[0], found.points, atol=1e-9)


def test_exponents_of_shapers_near_a_sink_are_negative() -> None:
    dynamics = shaping.OpponentShaping(shaping.matching_pennies(), shaping.LOLA(0.1, 0.5))
    spectrum = lyapunov(dynamics, dynamics.random_points(1, 0)[0], steps=40, transient=20, blocks=4)
    assert spectrum.exponents.shape == (chart_of(dynamics).size,)
    assert spectrum.regime in set(Regime)
