"""Fixed points of actor-critic and their classes against Nash equilibria computed by an independent solver."""

from __future__ import annotations

import numpy as np
import pytest

gt = pytest.importorskip("quantecon.game_theory")

from pycrld_econ.agents import StrategyActorCritic  # noqa: E402
from pycrld_econ.analysis import fixed_points  # noqa: E402
from pycrld_econ.environments import from_bimatrix  # noqa: E402

GAMES = [(actions, seed) for actions, count in ((2, 150), (3, 50)) for seed in range(count)]


@pytest.mark.parametrize("part", range(4))
def test_equilibria_are_the_fixed_points_nobody_would_leave(part: int) -> None:
    """And of those, the strict pure ones are the sinks; mixed ones never are."""
    for actions, seed in GAMES[part::4]:
        A, B = np.random.default_rng((seed, actions)).normal(size=(2, actions, actions))
        found = fixed_points(StrategyActorCritic(from_bimatrix(A, B), 0.05, 0.0), starts=4)
        held = [point for point in found if (point.transversal <= 1 + 1e-9).all()]
        game = gt.NormalFormGame((gt.Player(A), gt.Player(B.T)))
        expected = [np.stack(pair) for pair in gt.vertex_enumeration(game)]
        assert len(held) == len(expected), (actions, seed, found.message)
        for equilibrium in expected:
            distance = min(np.abs(point.X[:, 0] - equilibrium).max() for point in held)
            assert distance < 1e-8, (actions, seed)
        pure = {tuple(profile) for profile in gt.pure_nash_brute(game)}
        sinks = {tuple(point.X[:, 0].argmax(-1)) for point in found if point.kind == "sink"}
        assert sinks == pure, (actions, seed)
        for point in found:
            assert point.is_pure or point.kind != "sink"
            leaves = (point.transversal > 1 + 1e-9).any() or (np.abs(point.multipliers) > 1 + 1e-9).any()
            assert leaves == (point.kind in ("saddle", "source")), (actions, seed, repr(point))
