"""Memory: the vectorised construction against its definition, and what memory must not change."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycrld_econ.environments import (
    EcologicalPublicGood,
    HistoryEmbedded,
    NormalForm,
    PublicGood,
    SocialDilemma,
    TensorGame,
    mask_history,
    noisy_observation,
    random_game,
    with_observation,
)
from pycrld_econ.environments import history_embedding as module
from reference_impl.history_embedding import DOT, embed

PD = SocialDilemma(R=1.0, T=1.2, S=-0.5, P=0.0)


def tuples(table):
    return [tuple(tuple(DOT if v < 0 else v for v in block) for block in row) for row in table.tolist()]


def assert_same_as_definition(env, h):
    game = HistoryEmbedded(env, h)
    histories, chains, T, R, O = embed(env, h)  # noqa: E741
    assert tuples(game.histories) == histories
    assert tuples(game.chains) == chains
    np.testing.assert_array_equal(game.T, T)
    np.testing.assert_array_equal(game.R, R)
    np.testing.assert_allclose(game.O, O, rtol=0, atol=1e-16)
    return game


@st.composite
def games_with_memory(draw):
    N, M, Z = draw(
        st.sampled_from([(1, 2, 2), (1, 3, 2), (2, 2, 1), (2, 2, 2), (2, 3, 1), (3, 2, 1), (3, 2, 2)])
    )
    Q = draw(st.sampled_from([None, 1, 2, 3]))
    env = random_game(N, M, Z, Q, rng=draw(st.integers(0, 2**16)))
    if draw(st.booleans()):  # transitions that never happen, so that histories are left out
        T = (env.T == env.T.max(-1, keepdims=True)).astype(float)
        env = TensorGame(T, env.R, O=env.O)
    h = (draw(st.integers(0, 2)), *(draw(st.integers(0, 2)) for _ in range(N)))
    if M ** sum(h[1:]) * Z ** max(h[0], 1) > 64:
        h = (min(h[0], 1), *(min(length, 1) for length in h[1:]))
    return env, h


@settings(max_examples=40, deadline=None)
@given(games_with_memory())
def test_same_as_definition(game):
    assert_same_as_definition(*game)


@pytest.mark.parametrize("h", [(2, 1, 1), (1, 2, 1), (0, 1, 1), (0, 0, 0), (3, 0, 1), (1, 0, 2), (2, 2, 2)])
def test_same_as_definition_ecological(h):
    game = assert_same_as_definition(EcologicalPublicGood(2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1), h)
    np.testing.assert_allclose(game.T.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(game.O.sum(-1), 1, atol=1e-12)


def test_three_noisy_agents_with_two_step_memory():
    commons = EcologicalPublicGood(3, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
    noisy = with_observation(commons, [noisy_observation(2, v) for v in (0.9, 0.7, 1.0)])
    game = assert_same_as_definition(noisy, (2, 1, 1, 1))
    assert (game.Z, game.Q) == (31, 32)  # prosperity never collapses if all cooperate; eyes may say so


@pytest.mark.parametrize(
    "env", [PD, EcologicalPublicGood(3, 1.2, 5, -5, 0.2, 0.1), random_game(2, 3, 4, rng=0)]
)
def test_memory_of_the_present_state_is_the_game_itself(env):
    game = HistoryEmbedded(env, (1,) + (0,) * env.N)
    for name in ["T", "R", "O", "F", "available"]:
        np.testing.assert_array_equal(getattr(game, name), getattr(env, name))
    assert game.state == env.state


def test_memory_of_memory():
    inner = HistoryEmbedded(PD, (1, 1, 1))
    outer = assert_same_as_definition(inner, (1, 1, 0))
    assert outer.id() == "HistoryEmbeddedHistoryEmbeddedSocialDilemma_1.2_1.0_0.0_-0.5_h(1, 1, 1)_h(1, 1, 0)"


def test_hidden_state_without_states_changes_nothing():
    hidden, open_ = HistoryEmbedded(PD, (0, 1, 2)), HistoryEmbedded(PD, (1, 1, 2))
    for name in ["T", "R", "O"]:
        np.testing.assert_array_equal(getattr(hidden, name), getattr(open_, name))


def test_final_states_and_start_are_inherited():
    T = np.zeros((3, 2, 3))
    T[:, 0, 1], T[:, 1, 2] = 1, 1
    T[0] = [[1, 0, 0], [0.5, 0.5, 0]]
    env = TensorGame(T, np.zeros((1, 3, 2, 3)), F=[0, 0, 1], state=1)
    game = HistoryEmbedded(env, (2, 1))
    np.testing.assert_array_equal(game.F, env.F[game.newest])
    assert game.newest[game.state] == 1
    observation, _, done, info = game.step([1])
    assert done and game.newest[info["state"]] == 2


def test_missing_actions_stay_missing():
    env = NormalForm(np.random.default_rng(0).normal(size=(2, 2, 3)))
    game = HistoryEmbedded(env, (1, 1, 1))
    assert game.available.shape == (2, 9, 3)
    assert not game.available[0, :, 2].any() and game.available[1].all()


def test_playing_follows_the_shift():
    game = HistoryEmbedded(EcologicalPublicGood(2, 1.2, 5, -5, 0.2, 0.1), (2, 2, 1), rng=5)
    rng = np.random.default_rng(1)
    game.reset()
    for _ in range(50):
        before = game.histories[game.state]
        joint = rng.integers(0, 2, size=2)
        game.step(joint)
        after = game.histories[game.state]
        np.testing.assert_array_equal(after[-1, :2], joint)
        assert after[0, -1] == before[-1, -1] and after[0, 0] == before[-1, 0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(3)))
def test_renaming_states_first_or_last(seed, order):
    env = random_game(2, 2, 3, rng=seed)
    T = env.T[order][..., order]
    R = env.R[:, order][..., order]
    names = [str(s) for s in order]
    renamed = HistoryEmbedded(TensorGame(T, R, state_names=names), (2, 1, 0))
    plain = HistoryEmbedded(env, (2, 1, 0))
    place = [plain.Sset.index(name) for name in renamed.Sset]
    np.testing.assert_array_equal(renamed.T, plain.T[place][..., place])
    np.testing.assert_array_equal(renamed.R, plain.R[:, place][..., place])


def test_masked_slot_merges_what_differs_only_there():
    game = HistoryEmbedded(PD, (1, 2, 2))
    O = mask_history(game, agent=1, block=0, slot=0)  # noqa: E741
    np.testing.assert_array_equal(O[0], game.O[0])
    for x, history in enumerate(game.histories):
        for y, other in enumerate(game.histories):
            differs = np.argwhere(history != other)
            alike = len(differs) == 0 or differs.tolist() == [[0, 0]]
            assert np.array_equal(O[1, x], O[1, y]) == alike


def test_masks_of_several_slots_and_agents():
    game = HistoryEmbedded(PD, (1, 1, 1))
    blind = mask_history(game, 0, block=[0, 0], slot=[0, 1])
    both = mask_history(game, 1, block=-1, slot=0, O=blind)
    np.testing.assert_array_equal(both[0].argmax(-1), [0, 0, 0, 0])
    np.testing.assert_array_equal(both[1].argmax(-1), [0, 1, 0, 1])
    assert with_observation(game, both).Q == game.Q


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((2, 0, 0), "agent must be in"), ((0, 1, 0), "block must be in"), ((0, 0, 3), "slot must be in")],
)
def test_mask_refuses_what_is_not_there(arguments, message):
    with pytest.raises(ValueError, match=message):
        mask_history(HistoryEmbedded(PD, (1, 1, 1)), *arguments)


@pytest.mark.parametrize(
    ("h", "error", "message"),
    [
        ((1, 1), ValueError, r"h must hold 3 numbers .* got \(1, 1\)"),
        (2, ValueError, "h must hold 3 numbers"),
        ((1, -1, 1), ValueError, r"h\[1\] must be at least 0, got -1"),
        ((1, 0.5, 1), TypeError, r"h\[1\] must be a whole number, got 0.5"),
    ],
)
def test_bad_memory(h, error, message):
    with pytest.raises(error, match=message):
        HistoryEmbedded(PD, h)


def test_too_long_memory_is_refused_before_anything_is_made():
    start = process_time()
    with pytest.raises(
        ValueError, match=r"h = \(1, 40, 40\) makes [\d,]+ histories, whose tensors take .* EiB"
    ):
        HistoryEmbedded(PD, (1, 40, 40))
    assert process_time() - start < 0.1
    size = 448 * 1024
    game = HistoryEmbedded(PD, (1, 3, 3), max_bytes=size)
    assert game.T.nbytes + game.R.nbytes + game.O.nbytes == size
    with pytest.raises(ValueError, match=r"makes 64 histories, .* take 448.0 KiB; allowed are 447.0 KiB"):
        HistoryEmbedded(PD, (1, 3, 3), max_bytes=447 * 1024)


def test_speed_of_long_memory():
    HistoryEmbedded(PD, (1, 3, 3))
    start = process_time()
    for _ in range(10):
        HistoryEmbedded(PD, (1, 3, 3))
    assert (process_time() - start) / 10 < 0.02


def test_functions_with_known_names():
    game = HistoryEmbedded(PD, (1, 1, 2))
    assert module.StateActHistsIx(PD, (1, 1, 2))[0] == (DOT, 0, DOT, 0, 0, 0)
    assert module.ObsActHistsIx(PD, (1, 1, 2)) == module.StateActHistsIx(PD, (1, 1, 2))
    assert module.hSset(PD, (1, 1, 2)) == game.Sset and module.hOset(PD, (1, 1, 2)) == game.Oset
    np.testing.assert_array_equal(module.histSjA_TransitionTensor(PD, (1, 1, 2)), game.T)
    np.testing.assert_array_equal(module.histSjA_RewardTensor(PD, (1, 1, 2)), game.R)
    np.testing.assert_array_equal(module.histSjA_ObservationTensor(PD, (1, 1, 2)), game.O)


def test_four_agents():
    game = HistoryEmbedded(PublicGood(4, f=1.6), (1, 1, 1, 1, 1))
    assert game.Z == 16
    np.testing.assert_array_equal(game.T.reshape(16, 16, 16), np.broadcast_to(np.eye(16), (16, 16, 16)))
