"""All named games, and every way in which a request from outside can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.environments import SocialDilemma, build, games

COMPLETE = [name for name, entry in games().items() if not any(p.required for p in entry.parameters.values())]


@pytest.mark.parametrize("name", COMPLETE)
def test_named_game_is_a_proper_game(name):
    env = build(name)
    joint = (env.M,) * env.N
    assert env.T.shape == (env.Z, *joint, env.Z)
    assert env.R.shape == (env.N, env.Z, *joint, env.Z)
    assert env.O.shape == (env.N, env.Z, env.Q)
    assert env.F.shape == (env.Z,) and env.available.shape == (env.N, env.Z, env.M)
    for array in (env.T, env.R, env.O):
        assert array.dtype == np.float64 and array.flags.c_contiguous and np.isfinite(array).all()
    np.testing.assert_allclose(env.T.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(env.O.sum(-1), 1, atol=1e-12)
    assert len(set(env.Sset)) == env.Z and [len(names) for names in env.Oset] == [env.Q] * env.N
    assert 0 <= env.state < env.Z and env.id() and not set(env.id()) & set("/\\\n")


@pytest.mark.parametrize("name", COMPLETE)
def test_named_game_can_be_played(name):
    env = build(name)

    def play():
        env.reset(rng=11)
        return np.concatenate([np.r_[env.step([0] * env.N)[:2]].ravel() for _ in range(5)])

    np.testing.assert_array_equal(play(), play())


@pytest.mark.parametrize("name", COMPLETE)
def test_text_and_values_build_the_same(name):
    defaults = games()[name].defaults()
    as_text = {key: str(value) for key, value in defaults.items() if value is not None}
    assert build(name, as_text).id() == build(name, defaults).id() == build(name).id()


def test_ids_are_all_different():
    ids = [build(name).id() for name in COMPLETE]
    assert len(set(ids)) == len(ids)


def test_descriptions_are_one_line():
    for entry in games().values():
        for text in [entry.description, *(p.meaning for p in entry.parameters.values())]:
            assert text and "\n" not in text and len(text) < 80


def test_landing_page_game_is_the_default():
    assert build("social-dilemma").id() == SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0).id()
    assert build("Social_Dilemma", {"T": "1.5"}).Te == 1.5


def test_one_number_per_agent_from_text():
    env = build("ecological-public-good", {"N": "3", "qc": "0.1,0.2,0.3", "degraded_choice": "yes"})
    np.testing.assert_array_equal(env.qc, [0.1, 0.2, 0.3])
    assert env.degraded_choice is True


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("no-such", {}, r"unknown game 'no-such'; known games: social-dilemma, "),
        ("chickn", {}, r"unknown game 'chickn'; did you mean 'chicken'\?"),
        ("chicken", {"Q": 1}, "unknown parameter 'Q' of chicken; it has R, T, S, P"),
        ("two-state-matching-pennies", {"R": 1}, "unknown parameter 'R' .* it has no parameters"),
        ("two-by-two", {}, "missing parameter 'A' of two-by-two: row payoffs"),
        ("two-by-two", {"A": "1,2,3"}, "parameter A must be four numbers"),
        ("two-by-two", {"A": 3}, "parameter A must be four numbers"),
        ("chicken", {"R": "high"}, "parameter R must be a real number, got 'high'"),
        ("chicken", {"R": True}, "parameter R must be a real number, got True"),
        ("chicken", {"R": [1, 2]}, r"parameter R must be a real number, got \[1, 2\]"),
        ("chicken", {"R": ""}, "parameter R must be a real number, got ''"),
        ("social-dilemma", {"R": "nan"}, "R is nan, must be finite"),
        ("social-dilemma", {"R": "1e999"}, "R is inf, must be finite"),
        ("prisoners-dilemma", {"T": "2"}, "is no prisoners dilemma but stag hunt"),
        ("public-good", {"N": "2.5"}, "parameter N must be a whole number, got '2.5'"),
        ("public-good", {"N": "inf"}, "parameter N must be a whole number, got 'inf'"),
        ("public-good", {"f": "1,2"}, r"f has shape \(2,\), must be a number or have shape \(3,\)"),
        ("ecological-public-good", {"qr": "2"}, r"qr must be in \[0, 1\], got 2"),
        (
            "ecological-public-good",
            {"degraded_choice": "maybe"},
            "degraded_choice must be true or false",
        ),
    ],
)
def test_bad_requests(name, params, message):
    with pytest.raises(ValueError, match=message):
        build(name, params)
