"""Each family of games against plain loops, its symmetries, and its published numbers."""

from __future__ import annotations

from itertools import product
from math import erf, sqrt
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycrld_econ.environments import (
    BenefitGame,
    BertrandPricing,
    EcologicalPublicGood,
    ExchangeableEcologicalPublicGood,
    ExchangeableGame,
    ExchangeablePublicGood,
    GridWorld,
    MultipleObsSocialDilemma,
    NormalForm,
    PublicGood,
    RenewableResource,
    RenewableResources,
    RenewableRessources,
    RiskReward,
    RockPaperScissors,
    SocialDilemma,
    TensorGame,
    TwoStateGame,
    UncertainSocialDilemma,
    alias_observation,
    battle_of_the_sexes,
    chicken,
    coordination,
    dilemma_type,
    from_bimatrix,
    harmony,
    indifference_point,
    matching_pennies,
    memory_one,
    memory_one_pair,
    memory_one_strategy,
    name_of,
    noisy_observation,
    prisoners_dilemma,
    random_bimatrix,
    stack_observations,
    stag_hunt,
    temporal_reward_risk,
    with_observation,
)
from pycrld_econ.environments.bertrand_pricing import logit_demand

unit = st.floats(0, 1)
payoff = st.floats(-10, 10)


# ---- normal-form games


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 1000))
def test_payoffs_return_from_tensors(counts, seed):
    payoffs = np.random.default_rng(seed).normal(size=(len(counts), *counts))
    game = NormalForm(payoffs)
    np.testing.assert_array_equal(game.payoffs(), payoffs)
    assert game.available.sum((1, 2)).tolist() == counts
    assert (game.N, game.M, game.Z, game.Q) == (len(counts), max(counts), 1, 1)
    assert (game.T == 1).all()


def test_names_of_unequal_agents():
    game = NormalForm(np.zeros((2, 1, 3)), action_names=[["only"], ["a", "b", "c"]])
    assert game.Aset == [["only", "-", "-"], ["a", "b", "c"]]
    with pytest.raises(ValueError, match=r"action_names must hold \[1, 3\] names per agent"):
        NormalForm(np.zeros((2, 1, 3)), action_names=[["x", "y"], ["a", "b", "c"]])


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        (np.zeros((2, 2)), "one table per agent"),
        (np.zeros((3, 2, 2)), "one table per agent"),
        (np.zeros((2, 0, 2)), "one table per agent"),
        ([[[1, np.nan], [0, 0]]] * 2, r"payoffs\[0, 0, 1\] is nan"),
    ],
)
def test_bad_payoffs(payoffs, message):
    with pytest.raises(ValueError, match=message):
        NormalForm(payoffs)


def test_bimatrix():
    A, B = np.arange(6.0).reshape(2, 3), np.arange(6.0, 12).reshape(2, 3)
    np.testing.assert_array_equal(from_bimatrix(A, B).payoffs(), [A, B])
    np.testing.assert_array_equal(from_bimatrix(A[:, :2]).payoffs()[1], A[:, :2].T)
    with pytest.raises(ValueError, match="A must be square if B is not given"):
        from_bimatrix(A)
    with pytest.raises(ValueError, match="the same shape"):
        from_bimatrix(A, A.T)


def test_sizes_are_read_off_the_transitions():
    with pytest.raises(ValueError, match=r"T has shape \(2, 3, 2, 2\)"):
        TensorGame(np.ones((2, 3, 2, 2)), np.zeros((2, 2, 3, 2, 2)))
    with pytest.raises(ValueError, match=r"T has shape \(4,\)"):
        TensorGame(np.ones(4), np.zeros(4))


@settings(max_examples=50, deadline=None)
@given(payoff, payoff, payoff, payoff)
def test_social_dilemma(R, T, S, P):
    game = SocialDilemma(R, T, S, P)
    assert (game.Re, game.Te, game.Su, game.Pu) == (R, T, S, P)
    own, other = game.payoffs()
    np.testing.assert_array_equal(own, [[R, S], [T, P]])
    np.testing.assert_array_equal(other, own.T)
    y = indifference_point(R, T, S, P)
    if y is not None:
        assert 0 < y < 1
        scale = max(map(abs, (R, T, S, P)))
        np.testing.assert_allclose(own[0] @ [y, 1 - y], own[1] @ [y, 1 - y], atol=1e-12 * scale)


def test_named_dilemmas_are_what_they_say():
    for make in (prisoners_dilemma, stag_hunt, chicken, harmony):
        game = make()
        assert dilemma_type(game.Re, game.Te, game.Su, game.Pu) == make.__name__.replace("_", " ")
    assert dilemma_type(1, 1, 0, 0) == "degenerate" and indifference_point(3, 5, 0, 1) is None
    for bad in (lambda: prisoners_dilemma(R=0), lambda: stag_hunt(T=5), lambda: coordination(miss=2)):
        with pytest.raises(ValueError, match="prisoners dilemma|is no stag hunt"):
            bad()
    np.testing.assert_array_equal(matching_pennies(2.0).payoffs().sum(0), 0)
    with pytest.raises(ValueError, match="high > low > 0"):
        battle_of_the_sexes(high=1, low=2)


# ---- ecological public good


def loops_of_ecological_public_good(N, f, c, m, qc, qr, choice):
    T, R = np.zeros((2, *(2,) * N, 2)), np.zeros((N, 2, *(2,) * N, 2))
    for a in product((0, 1), repeat=N):
        collapse = sum(qc[j] for j in range(N) if a[j] == 1) / N
        recovery = sum(qr[j] for j in range(N) if a[j] == 0 or not choice) / N
        T[(1, *a)], T[(0, *a)] = [collapse, 1 - collapse], [1 - recovery, recovery]
        for i, s, y in product(range(N), (0, 1), (0, 1)):
            pot = sum(f[j] * c[j] for j in range(N) if a[j] == 0) / N
            R[(i, s, *a, y)] = pot - c[i] * (a[i] == 0) if s == y == 1 else m[i]
    return T, R


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.booleans(), st.integers(0, 1000))
def test_ecological_public_good(N, choice, seed):
    rng = np.random.default_rng(seed)
    f, c, m = rng.uniform(0, 3, N), rng.uniform(0, 5, N), rng.uniform(-6, 0, N)
    qc, qr = rng.random(N), rng.random(N)
    game = EcologicalPublicGood(N, f, c, m, qc, qr, choice)
    T, R = loops_of_ecological_public_good(N, f, c, m, qc, qr, choice)
    np.testing.assert_allclose(game.T, T, atol=1e-14)
    np.testing.assert_allclose(game.R, R, atol=1e-13)
    np.testing.assert_allclose(game.T.sum(-1), 1, atol=1e-14)
    order = rng.permutation(N)
    renamed = EcologicalPublicGood(N, f[order], c[order], m[order], qc[order], qr[order], choice)
    np.testing.assert_allclose(renamed.T, game.T.transpose(0, *(1 + order), N + 1), atol=1e-14)
    axes = (0, 1, *(2 + order), N + 2)
    np.testing.assert_allclose(renamed.R, game.R[order].transpose(axes), atol=1e-13)


def test_ecological_public_good_of_twelve_is_fast():
    start = process_time()
    game = EcologicalPublicGood(12, 1.2, 5, -5, 0.2, 0.01)
    assert process_time() - start < 0.5
    assert game.T.shape == (2, *(2,) * 12, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qc": 1.1}, r"qc must be in \[0, 1\], got 1.1"),
        ({"qr": [0.1, -0.1]}, r"qr\[1\] must be in \[0, 1\], got -0.1"),
        ({"m": np.nan}, "m is nan, must be finite"),
        ({"f": [1, 2, 3]}, r"f has shape \(3,\)"),
        ({"N": 0}, "N must be at least 1"),
    ],
)
def test_bad_ecological_public_good(changes, message):
    with pytest.raises(ValueError, match=message):
        EcologicalPublicGood(**{**dict(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), **changes})


# ---- counted agents


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 1000))
def test_counted_game_is_its_tensor_game(N, Z, seed):
    rng = np.random.default_rng(seed)
    T = rng.dirichlet(np.ones(Z), size=(Z, N + 1))
    R = rng.normal(size=(Z, 2, N, Z))
    game = ExchangeableGame(N, R, T)
    general = game.to_tensor_game()
    for s, y in product(range(Z), range(Z)):
        for a in product((0, 1), repeat=N):
            k = a.count(0)
            assert general.T[(s, *a, y)] == T[s, k, y]
            for i in range(N):
                assert general.R[(i, s, *a, y)] == R[s, a[i], k - (a[i] == 0), y]
    joint = tuple(rng.integers(0, 2, size=N).tolist())
    for counted, tensor in zip(game.outcomes(0, joint), general.outcomes(0, joint), strict=True):
        np.testing.assert_array_equal(counted, tensor)


def test_counted_public_goods_are_the_public_goods():
    for N in (1, 2, 4):
        same = ExchangeablePublicGood(N, f=1.6, c=2.0).to_tensor_game()
        np.testing.assert_allclose(same.R, PublicGood(N, f=1.6, c=2.0).R, atol=1e-14)
    parameters = dict(N=4, f=2.4, c=5, m=-3, qc=0.02, qr=1e-4, degraded_choice=True)
    counted, general = ExchangeableEcologicalPublicGood(**parameters), EcologicalPublicGood(**parameters)
    for name in ("T", "R", "O", "F"):
        np.testing.assert_allclose(
            getattr(counted.to_tensor_game(), name), getattr(general, name), atol=1e-14
        )
    assert counted.state == general.state and counted.Sset == general.Sset and counted.Aset == general.Aset


def test_counted_game_has_no_tensors_by_accident():
    crowd = ExchangeablePublicGood(100, f=3.0)
    assert not hasattr(crowd, "T") and not hasattr(crowd, "R")
    with pytest.raises(AttributeError, match="use T_count"):
        crowd.T  # noqa: B018
    with pytest.raises(ValueError, match=r"2\^100 columns; allowed are 16 agents"):
        crowd.to_tensor_game()
    _, rewards, _, _ = crowd.step([0] * 60 + [1] * 40)
    np.testing.assert_allclose(rewards, [3.0 * 0.6 - 1] * 60 + [3.0 * 0.6] * 40)


def test_bad_counted_games():
    with pytest.raises(ValueError, match=r"T\[0, 1\] sums to 0.5"):
        ExchangeableGame(1, np.zeros((1, 2, 1)), T=[[[1], [0.5]]])
    with pytest.raises(ValueError, match=r"R has shape \(1, 2, 4, 1\), must be \(1, 2, 3, 1\)"):
        ExchangeableGame(3, np.zeros((1, 2, 4)))
    with pytest.raises(ValueError, match=r"qc must be in \[0, 1\]"):
        ExchangeableEcologicalPublicGood(3, 1.2, 5, -5, 1.2, 0.1)


# ---- observations


@given(st.integers(2, 6), unit)
def test_noisy_observation(Z, v):
    O = noisy_observation(Z, v)  # noqa: E741
    np.testing.assert_allclose(O.sum(-1), 1, atol=1e-14)
    np.testing.assert_allclose(np.diag(O), v, atol=1e-15)
    off = O[~np.eye(Z, dtype=bool)]
    np.testing.assert_allclose(off, (1 - v) / (Z - 1), atol=1e-15)


def test_alias_and_stack():
    np.testing.assert_array_equal(alias_observation([[1], [0, 2]]), [[0, 1], [1, 0], [0, 1]])
    stacked = stack_observations([np.eye(2), np.ones((2, 1))])
    np.testing.assert_array_equal(stacked[1], [[1, 0], [1, 0]])
    with pytest.raises(ValueError, match="state 1 is in none"):
        alias_observation([[0], [2]])
    with pytest.raises(ValueError, match=r"one array \(Z, Q_i\) per agent"):
        stack_observations([np.eye(2), np.eye(3)])


def test_with_observation_changes_only_that():
    env = EcologicalPublicGood(3, 1.2, 5, -5, 0.2, 0.1)
    seen = with_observation(env, noisy_observation(2, 0.8))
    for name in ("T", "R", "F", "available"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(env, name))
    assert seen.Aset == env.Aset and seen.Sset == env.Sset and seen.state == env.state
    assert not np.shares_memory(seen.T, env.T) and seen.O.shape == (3, 2, 2)
    assert with_observation(env, np.ones((2, 1)), observation_names=[["?"]] * 3, name="blind").id() == "blind"


@given(unit, unit)
def test_uncertain_social_dilemma_noise(first, second):
    game = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, pC=0.3, obsnoise=[first, second])
    assert game.Q == (1 if min(first, second) > 0.5 else 2)
    if game.Q == 2:
        for i, noise in enumerate((first, second)):
            n = min(noise, 0.5)
            np.testing.assert_allclose(game.O[i], [[1 - n, n], [n, 1 - n]], atol=1e-15)
    np.testing.assert_allclose(game.T[..., 1], 0.3)
    assert game.Aset == [["coop.", "defect."]] * 2 and game.Sset == ["no contract", "contract"]


def test_several_observation_models():
    two = MultipleObsSocialDilemma([5, 5], [6, 2], [-1, -1], [0, 0], 0.3, observation_value=[0.8, 1.0])
    same = UncertainSocialDilemma(5, 6, -1, 0, 5, 2, -1, 0, pC=0.3, obsnoise=[0.2, 0.0])
    for name in ("T", "R", "O"):
        np.testing.assert_allclose(getattr(two, name), getattr(same, name), atol=1e-15)
    one = MultipleObsSocialDilemma(5, 6, -1, 0)
    np.testing.assert_array_equal(one.R, SocialDilemma(5, 6, -1, 0).R)
    with pytest.raises(ValueError, match="observation_type must be 'default', got 'fill'"):
        MultipleObsSocialDilemma(5, 6, -1, 0, observation_type="fill")


# ---- single agents


def test_renewable_resource_loops():
    r, C, pR, deltaE, sig = 0.8, 8, 0.1, 0.2, 0.5
    game = RenewableResource(r=r, C=C, pR=pR, deltaE=deltaE, sig=sig)
    growth = [r * x * (1 - x / C) for x in range(20)]
    Z = next(x for x in range(1, 20) if growth[x] <= 0)
    msy = max(growth[:Z])
    assert (game.Z, game.MSY) == (Z, msy)

    def below(x):
        return (1 + erf(x / sqrt(2))) / 2

    for s, a in product(range(Z), range(3)):
        e = [0, (1 - deltaE) * msy, (1 + deltaE) * msy][a]
        left = max(s - e, 0)
        floor = [(1 + deltaE) * pR, (1 - deltaE) * pR, 0][a]
        mu = min(max(left + r * left * (1 - left / C), floor), Z - 1)
        edges = [-np.inf, *(k + 0.5 for k in range(Z - 1)), np.inf]
        for y in range(Z):
            p = below((edges[y + 1] - mu) / sig) - below((edges[y] - mu) / sig)
            np.testing.assert_allclose(game.T[s, a, y], p, atol=1e-14)
            np.testing.assert_allclose(game.R[0, s, a, y], e * (0.1 if s == 0 or y == 0 else 1))
    assert RenewableResources is RenewableResource and RenewableRessources is RenewableResource


def test_overlapping_perception_is_shared_evenly():
    game = RenewableResource(r=0.8, C=6, obs=[[0, 1, 2], [2, 3, 4, 5]])
    np.testing.assert_array_equal(game.O[0, 2], [0.5, 0.5])
    assert game.Z == 6 and game.Q == 2


def test_risk_reward():
    game = RiskReward(pc=0.3, pr=0.1, rs=0.6, rr=0.8, rd=0.001)
    assert game.T.tolist() == [[[1, 0], [0.7, 0.3]], [[0.1, 0.9], [0, 1]]]
    assert temporal_reward_risk(rl=0.5, rh=1.0).R[0].tolist() == [[[0.5, 0], [1, 0]], [[0, 0], [0, 0]]]


def test_grid_world_moves():
    game = GridWorld(["#.+", "..."], step_reward=-0.1)
    assert game.Sset == ["1,2", "1,3", "2,1", "2,2", "2,3"]
    assert game.T[0, :, :].argmax(-1).tolist() == [0, 1, 3, 0]
    np.testing.assert_allclose(game.T[1], np.tile([0.25, 0, 0.25, 0.25, 0.25], (4, 1)))
    assert game.R[0, 0, 1, 1] == 0.9 and game.R[0, 0, 1, 0] == -0.1
    assert GridWorld(final=True).F.tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="layout"):
        GridWorld(["##"])


# ---- pairs


def test_two_state_game():
    with pytest.raises(ValueError, match=r"leave\[1, 0, 1\] must be in \[0, 1\]"):
        TwoStateGame(np.zeros((2, 2, 2, 2)), [[[0, 0], [0, 0]], [[0, 2], [0, 0]]])
    game = BenefitGame(b1=10, b2=2, c=1)
    assert game.R[1, 1, 0, 1, 0] == 2 and game.R[0, 1, 0, 1, 0] == -1


def test_rock_paper_scissors_zero_sum():
    np.testing.assert_array_equal(RockPaperScissors(0.5, -0.5).payoffs().sum(0), 0)
    first, second = RockPaperScissors(0.1, 0.2, win=2, loss=3).payoffs()
    assert first.tolist() == [[0.1, -3, 2], [2, 0.1, -3], [-3, 2, 0.1]]
    np.testing.assert_array_equal(second - 0.2 * np.eye(3), (first - 0.1 * np.eye(3)).T)


@pytest.mark.parametrize("strategy", ["AllC", "AllD", "TFT", "Grim", "WSLS", "ccdd"])
@pytest.mark.parametrize("agent", [0, 1])
def test_memory_one_strategies_act_on_their_own_view(strategy, agent):
    game = memory_one(prisoners_dilemma())
    word = {"AllC": "cccc", "AllD": "dddd", "TFT": "cdcd", "Grim": "cddd", "WSLS": "cddc"}.get(
        strategy, strategy
    )
    X = memory_one_strategy(strategy, agent)
    for z, name in enumerate(game.Sset):
        last = name.rstrip("|").split(",")[:2]
        own, other = last if agent == 0 else last[::-1]
        assert "cd"[X[z].argmax()] == word[["cc", "cd", "dc", "dd"].index(own + other)]
    assert name_of(X, agent) == strategy


def test_memory_one_pair_with_exploration():
    X = memory_one_pair("win-stay-lose-shift", [0.2, 0.3, 0.4, 0.5], exploration=0.1)
    assert X.shape == (2, 4, 2)
    np.testing.assert_allclose(X.sum(-1), 1)
    np.testing.assert_allclose(X[0, :, 0], [0.95, 0.05, 0.05, 0.95])
    np.testing.assert_allclose(X[1, :, 0], 0.9 * np.array([0.2, 0.4, 0.3, 0.5]) + 0.05)
    with pytest.raises(ValueError, match="agent must be 0 or 1"):
        memory_one_strategy("TFT", 2)


def test_bertrand_published_numbers():
    game = BertrandPricing()
    np.testing.assert_allclose(game.nash, 1.4729267, atol=5e-8)
    np.testing.assert_allclose(game.monopoly, 1.9249809, atol=5e-8)
    np.testing.assert_allclose(game.nash_profit, 0.2229267, atol=5e-8)
    np.testing.assert_allclose(game.monopoly_profit, 0.3374905, atol=5e-8)
    np.testing.assert_allclose(game.grid[0, [0, -1]], [1.4277212, 1.9701863], atol=5e-8)
    np.testing.assert_allclose(np.diff(game.grid), 0.0387475, atol=5e-8)
    p, q = game.grid[0, 3], game.grid[0, 9]
    weights = np.exp([(2 - p) / 0.25, (2 - q) / 0.25, 0])
    np.testing.assert_allclose(game.payoffs()[0, 3, 9], (p - 1) * weights[0] / weights.sum())
    np.testing.assert_allclose(game.payoffs()[1], game.payoffs()[0].T, rtol=1e-12)


def test_bertrand_first_order_conditions():
    game = BertrandPricing(
        firms=3, prices=4, quality=[2.0, 2.4, 1.8], cost=[1.0, 1.1, 0.7], outside=0.2, mu=0.3
    )
    quality, cost = np.array([2.0, 2.4, 1.8]), np.array([1.0, 1.1, 0.7])
    q = logit_demand(game.nash, quality, 0.2, 0.3)
    np.testing.assert_allclose((game.nash - cost) * (1 - q), 0.3, rtol=1e-12)
    q = logit_demand(game.monopoly, quality, 0.2, 0.3)
    np.testing.assert_allclose((game.monopoly - cost) * (1 - q.sum()), 0.3, rtol=1e-12)
    assert (game.nash < game.monopoly).all() and game.N == 3 and game.M == 4


def test_logit_demand_never_overflows():
    demand = logit_demand([[1.0, 1.1], [300.0, 1.0]], mu=1e-4)
    assert np.isfinite(demand).all()
    np.testing.assert_allclose(demand[1], [0, 1])


def test_random_bimatrix_correlation():
    A, B = random_bimatrix(100, correlation=1.0, rng=3).payoffs()
    np.testing.assert_array_equal(A, B)
    A, B = random_bimatrix(300, correlation=-0.4, scale=2.0, rng=3).payoffs()
    assert abs(np.corrcoef(A.ravel(), B.ravel())[0, 1] + 0.4) < 0.02 and abs(A.std() - 2) < 0.02
