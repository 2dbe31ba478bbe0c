"""Passes of `passes`, fused: the rules of one network, single precision, for threads of a processor.

Formulas are those of `passes`, step by step instead of array by array, so that a step's numbers stay in the cache.
A network's first and last axes are (time, network, game, unit); s is the state of the game, tables are (network, state,
gate). Sums over j run over the 3 H gate inputs r, z, n.
"""

from __future__ import annotations

import math

import numpy as np

BORROWED = True  # no array is made or kept

# Rational approximation of tanh on [-LIMIT, LIMIT], a few units of single precision wide.
LIMIT = 7.90531110763549805
TOP = (
    4.89352455891786e-03,
    6.37261928875436e-04,
    1.48572235717979e-05,
    5.12229709037114e-08,
    -8.60467152213735e-11,
    2.00018790482477e-13,
    -2.76076847742355e-16,
)
BOTTOM = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
T0, T1, T2, T3, T4, T5, T6 = (np.float32(c) for c in TOP)
B0, B1, B2, B3 = (np.float32(c) for c in BOTTOM)
HIGH, LOW, HALF, ONE, TWO = (
    np.float32(LIMIT),
    np.float32(-LIMIT),
    np.float32(0.5),
    np.float32(1),
    np.float32(2),
)
ZERO = np.float32(0)


def tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent without branches or calls, which the compiler turns into vector instructions."""
    y = min(max(x, LOW), HIGH)
    s = y * y
    top = y * (T0 + s * (T1 + s * (T2 + s * (T3 + s * (T4 + s * (T5 + s * T6))))))
    return top / (B0 + s * (B1 + s * (B2 + s * B3)))


def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + exp(-x))."""
    return HALF + HALF * tanh(HALF * x)


def step(m, h, r, z, v, u, table, recurrent, bias, t, n, b, s):  # type: ignore[no-untyped-def]
    """One step of network n in game b; `m` (network, 3 H) is scratch, h (T + 1, ...) the states, v the candidate."""
    size = h.shape[3]
    for j in range(3 * size):
        m[n, j] = bias[n, j]
    for k in range(size):
        x = h[t, n, b, k]
        for j in range(3 * size):
            m[n, j] += x * recurrent[n, k, j]
    for k in range(size):
        r[t, n, b, k] = sigmoid(table[n, s, k] + m[n, k])
        z[t, n, b, k] = sigmoid(table[n, s, size + k] + m[n, size + k])
        u[t, n, b, k] = m[n, 2 * size + k]
    for k in range(size):
        c = tanh(table[n, s, 2 * size + k] + r[t, n, b, k] * u[t, n, b, k])
        v[t, n, b, k] = c
        h[t + 1, n, b, k] = c + z[t, n, b, k] * (h[t, n, b, k] - c)


def forward(first, last, states, table, recurrent, bias, h, r, z, v, u, m):  # type: ignore[no-untyped-def]
    """Run networks over the states (T, U, B) that were seen; network n sees the games of n modulo U."""
    for n in range(first, last):
        for t in range(states.shape[0]):
            for b in range(states.shape[2]):
                step(m, h, r, z, v, u, table, recurrent, bias, t, n, b, states[t, n % states.shape[1], b])


def act(h, out, out_bias, p, t, n, b, x):  # type: ignore[no-untyped-def]
    """The action of network n in game b for the number x in [0, 1); `p` (network, A) is scratch."""
    count = out.shape[2]
    top = -np.inf
    for a in range(count):
        p[n, a] = out_bias[n, a]
        for k in range(out.shape[1]):
            p[n, a] += h[t + 1, n, b, k] * out[n, k, a]
        top = max(top, p[n, a])
    total = 0.0
    for a in range(count):
        p[n, a] = math.exp(p[n, a] - top)
        total += p[n, a]
    chosen, below = 0, 0.0
    for a in range(count - 1):
        below += p[n, a] / total
        if x >= below:
            chosen = a + 1
    return chosen


def play(  # type: ignore[no-untyped-def]
    first, last, draws, starts, successors, branches, strides, table, recurrent, bias, out, out_bias,
    states, actions, rows, h, r, z, v, u, m, p,
):  # fmt: skip
    """Games of the pairs of networks (i, i + U); draws (T + 1, U, B, 3), of whose last step the start is made."""
    pairs, games, steps = draws.shape[1], draws.shape[2], draws.shape[0] - 1
    count = out.shape[2]
    for i in range(first, last):
        for b in range(games):
            states[0, i, b] = starts[int(draws[steps, i, b, 2] * starts.shape[0])]
        for t in range(steps):
            for b in range(games):
                s = states[t, i, b]
                for side in range(2):
                    n = i + side * pairs
                    step(m, h, r, z, v, u, table, recurrent, bias, t, n, b, s)
                    actions[t, n, b] = act(h, out, out_bias, p, t, n, b, draws[t, i, b, side])
                row = s * count * count
                row += actions[t, i, b] * strides[i, 0] + actions[t, i + pairs, b] * strides[i, 1]
                rows[t, i, b] = row
                states[t + 1, i, b] = successors[row, int(draws[t, i, b, 2] * branches[row])]


def pull(  # type: ignore[no-untyped-def]
    first, last, states, h, r, z, v, u, d_out, back, out,
    d, of_table, of_recurrent, of_bias, of_out, of_out_bias, carry, m,
):  # fmt: skip
    """Gradients of networks for gradients d_out (T, N, B, A) of their outputs; what is summed into is 0 before."""
    size, count = h.shape[3], d_out.shape[3]
    for n in range(first, last):
        for t in range(states.shape[0] - 1, -1, -1):
            for b in range(states.shape[2]):
                s = states[t, n % states.shape[1], b]
                for a in range(count):
                    x = d_out[t, n, b, a]
                    of_out_bias[n, a] += x
                    for k in range(size):
                        carry[n, b, k] += x * out[n, a, k]
                        of_out[n, a, k] += x * h[t + 1, n, b, k]
                for k in range(size):
                    g, keep, c, gate = carry[n, b, k], z[t, n, b, k], v[t, n, b, k], r[t, n, b, k]
                    d[t, n, b, k] = g
                    of_c = g * (ONE - keep) * (ONE - c * c)
                    m[n, k] = of_c * u[t, n, b, k] * gate * (ONE - gate)
                    m[n, size + k] = g * (h[t, n, b, k] - c) * keep * (ONE - keep)
                    m[n, 2 * size + k] = of_c * gate
                    carry[n, b, k] = g * keep
                    of_table[n, s, 2 * size + k] += of_c
                    of_table[n, s, k] += m[n, k]
                    of_table[n, s, size + k] += m[n, size + k]
                spread(m, back, carry, of_recurrent, of_bias, h, t, n, b)


def spread(m, back, carry, of_recurrent, of_bias, h, t, n, b):  # type: ignore[no-untyped-def]
    """Hand gradients m of the gate inputs on to the state before, and sum them into those of the parameters."""
    size = h.shape[3]
    for j in range(3 * size):
        x = m[n, j]
        of_bias[n, j] += x
        for k in range(size):
            carry[n, b, k] += x * back[n, j, k]
    for k in range(size):
        x = h[t, n, b, k]
        for j in range(3 * size):
            of_recurrent[n, k, j] += x * m[n, j]


def push(  # type: ignore[no-untyped-def]
    first, last, states, h, r, z, v, u, table, recurrent, bias, out, out_bias, own_recurrent, own_out,
    h_dot, r_dot, z_dot, v_dot, u_dot, outputs, m,
):  # fmt: skip
    """Derivatives of passes along directions table, recurrent, bias, out, out_bias of their parameters."""
    size, count = h.shape[3], outputs.shape[3]
    for n in range(first, last):
        for t in range(states.shape[0]):
            for b in range(states.shape[2]):
                s = states[t, n % states.shape[1], b]
                for j in range(3 * size):
                    m[n, j] = bias[n, j]
                for k in range(size):
                    x, y = h_dot[t, n, b, k], h[t, n, b, k]
                    for j in range(3 * size):
                        m[n, j] += x * own_recurrent[n, k, j] + y * recurrent[n, k, j]
                for k in range(size):
                    gate, keep, c = r[t, n, b, k], z[t, n, b, k], v[t, n, b, k]
                    of_r = gate * (ONE - gate) * (table[n, s, k] + m[n, k])
                    of_z = keep * (ONE - keep) * (table[n, s, size + k] + m[n, size + k])
                    of_u = m[n, 2 * size + k]
                    of_c = (ONE - c * c) * (table[n, s, 2 * size + k] + of_r * u[t, n, b, k] + gate * of_u)
                    r_dot[t, n, b, k], z_dot[t, n, b, k] = of_r, of_z
                    u_dot[t, n, b, k], v_dot[t, n, b, k] = of_u, of_c
                    moved = of_c + of_z * (h[t, n, b, k] - c) + keep * (h_dot[t, n, b, k] - of_c)
                    h_dot[t + 1, n, b, k] = moved
                for a in range(count):
                    total = out_bias[n, a]
                    for k in range(size):
                        total += h_dot[t + 1, n, b, k] * own_out[n, a, k] + h[t + 1, n, b, k] * out[n, a, k]
                    outputs[t, n, b, a] = total


def curve(  # type: ignore[no-untyped-def]
    first, last, states, h, r, z, v, u, h_dot, r_dot, z_dot, v_dot, u_dot, d, d_out, d_out_dot, back, out,
    back_dot, out_dot, of_table, of_recurrent, of_bias, of_out, of_out_bias, carry, m, m_dot,
):  # fmt: skip
    """Derivatives of `pull` along a direction, whose derivatives of the passes are given."""
    size, count = h.shape[3], d_out.shape[3]
    for n in range(first, last):
        for t in range(states.shape[0] - 1, -1, -1):
            for b in range(states.shape[2]):
                s = states[t, n % states.shape[1], b]
                for a in range(count):
                    x, y = d_out_dot[t, n, b, a], d_out[t, n, b, a]
                    of_out_bias[n, a] += x
                    for k in range(size):
                        carry[n, b, k] += x * out[n, a, k] + y * out_dot[n, a, k]
                        of_out[n, a, k] += x * h[t + 1, n, b, k] + y * h_dot[t + 1, n, b, k]
                for k in range(size):
                    g_dot, g = carry[n, b, k], d[t, n, b, k]
                    keep, c, gate, inner = z[t, n, b, k], v[t, n, b, k], r[t, n, b, k], u[t, n, b, k]
                    keep_dot, c_dot, gate_dot = z_dot[t, n, b, k], v_dot[t, n, b, k], r_dot[t, n, b, k]
                    gap, gap_dot = h[t, n, b, k] - c, h_dot[t, n, b, k] - c_dot
                    f_n, f_z = (ONE - keep) * (ONE - c * c), keep * (ONE - keep)
                    f_n_dot = -keep_dot * (ONE - c * c) - TWO * (ONE - keep) * c * c_dot
                    f_r = inner * gate * (ONE - gate)
                    f_r_dot = u_dot[t, n, b, k] * gate * (ONE - gate) + inner * (ONE - TWO * gate) * gate_dot
                    of_c, of_c_dot = g * f_n, g_dot * f_n + g * f_n_dot
                    m[n, k], m_dot[n, k] = of_c * f_r, of_c_dot * f_r + of_c * f_r_dot
                    m[n, size + k] = g * gap * f_z
                    m_dot[n, size + k] = g_dot * gap * f_z + g * (
                        gap_dot * f_z + gap * (ONE - TWO * keep) * keep_dot
                    )
                    m[n, 2 * size + k], m_dot[n, 2 * size + k] = (
                        of_c * gate,
                        of_c_dot * gate + of_c * gate_dot,
                    )
                    carry[n, b, k] = g_dot * keep + g * keep_dot
                    of_table[n, s, 2 * size + k] += of_c_dot
                    of_table[n, s, k] += m_dot[n, k]
                    of_table[n, s, size + k] += m_dot[n, size + k]
                spread(m_dot, back, carry, of_recurrent, of_bias, h, t, n, b)
                for j in range(3 * size):
                    x = m[n, j]
                    for k in range(size):
                        carry[n, b, k] += x * back_dot[n, j, k]
                for k in range(size):
                    x = h_dot[t, n, b, k]
                    for j in range(3 * size):
                        of_recurrent[n, k, j] += x * m[n, j]
