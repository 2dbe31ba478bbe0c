"""The continuous double auction.

A book is a list of orders. It is sorted from the best order on before matching and stays so; new orders come last. The
older of two orders that meet sets the price, and the ask does if they are of the same age.
"""

from __future__ import annotations

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.state import (
    AGE,
    AGENT,
    ASK,
    BID,
    COIN,
    PRICE,
    Agents,
    Book,
    Log,
    Room,
    Rules,
)

RARE = ("auction_all", "free_coin")
DISCOUNT = 0.995  # of past sales, per step


def append(e: int, q: int, side: int, i: int, price: int, book: Book) -> None:
    """A new order, last in its book."""
    k = book.length[e, q, side]
    book.orders[e, q, side, k, AGENT] = i
    book.orders[e, q, side, k, PRICE] = price
    book.orders[e, q, side, k, AGE] = 0
    book.length[e, q, side] = k + 1
    book.open[e, q, i] += 1


def bid(e: int, q: int, i: int, price: int, rules: Rules, agents: Agents, book: Book) -> None:
    """Offer to buy, if there is coin for it; the coin goes to escrow."""
    if book.open[e, q, i] < rules.limit and agents.inventory[e, i, COIN] >= price:
        append(e, q, BID, i, price, book)
        agents.inventory[e, i, COIN] -= price
        agents.escrow[e, i, COIN] += price
        agents.labour[e, i] += rules.order_labour


def ask(e: int, q: int, i: int, price: int, rules: Rules, agents: Agents, book: Book) -> None:
    """Offer to sell, if there is a unit; the unit goes to escrow."""
    if book.open[e, q, i] < rules.limit and agents.inventory[e, i, 1 + q] > 0:
        append(e, q, ASK, i, price, book)
        agents.inventory[e, i, 1 + q] -= 1
        agents.escrow[e, i, 1 + q] += 1
        agents.labour[e, i] += rules.order_labour


def comes_before(e: int, q: int, side: int, k: int, price: int, age: int, book: Book) -> bool:
    """Whether an order is better than the k-th of its book: higher bid, lower ask, and then older."""
    other = book.orders[e, q, side, k, PRICE]
    if price == other:
        return age > book.orders[e, q, side, k, AGE]
    return price > other if side == BID else price < other


def sort(e: int, q: int, side: int, book: Book) -> None:
    """Sort a book; orders that are equally good stay in their order (insertion sort)."""
    for k in range(1, book.length[e, q, side]):
        agent, price = book.orders[e, q, side, k, AGENT], book.orders[e, q, side, k, PRICE]
        age, at = book.orders[e, q, side, k, AGE], k
        while at > 0 and comes_before(e, q, side, at - 1, price, age, book):
            for field in range(3):
                book.orders[e, q, side, at, field] = book.orders[e, q, side, at - 1, field]
            at -= 1
        book.orders[e, q, side, at, AGENT] = agent
        book.orders[e, q, side, at, PRICE] = price
        book.orders[e, q, side, at, AGE] = age


def remove(e: int, q: int, side: int, k: int, book: Book) -> None:
    """Take the k-th order out of its book."""
    book.open[e, q, book.orders[e, q, side, k, AGENT]] -= 1
    last = book.length[e, q, side] - 1
    for at in range(k, last):
        for field in range(3):
            book.orders[e, q, side, at, field] = book.orders[e, q, side, at + 1, field]
    book.length[e, q, side] = last


def first_buyer(e: int, q: int, book: Book, room: Room) -> int:
    """The best bid whose buyer is not out; -1 if there is none."""
    for k in range(book.length[e, q, BID]):
        if room.out[e, book.orders[e, q, BID, k, AGENT]] == 0.0:
            return k
    return -1


def first_seller(e: int, q: int, buyer: int, book: Book) -> int:
    """The best ask of somebody else; -1 if there is none."""
    for k in range(book.length[e, q, ASK]):
        if book.orders[e, q, ASK, k, AGENT] != buyer:
            return k
    return -1


def trade(
    e: int, q: int, b: int, a: int, agents: Agents, book: Book, trade_log: Log, traded: np.ndarray
) -> None:
    """Settle a bid and an ask."""
    buyer, offered = int(book.orders[e, q, BID, b, AGENT]), int(book.orders[e, q, BID, b, PRICE])
    seller, wanted = int(book.orders[e, q, ASK, a, AGENT]), int(book.orders[e, q, ASK, a, PRICE])
    bid_age, ask_age = int(book.orders[e, q, BID, b, AGE]), int(book.orders[e, q, ASK, a, AGE])
    price = wanted if bid_age <= ask_age else offered
    remove(e, q, BID, b, book)
    remove(e, q, ASK, a, book)
    agents.escrow[e, seller, 1 + q] -= 1
    agents.inventory[e, seller, COIN] += price
    agents.escrow[e, buyer, COIN] -= offered
    agents.inventory[e, buyer, 1 + q] += 1
    agents.inventory[e, buyer, COIN] += offered - price
    book.history[e, q, seller, price] += 1
    for side in range(2):
        who = seller if side == 0 else buyer
        traded[e, who, q, side, 0] += 1
        traded[e, who, q, side, 1] += price
    k = int(trade_log.size[e])
    trade_log.rows[e, k, 0] = q
    trade_log.rows[e, k, 1] = seller
    trade_log.rows[e, k, 2] = buyer
    trade_log.rows[e, k, 3] = wanted
    trade_log.rows[e, k, 4] = ask_age
    trade_log.rows[e, k, 5] = offered
    trade_log.rows[e, k, 6] = bid_age
    trade_log.rows[e, k, 7] = price
    trade_log.size[e] = k + 1


def match(e: int, q: int, agents: Agents, book: Book, room: Room, trade_log: Log, traded: np.ndarray) -> None:
    """Best bids meet best asks, never of the same agent, until no buyer finds a seller."""
    for i in range(agents.labour.shape[1]):
        room.out[e, i] = 0.0
    while True:
        b = first_buyer(e, q, book, room)
        if b < 0:
            return
        buyer = book.orders[e, q, BID, b, AGENT]
        a = first_seller(e, q, buyer, book)
        if a < 0 or book.orders[e, q, BID, b, PRICE] < book.orders[e, q, ASK, a, PRICE]:
            room.out[e, buyer] = 1.0
        else:
            trade(e, q, b, a, agents, book, trade_log, traded)


def release(e: int, q: int, side: int, k: int, agents: Agents, book: Book) -> None:
    """Cancel an order and give back what it bound."""
    i = book.orders[e, q, side, k, AGENT]
    if side == BID:
        price = book.orders[e, q, side, k, PRICE]
        agents.escrow[e, i, COIN] -= price
        agents.inventory[e, i, COIN] += price
    else:
        agents.escrow[e, i, 1 + q] -= 1
        agents.inventory[e, i, 1 + q] += 1
    remove(e, q, side, k, book)


def expire(e: int, q: int, side: int, rules: Rules, agents: Agents, book: Book) -> None:
    """Orders become older, and are cancelled when they are too old."""
    k = 0
    while k < book.length[e, q, side]:
        book.orders[e, q, side, k, AGE] += 1
        if book.orders[e, q, side, k, AGE] > rules.duration:
            release(e, q, side, k, agents, book)
        else:
            k += 1


def free_coin(e: int, i: int, needed: float, agents: Agents, book: Book) -> None:
    """Cancel bids of an agent, wood before stone and the worst first, until the coin at hand is enough."""
    for turn in range(2):
        q = 1 - turn
        k = book.length[e, q, BID] - 1
        while k >= 0 and agents.inventory[e, i, COIN] < needed:
            if book.orders[e, q, BID, k, AGENT] == i:
                release(e, q, BID, k, agents, book)
            k -= 1


def auction(
    e: int, rules: Rules, agents: Agents, book: Book, room: Room, trade_log: Log, traded: np.ndarray
) -> None:
    """New orders of stone, then of wood, by agents in order; matching; expiry."""
    trade_log.size[e] = 0
    n, prices = book.history.shape[2], book.history.shape[3]
    for q in range(2):
        for i in range(n):
            for p in range(prices):
                book.history[e, q, i, p] *= DISCOUNT
            buy, sell = int(room.chosen[e, i, 1 + 2 * q]), int(room.chosen[e, i, 2 + 2 * q])
            if buy > 0:
                bid(e, q, i, buy - 1, rules, agents, book)
            if sell > 0:
                ask(e, q, i, sell - 1, rules, agents, book)
    for q in range(2):
        for side in range(2):
            sort(e, q, side, book)
        match(e, q, agents, book, room, trade_log, traded)
        for side in range(2):
            expire(e, q, side, rules, agents, book)


def auction_all(
    first: int,
    last: int,
    rules: Rules,
    agents: Agents,
    book: Book,
    fault: np.ndarray,
    room: Room,
    trade_log: Log,
    traded: np.ndarray,
) -> None:
    """Agents of all environments trade."""
    for e in range(first, last):
        if fault[e] == 0:
            auction(e, rules, agents, book, room, trade_log, traded)


def sold(e: int, q: int, price: int, book: Book) -> float:
    """Discounted number of sales at a price."""
    total = 0.0
    for i in range(book.history.shape[2]):
        total += book.history[e, q, i, price]
    return total
