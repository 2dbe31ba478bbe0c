"""Iterated games: exact values against other formulas, the other half of the library, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.shaping import (
    IteratedGame,
    bach_or_stravinsky,
    chicken,
    contribution_game,
    embedded,
    embedded_strategies,
    environment,
    finds_tit_for_tat,
    from_embedded,
    matching_pennies,
    named,
    own_first,
    prisoners_dilemma,
    reordered,
    stag_hunt,
    strategies,
    values,
)
from pycrld_econ.shaping.games import finite_values, outcome_chain, visits
from shaping_twin import complex_value

GAMES = [
    contribution_game(1.33),
    contribution_game(1.8, 3),
    contribution_game(2.2, 4, 0.9),
    prisoners_dilemma(),
    chicken(),
    stag_hunt(),
    matching_pennies(),
    bach_or_stravinsky(),
]
by_name = pytest.mark.parametrize("game", GAMES, ids=lambda game: game.name)


@by_name
def test_values_equal_the_plain_formula(game):
    z = np.random.default_rng(0).normal(size=(game.N, game.S))
    expected = [complex_value(game, z, k).real for k in range(game.N)]
    np.testing.assert_allclose(values(game, 1 / (1 + np.exp(-z))), expected, rtol=1e-12)


@by_name
def test_values_equal_those_of_the_tensors(game):
    p = np.random.default_rng(1).random((game.N, game.S))
    V = StrategyActorCritic(environment(game), 0.1, game.gamma).Vis(strategies(p))[:, -1]
    np.testing.assert_allclose(V, values(game, p), rtol=1e-12, atol=1e-12)


@by_name
def test_values_equal_those_of_the_game_with_memory(game):
    p = np.random.default_rng(2).random((game.N, game.S))
    V = StrategyActorCritic(embedded(game), 0.1, game.gamma).Vis(embedded_strategies(p))[:, ::-1]
    expected = (game.payoffs + game.gamma * V) @ outcome_chain(p)[-1]
    np.testing.assert_allclose(expected, values(game, p), rtol=1e-12, atol=1e-12)


@by_name
def test_embedding_and_back(game):
    for env in (embedded(game), embedded(game).env):
        back = from_embedded(env, game.gamma)
        np.testing.assert_array_equal(back.payoffs, game.payoffs)


def test_a_longer_memory_is_refused():
    from pycrld_econ.environments import HistoryEmbedded

    stage = embedded(prisoners_dilemma()).env
    with pytest.raises(ValueError, match="remember one round"):
        from_embedded(HistoryEmbedded(stage, (1, 2, 2)), 0.9)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.99))
def test_visits_sum_to_the_discounted_time(seed, gamma):
    game = contribution_game(1.33, 2, gamma)
    p = np.random.default_rng(seed).random((2, 5)).round(1)
    np.testing.assert_allclose(visits(game, p).sum(), 1 / (1 - gamma), rtol=1e-12)


def test_finite_values_approach_the_infinite_ones():
    game, p = contribution_game(1.33), np.random.default_rng(3).random((4, 2, 5))
    np.testing.assert_allclose(finite_values(game, p, 900), values(game, p), rtol=1e-12)
    first = outcome_chain(p)[..., -1, :] @ game.payoffs.T
    np.testing.assert_allclose(finite_values(game, p, 1), first, rtol=1e-14)


def test_swapping_players_swaps_values():
    game, p = contribution_game(1.4), np.random.default_rng(4).random((2, 5))
    swapped = p[::-1][:, [0, 2, 1, 3, 4]]
    np.testing.assert_allclose(values(game, swapped), values(game, p)[::-1], rtol=1e-13)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("ALLC", "ALLC"), (8.25, 8.25)),
        (("TFT", "TFT"), (8.25, 8.25)),
        (("WSLS", "WSLS"), (8.25, 8.25)),
        (("ALLD", "ALLD"), (0, 0)),
        (("GRIM", "ALLD"), (-0.335, 0.665)),
        (("ALLC", "ALLD"), (-8.375, 16.625)),
    ],
)
def test_known_pairs(pair, expected):
    game = contribution_game(1.33)
    np.testing.assert_allclose(values(game, named(pair)), expected, rtol=1e-12, atol=1e-12)


def test_sympy_agrees_for_two_players():
    sympy = pytest.importorskip("sympy")
    from pycrld_econ.analysis.symbolic import memory_one_values

    p, q = sympy.symbols("p:4"), sympy.symbols("q:4")
    game = prisoners_dilemma()
    forms = memory_one_values(p, q, {"R": -1, "S": -3, "T": 0, "P": -2})
    rng = np.random.default_rng(5)
    x = rng.random((2, 4))
    numbers = dict(zip((*p, *q), x.ravel(), strict=True)) | {sympy.Symbol("gamma"): game.gamma}
    later = np.array([float(form.subs(numbers)) for form in forms]) / (1 - game.gamma)
    full = np.concatenate([x[:, ::-1], rng.random((2, 1))], axis=1)
    expected = outcome_chain(full)[-1] @ (game.payoffs[0] + game.gamma * later[::-1])
    np.testing.assert_allclose(values(game, full)[0], expected, rtol=1e-10)


def test_orders_round_trip():
    p = np.random.default_rng(6).random(5)
    for order in ("sos", "lola"):
        np.testing.assert_array_equal(reordered(reordered(p, "pola", order), order, "pola"), p)


@pytest.mark.parametrize(
    "game", [contribution_game(1.33), prisoners_dilemma(), chicken()], ids=lambda g: g.name
)
def test_tit_for_tat_test(game):
    pairs = np.stack([named([word, word]) for word in ("TFT", "ALLC", "ALLD", "GRIM", "WSLS")])
    assert finds_tit_for_tat(game, pairs, values(game, pairs)).tolist() == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: contribution_game(-1.0), "cf must be"),
        (lambda: contribution_game(np.nan), "cf must be"),
        (lambda: contribution_game(1.3, 1), "n must be"),
        (lambda: contribution_game(1.3, gamma=1.0), "gamma must lie"),
        (lambda: IteratedGame(np.zeros((2, 3))), "payoffs must be"),
        (lambda: IteratedGame([[np.inf] * 4] * 2), "payoffs must be"),
        (lambda: values(contribution_game(1.3), np.zeros((2, 4))), "p must have shape"),
        (lambda: values(contribution_game(1.3), np.full((2, 5), 1.5)), "p must hold probabilities"),
        (lambda: named(["TFT", "MINE"]), "words must be"),
        (lambda: reordered(np.zeros(5), "mine"), "source must be"),
        (lambda: reordered(np.zeros(9), "sos"), "p must have shape"),
        (lambda: named(["TFT"]), "words must name"),
        (lambda: own_first(np.zeros((3, 9))), "p must have shape"),
        (lambda: finite_values(contribution_game(1.3), np.full((2, 5), 0.5), -3), "rounds must be"),
    ],
)
def test_games_refuse(call, message):
    with pytest.raises(ValueError, match=message):
        call()
