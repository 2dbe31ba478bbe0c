"""Stage games of the gather-trade-build economy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pycrld_econ.environments import harvest_commons, one_shot_auction, pure_equilibria, specialise_or_not
from pycrld_econ.environments.stage_games import outcome, sales


@settings(max_examples=40, deadline=None)
@given(
    choice=st.lists(st.integers(0, 2), min_size=2, max_size=4),
    price=st.floats(0, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_coin_comes_only_from_houses(choice: list[int], price: float, seed: int) -> None:
    """What is paid for material is earned with it, so that incomes add up to payments for houses."""
    rng, n = np.random.default_rng(seed), len(choice)
    pay, far, more = rng.uniform(5, 30, n), rng.uniform(0, 6, n), rng.uniform(0, 1, n)
    income, labour = outcome(choice, pay, price, far, more)
    free, _ = outcome(choice, pay, 0.0, far, more)
    assert income.sum() == pytest.approx(free.sum())
    assert (labour >= 0).all()


@given(st.lists(st.integers(-1, 6), max_size=4), st.lists(st.integers(-1, 6), max_size=4))
def test_sales_are_at_prices_both_sides_accept(bids: list[int], asks: list[int]) -> None:
    found = sales(bids, asks)
    assert all(bids[b] >= price == asks[s] >= 0 for b, s, price in found)
    assert len({b for b, _, _ in found}) == len(found) == len({s for _, s, _ in found})


@pytest.mark.parametrize("stock_dependent", [False, True])
def test_a_commons_is_a_game(stock_dependent: bool) -> None:
    game = harvest_commons(n=3, cells=5, chance=0.1, stock_dependent=stock_dependent)
    np.testing.assert_allclose(game.T.sum(-1), 1)
    assert (game.R[:, :, 0, 0, 0] == 0).all()
    empty = game.T[0, 0, 0, 0, 0]
    assert empty == (1 if stock_dependent else pytest.approx(0.9 ** (20 * 5)))


def test_dominant_actions_are_equilibria() -> None:
    payoffs = np.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]])
    assert pure_equilibria(payoffs) == [(1, 1)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: specialise_or_not([11.0, 0.0], 4.0, 3.0), r"payment\[1\] must be in"),
        (lambda: specialise_or_not([11.0, 20.0], -1.0, 3.0), "price must be in"),
        (
            lambda: specialise_or_not([11.0, 20.0], 4.0, 3.0, rates=[0.1]),
            "cutoffs and rates must be given together",
        ),
        (lambda: one_shot_auction([1.0], [1.0], highest=0), "highest must be at least 1, got 0"),
        (lambda: harvest_commons(chance=1.5), "chance must be in"),
    ],
)
def test_mistakes_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
