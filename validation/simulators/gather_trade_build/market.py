"""The continuous double auction.

A book is a list of orders. It is sorted from the best order on before matching and stays so; new orders come last. The
older of two orders that meet sets the price, and the ask does if they are of the same age.
"""

from __future__ import annotations

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    AGE,
    AGENT,
    ASK,
    BID,
    COIN,
    PRICE,
    Events,
    Output,
    Rules,
    State,
    Tally,
)

RARE = ("auction_all", "free_coin")
DISCOUNT = 0.995  # of past sales, per step


def append(e: int, q: int, side: int, i: int, price: int, s: State) -> None:
    """A new order, last in its book."""
    k = s.length[e, q, side]
    s.orders[e, q, side, k, AGENT] = i
    s.orders[e, q, side, k, PRICE] = price
    s.orders[e, q, side, k, AGE] = 0
    s.length[e, q, side] = k + 1
    s.open[e, q, i] += 1


def bid(e: int, q: int, i: int, price: int, rules: Rules, s: State) -> None:
    """Offer to buy, if there is coin for it; the coin goes to escrow."""
    if s.open[e, q, i] < rules.limit and s.inventory[e, i, COIN] >= price:
        append(e, q, BID, i, price, s)
        s.inventory[e, i, COIN] -= price
        s.escrow[e, i, COIN] += price
        s.labour[e, i] += rules.order_labour


def ask(e: int, q: int, i: int, price: int, rules: Rules, s: State) -> None:
    """Offer to sell, if there is a unit; the unit goes to escrow."""
    if s.open[e, q, i] < rules.limit and s.inventory[e, i, 1 + q] > 0:
        append(e, q, ASK, i, price, s)
        s.inventory[e, i, 1 + q] -= 1
        s.escrow[e, i, 1 + q] += 1
        s.labour[e, i] += rules.order_labour


def comes_before(e: int, q: int, side: int, k: int, price: int, age: int, s: State) -> bool:
    """Whether an order is better than the k-th of its book: higher bid, lower ask, and then older."""
    other = s.orders[e, q, side, k, PRICE]
    if price == other:
        return age > s.orders[e, q, side, k, AGE]
    return price > other if side == BID else price < other


def sort(e: int, q: int, side: int, s: State) -> None:
    """Sort a book; orders that are equally good stay in their order (insertion sort)."""
    for k in range(1, s.length[e, q, side]):
        agent, price = s.orders[e, q, side, k, AGENT], s.orders[e, q, side, k, PRICE]
        age, at = s.orders[e, q, side, k, AGE], k
        while at > 0 and comes_before(e, q, side, at - 1, price, age, s):
            for field in range(3):
                s.orders[e, q, side, at, field] = s.orders[e, q, side, at - 1, field]
            at -= 1
        s.orders[e, q, side, at, AGENT] = agent
        s.orders[e, q, side, at, PRICE] = price
        s.orders[e, q, side, at, AGE] = age


def remove(e: int, q: int, side: int, k: int, s: State) -> None:
    """Take the k-th order out of its book."""
    s.open[e, q, s.orders[e, q, side, k, AGENT]] -= 1
    last = s.length[e, q, side] - 1
    for at in range(k, last):
        for field in range(3):
            s.orders[e, q, side, at, field] = s.orders[e, q, side, at + 1, field]
    s.length[e, q, side] = last


def first_buyer(e: int, q: int, s: State, out: Output) -> int:
    """The best bid whose buyer is not out; -1 if there is none."""
    for k in range(s.length[e, q, BID]):
        if out.out[e, s.orders[e, q, BID, k, AGENT]] == 0.0:
            return k
    return -1


def first_seller(e: int, q: int, buyer: int, s: State) -> int:
    """The best ask of somebody else; -1 if there is none."""
    for k in range(s.length[e, q, ASK]):
        if s.orders[e, q, ASK, k, AGENT] != buyer:
            return k
    return -1


def trade(e: int, q: int, b: int, a: int, s: State, events: Events, tally: Tally) -> None:
    """Settle a bid and an ask."""
    buyer, offered = int(s.orders[e, q, BID, b, AGENT]), int(s.orders[e, q, BID, b, PRICE])
    seller, wanted = int(s.orders[e, q, ASK, a, AGENT]), int(s.orders[e, q, ASK, a, PRICE])
    bid_age, ask_age = int(s.orders[e, q, BID, b, AGE]), int(s.orders[e, q, ASK, a, AGE])
    price = wanted if bid_age <= ask_age else offered
    remove(e, q, BID, b, s)
    remove(e, q, ASK, a, s)
    s.escrow[e, seller, 1 + q] -= 1
    s.inventory[e, seller, COIN] += price
    s.escrow[e, buyer, COIN] -= offered
    s.inventory[e, buyer, 1 + q] += 1
    s.inventory[e, buyer, COIN] += offered - price
    s.history[e, q, seller, price] += 1
    for side in range(2):
        who = seller if side == 0 else buyer
        tally.trades[e, who, q, side, 0] += 1
        tally.trades[e, who, q, side, 1] += price
    k = int(events.trades[e])
    events.trade[e, k, 0] = q
    events.trade[e, k, 1] = seller
    events.trade[e, k, 2] = buyer
    events.trade[e, k, 3] = wanted
    events.trade[e, k, 4] = ask_age
    events.trade[e, k, 5] = offered
    events.trade[e, k, 6] = bid_age
    events.trade[e, k, 7] = price
    events.trades[e] = k + 1


def match(e: int, q: int, s: State, out: Output, events: Events, tally: Tally) -> None:
    """Best bids meet best asks, never of the same agent, until no buyer finds a seller."""
    for i in range(s.labour.shape[1]):
        out.out[e, i] = 0.0
    while True:
        b = first_buyer(e, q, s, out)
        if b < 0:
            return
        buyer = s.orders[e, q, BID, b, AGENT]
        a = first_seller(e, q, buyer, s)
        if a < 0 or s.orders[e, q, BID, b, PRICE] < s.orders[e, q, ASK, a, PRICE]:
            out.out[e, buyer] = 1.0
        else:
            trade(e, q, b, a, s, events, tally)


def release(e: int, q: int, side: int, k: int, s: State) -> None:
    """Cancel an order and give back what it bound."""
    i = s.orders[e, q, side, k, AGENT]
    if side == BID:
        price = s.orders[e, q, side, k, PRICE]
        s.escrow[e, i, COIN] -= price
        s.inventory[e, i, COIN] += price
    else:
        s.escrow[e, i, 1 + q] -= 1
        s.inventory[e, i, 1 + q] += 1
    remove(e, q, side, k, s)


def expire(e: int, q: int, side: int, rules: Rules, s: State) -> None:
    """Orders become older, and are cancelled when they are too old."""
    k = 0
    while k < s.length[e, q, side]:
        s.orders[e, q, side, k, AGE] += 1
        if s.orders[e, q, side, k, AGE] > rules.duration:
            release(e, q, side, k, s)
        else:
            k += 1


def free_coin(e: int, i: int, needed: float, s: State) -> None:
    """Cancel bids of an agent, wood before stone and the worst first, until the coin at hand is enough."""
    for turn in range(2):
        q = 1 - turn
        k = s.length[e, q, BID] - 1
        while k >= 0 and s.inventory[e, i, COIN] < needed:
            if s.orders[e, q, BID, k, AGENT] == i:
                release(e, q, BID, k, s)
            k -= 1


def auction(e: int, rules: Rules, s: State, out: Output, events: Events, tally: Tally) -> None:
    """New orders of stone, then of wood, by agents in order; matching; expiry."""
    events.trades[e] = 0
    n, prices = s.history.shape[2], s.history.shape[3]
    for q in range(2):
        for i in range(n):
            for p in range(prices):
                s.history[e, q, i, p] *= DISCOUNT
            buy, sell = int(out.chosen[e, i, 1 + 2 * q]), int(out.chosen[e, i, 2 + 2 * q])
            if buy > 0:
                bid(e, q, i, buy - 1, rules, s)
            if sell > 0:
                ask(e, q, i, sell - 1, rules, s)
    for q in range(2):
        for side in range(2):
            sort(e, q, side, s)
        match(e, q, s, out, events, tally)
        for side in range(2):
            expire(e, q, side, rules, s)


def auction_all(
    first: int, last: int, rules: Rules, s: State, out: Output, events: Events, tally: Tally
) -> None:
    """Agents of all environments trade."""
    for e in range(first, last):
        if out.fault[e] == 0:
            auction(e, rules, s, out, events, tally)


def sold(e: int, q: int, price: int, s: State) -> float:
    """Discounted number of sales at a price."""
    total = 0.0
    for i in range(s.history.shape[2]):
        total += s.history[e, q, i, price]
    return total
