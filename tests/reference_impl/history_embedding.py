"""History embedding by its definition: all pairs of histories, plain loops, nothing clever.

A history is a tuple of blocks, oldest first; a block is (a_1, ..., a_N, s); '.' marks what is not remembered.
"""

from __future__ import annotations

from itertools import product

import numpy as np

DOT = "."


def enumerate_histories(h, actions, conditions):
    """All combinations of values of the remembered slots, leftmost slot slowest."""
    blocks = max(*h, 1)
    choices = []
    for position in range(blocks):
        back = blocks - 1 - position
        choices += [range(actions) if back < length else [DOT] for length in h[1:]]
        choices += [range(conditions) if back < h[0] else [DOT]]
    width = len(h)
    return [tuple(flat[k : k + width] for k in range(0, len(flat), width)) for flat in product(*choices)]


def possible(T, history):
    """No block of the history has probability zero after the state before it."""
    before = DOT
    for *acts, state in history:
        index = tuple(slice(None) if value == DOT else value for value in (before, *acts, state))
        if not np.sum(T[index]) > 0:
            return False
        before = state
    return True


def agree(left, right):
    """Slot by slot the same, or not remembered in one of them."""
    return all(a == b or DOT in (a, b) for a, b in zip(left, right, strict=True))


def embed(env, h):
    """Histories, observed histories, and the tensors T, R, O of the game `env` with memory h."""
    hidden = (max(h[0], 1), *h[1:])
    histories = [x for x in enumerate_histories(hidden, env.M, env.Z) if possible(env.T, x)]
    joints = list(product(range(env.M), repeat=env.N))
    T = np.zeros((len(histories), *(env.M,) * env.N, len(histories)))
    R = np.zeros((env.N, *T.shape))
    for (x, old), a, (y, new) in product(enumerate(histories), joints, enumerate(histories)):
        *acts, state = new[-1]
        if not agree(acts, a):
            continue
        R[(slice(None), x, *a, y)] = env.R[(slice(None), old[-1][-1], *a, state)]
        if all(agree(b, c) for b, c in zip(old[1:], new[:-1], strict=True)):
            T[(x, *a, y)] = env.T[(old[-1][-1], *a, state)]
    chains = enumerate_histories(h, env.M, env.Q)
    O = np.zeros((env.N, len(histories), len(chains)))  # noqa: E741
    for i, (x, history), (o, chain) in product(range(env.N), enumerate(histories), enumerate(chains)):
        if any(b[:-1] != c[:-1] for b, c in zip(history, chain, strict=True)):
            continue
        O[i, x, o] = np.prod(
            [env.O[i, b[-1], c[-1]] for b, c in zip(history, chain, strict=True) if c[-1] != DOT]
        )
    seen = O.any((0, 1))
    return histories, [c for c, keep in zip(chains, seen, strict=True) if keep], T, R, O[..., seen]
