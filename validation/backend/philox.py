"""Philox 4x32-10: random numbers that are a function of a key and a counter.

The key is the seed and the counter says whose draw it is: (environment, step, agent, draw). So a draw depends neither
on the size of the batch, nor on the number of threads, nor on the device, and every episode can be replayed alone.

All words are signed 64-bit numbers that hold 32 bits. Products of two words wrap around in compiled code and do not in
the interpreter; the bits that are kept are the same.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC'11.
"""

from __future__ import annotations

WORD = 0xFFFFFFFF
MULTIPLIER_0, MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
WEYL_0, WEYL_1 = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10

WORLD = WORD  # the agent of draws that belong to no agent: what nature does


def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Scramble a counter of four 32-bit words with a key of two; four 32-bit words."""
    for _ in range(ROUNDS):
        p0, p1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = ((p1 >> 32) & WORD) ^ c1 ^ k0, p1 & WORD, ((p0 >> 32) & WORD) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
    return c0, c1, c2, c3


def uniform(environment: int, step: int, agent: int, draw: int, k0: int, k1: int) -> float:
    """One number, uniform on the 2^53 multiples of 2^-53 in [0, 1)."""
    w0, w1, _, _ = philox(environment, step, agent, draw, k0, k1)
    return ((w0 >> 5) * 67108864.0 + (w1 >> 6)) / 9007199254740992.0
