"""The border: what is checked, what is refused and how, and how a game is played."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycrld_econ.environments import Environment, TensorGame, ebase, make_variable_vector, random_game
from pycrld_econ.environments.base import check_numbers, joint_actions


class Written(ebase):
    """A game written the way scripts write it: sizes first, then the constructor, methods overridden."""

    def __init__(self, T, R, **overrides):
        self.given_T, self.given_R = T, R
        self.Z, self.M, self.N = len(T), np.shape(T)[1], np.ndim(T) - 2
        for name, value in overrides.items():
            setattr(self, name, value if name == "state" else lambda value=value: value)
        super().__init__()

    def TransitionTensor(self):
        return self.given_T

    def RewardTensor(self):
        return self.given_R


T = np.full((2, 2, 2, 2), 0.5)
R = np.arange(32.0).reshape(2, 2, 2, 2, 2)


def test_defaults_of_a_written_game():
    env = Written(T.tolist(), R)
    assert (env.N, env.M, env.Z, env.Q, env.state) == (2, 2, 2, 2, 0)
    assert env.id() == str(env) == repr(env) == "Written"
    assert env.defaultObsTensUsed is True
    assert env.Aset == [["0", "1"]] * 2 and env.Sset == ["0", "1"] and env.Oset == [["0", "1"]] * 2
    np.testing.assert_array_equal(env.O, np.stack([np.eye(2)] * 2))
    np.testing.assert_array_equal(env.F, [0, 0])


def test_own_observations_get_numbers_as_names():
    env = Written(T, R, ObservationTensor=np.full((2, 2, 3), 1 / 3), states=["left", "right"])
    assert env.defaultObsTensUsed is False
    assert env.Oset == [["0", "1", "2"]] * 2 and env.Sset == ["left", "right"]


def test_state_names_are_the_names_of_what_is_seen():
    assert Written(T, R, states=["left", "right"]).Oset == [["left", "right"]] * 2


def test_arrays_are_contiguous_doubles_and_own():
    given_T, given_R = np.asfortranarray(T), R.astype(np.float32)[..., ::-1]
    env = Written(given_T, given_R)
    for array in (env.T, env.R, env.O):
        assert array.dtype == np.float64 and array.flags.c_contiguous and array.flags.owndata
    given_T[0, 0, 0] = [1, 0]
    assert env.T[0, 0, 0, 0] == 0.5


def test_methods_that_must_be_there():
    class Nothing(Environment):
        N, M, Z = 1, 1, 1

    with pytest.raises(NotImplementedError, match=r"Nothing must define TransitionTensor\(\)"):
        Nothing()
    with pytest.raises(TypeError, match="N must be a whole number, got None"):
        Environment()


def changed(array, index, value):
    copy = np.array(array, dtype=float)
    copy[index] = value
    return copy


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((changed(T, (1, 0, 1), [0.4, 0.5]), R), r"T\[1, 0, 1\] sums to 0.9, must be 1"),
        ((changed(T, (1, 0, 1), [-0.5, 1.5]), R), r"T\[1, 0, 1, 0\] is -0.5, must be a probability"),
        ((changed(T, (0, 1, 1, 1), np.nan), R), r"T\[0, 1, 1, 1\] is nan, must be finite"),
        ((T, changed(R, (1, 0, 1, 0, 1), np.nan)), r"R\[1, 0, 1, 0, 1\] is nan, must be finite"),
        ((T, changed(R, (0, 0, 0, 0, 0), np.inf)), r"R\[0, 0, 0, 0, 0\] is inf, must be finite"),
        ((T, R[:1]), r"R has shape \(1, 2, 2, 2, 2\), must be \(2, 2, 2, 2, 2\)"),
        ((T[:, :, :1], R), r"T has shape \(2, 2, 1, 2\), must be"),
        ((T, "payoffs"), "R must be an array of real numbers"),
    ],
)
@pytest.mark.parametrize("make", [Written, TensorGame])
def test_bad_tensors_are_refused_by_entry(make, tensors, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(*tensors)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"ObservationTensor": np.full((2, 2, 2), 0.4)}, r"O\[0, 0\] sums to 0.8, must be 1"),
        ({"ObservationTensor": np.eye(2)}, r"O has shape \(2, 2\), must be \(N, Z, Q\) = \(2, 2, Q\)"),
        ({"FinalStates": [0, 2]}, r"F\[1\] is 2, must be 0 or 1"),
        ({"FinalStates": [0]}, r"F has shape \(1,\), must be \(2,\)"),
        ({"AvailableActions": np.zeros((2, 2, 2))}, r"available\[0, 0\] has no True entry"),
        ({"AvailableActions": np.ones((2, 2))}, r"available has shape \(2, 2\), must be \(2, 2, 2\)"),
        ({"actions": [["a", "b"]]}, r"actions\(\) must hold 2 entries"),
        ({"actions": [["a"], ["b"]]}, r"actions\(\)\[0\] must hold 2 entries"),
        ({"states": ["a", "b", "c"]}, r"states\(\) must hold 2 entries"),
        ({"observations": ["seen", "felt"]}, r"observations\(\)\[0\] must hold 2 entries"),
        ({"state": 2}, r"state must be in 0 … 1, got 2"),
        ({"state": -1}, r"state must be at least 0, got -1"),
    ],
)
def test_bad_descriptions_are_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        Written(T, R, **overrides)


def test_rounding_of_distributions_is_forgiven_but_not_mistakes():
    third = np.full((3, 1, 3), 1 / 3)
    assert TensorGame(third, np.zeros((1, 3, 1))).Z == 3
    with pytest.raises(ValueError, match="sums to 0.999999"):
        TensorGame(third.round(6), np.zeros((1, 3, 1)))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 1000))
def test_a_step_pays_what_the_tensor_says(N, M, Z, seed):
    env = random_game(N, M, Z, rng=seed)
    rng = np.random.default_rng(seed)
    env.reset()
    for _ in range(5):
        before, joint = env.state, tuple(rng.integers(0, M, size=N).tolist())
        observation, rewards, done, info = env.step(joint)
        assert type(done) is bool and not done and info == {"state": env.state}
        assert observation.dtype == np.int64 and observation.tolist() == [env.state] * N
        np.testing.assert_array_equal(rewards, env.R[(slice(None), before, *joint, env.state)])


def test_same_seed_same_play():
    env = random_game(2, 2, 5, Q=3, rng=0)

    def play(seed):
        seen = [env.reset(rng=seed)]
        for k in range(30):
            observation, rewards, _, info = env.step([k % 2, k % 3 % 2])
            seen.append(np.concatenate([observation, rewards, [info["state"]]]))
        return np.concatenate(seen)

    np.testing.assert_array_equal(play(7), play(7))
    assert not np.array_equal(play(7), play(8))
    np.testing.assert_array_equal(play(7), play(np.random.default_rng(7)))


def test_the_global_generator_is_left_alone():
    env = random_game(2, 2, 5, rng=0)
    np.random.seed(3)
    expected = np.random.get_state()[1].copy()
    env.reset(rng=1)
    env.step([0, 1])
    np.testing.assert_array_equal(np.random.get_state()[1], expected)


def test_frequencies_approach_probabilities():
    env = random_game(1, 2, 3, Q=2, rng=5)
    draws = 4000
    arrived, seen = np.zeros(3), np.zeros(2)
    env.reset(rng=1)
    for _ in range(draws):
        env.state = 1
        observation, _, _, info = env.step([1])
        arrived[info["state"]] += 1
        env.state = 2
        seen[env.observation()[0]] += 1
    for counts, p in ((arrived, env.T[1, 1]), (seen, env.O[0, 2])):
        assert (np.abs(counts / draws - p) < 4.5 * np.sqrt(p * (1 - p) / draws)).all()


def test_final_states_end_an_episode():
    cycle = np.eye(3)[[1, 2, 0]][:, None]
    env = TensorGame(cycle, np.zeros((1, 3, 1)), F=[0, 0, 1])
    assert [env.step([0])[2] for _ in range(4)] == [False, True, False, False]
    env.reset()
    assert env.state == 0 and env.reset(state=2).tolist() == [2] and env.state == 2


@pytest.mark.parametrize(
    ("joint", "error", "message"),
    [
        ([0], ValueError, "one entry per agent, 2 in all, got 1"),
        ([0, 2], ValueError, r"action of agent 1 must be one of \[0, 1\], got 2"),
        ([-1, 0], ValueError, "action of agent 0 must be at least 0"),
        ([0.5, 0], TypeError, "action of agent 0 must be a whole number"),
    ],
)
def test_impossible_actions(joint, error, message):
    with pytest.raises(error, match=message):
        TensorGame(T, R).step(joint)


def test_missing_actions_depend_on_the_state():
    available = np.ones((2, 2, 2), dtype=bool)
    available[0, 1, 0] = False
    env = TensorGame(T, R, available=available)
    env.reset(state=0)
    env.step([0, 0])
    env.reset(state=1)
    with pytest.raises(ValueError, match=r"action of agent 0 must be one of \[1\], got 0"):
        env.step([0, 0])


def test_numbers_per_agent():
    np.testing.assert_array_equal(make_variable_vector(2, 3), [2, 2, 2])
    np.testing.assert_array_equal(make_variable_vector((1, 2), 2), [1, 2])
    with pytest.raises(ValueError, match=r"alpha has shape \(2,\), must be a number or have shape \(3,\)"):
        make_variable_vector([1, 2], 3, "alpha")
    with pytest.raises(ValueError, match=r"alpha\[1\] is nan"):
        make_variable_vector([0.1, np.nan], 2, "alpha")
    with pytest.raises(ValueError, match=r"gamma\[1\] must be in \[0, 1\], got 1.5"):
        check_numbers("gamma", [0.5, 1.5], 0, 1)
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\], got -1"):
        check_numbers("gamma", -1, 0, 1)


def test_joint_actions_are_in_array_order():
    table = joint_actions(3, 2)
    assert table.tolist()[:3] == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]
    values = np.random.default_rng(0).normal(size=(2, 2, 2))
    np.testing.assert_array_equal(values.ravel(), values[tuple(table.T)])
