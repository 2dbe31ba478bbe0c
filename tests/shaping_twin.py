"""Slow, obvious twins of the shaping kernels: derivatives by complex steps through a plain formula."""

from __future__ import annotations

import numpy as np


def complex_value(game, z, k):
    """V_k of complex logits (N, S), written out state by state."""
    p, A = 1 / (1 + np.exp(-np.asarray(z, complex))), game.S - 1
    chain = np.ones((A + 1, A), complex)
    for s in range(A + 1):
        for a in range(A):
            for i in range(game.N):
                bit = (a >> (game.N - 1 - i)) & 1
                chain[s, a] *= p[i, s] if bit else 1 - p[i, s]
    visits = np.linalg.solve(np.eye(A) - game.gamma * chain[:A].T, chain[A])
    return visits @ game.payoffs[k]


def logit_gradient(game, z, k, i):
    """dV_k / dz_i by complex steps."""
    result = np.zeros(game.S)
    for s in range(game.S):
        nudged = np.array(z, complex)
        nudged[i, s] += 1e-30j
        result[s] = complex_value(game, nudged, k).imag / 1e-30
    return result


def policy_jacobian(policy, theta, i):
    """dz_i / dtheta_i, (S, d): exact for tables, written out for a network."""
    N = len(theta)
    if not hasattr(policy, "layers"):
        return policy.matrices(N)[i]
    H, D, codes = policy.hidden, 3 * N, policy.codes(N)
    hidden = policy.layers(theta)[0][i]
    rows = np.zeros((len(codes), policy.size(N)))
    for s, code in enumerate(codes):
        for h in range(H):
            back = theta[i, H * D + H + h] * (1 - hidden[s, h] ** 2)
            rows[s, h * D + code] = back
            rows[s, H * D + h], rows[s, H * D + H + h] = back, hidden[s, h]
        rows[s, -1] = 1.0
    return rows


def parameter_gradient(game, policy, theta, k, i):
    """dV_k / dtheta_i."""
    return policy_jacobian(policy, theta, i).T @ logit_gradient(game, policy.logits(theta), k, i)
