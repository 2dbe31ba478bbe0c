"""The averages over joint strategies by their definitions: every joint action, every state, nothing clever.

Arrays are laid out as everywhere: T (Z, M, ..., M, Z), R (N, Z, M, ..., M, Z), O (N, Z, Q), X (N, Z, M) a joint
strategy over states, or (N, Q, M) over observations. The suffix of a name is the order of its indices.
"""

from __future__ import annotations

from itertools import product

import numpy as np


def Tisas(T, X):
    """Transitions (N, Z, M, Z) of agent i's action, averaged over what the others do."""
    N, Z, M = X.shape
    result = np.zeros((N, Z, M, Z))
    for i, s, actions in product(range(N), range(Z), product(range(M), repeat=N)):
        weight = np.prod([X[j, s, actions[j]] for j in range(N) if j != i])
        result[i, s, actions[i]] += weight * T[(s, *actions)]
    return result


def Risa(T, R, X):
    """Rewards (N, Z, M) of agent i's action, averaged over what the others do and over the next state."""
    N, Z, M = X.shape
    result = np.zeros((N, Z, M))
    for i, s, actions in product(range(N), range(Z), product(range(M), repeat=N)):
        weight = np.prod([X[j, s, actions[j]] for j in range(N) if j != i])
        result[i, s, actions[i]] += weight * (T[(s, *actions)] @ R[(i, s, *actions)])
    return result


def Tss(T, X):
    """Transitions (Z, Z) under the joint strategy."""
    N, Z, M = X.shape
    result = np.zeros((Z, Z))
    for s, actions in product(range(Z), product(range(M), repeat=N)):
        result[s] += np.prod([X[j, s, actions[j]] for j in range(N)]) * T[(s, *actions)]
    return result


def Ris(T, R, X):
    """Rewards (N, Z) under the joint strategy."""
    N, Z, M = X.shape
    result = np.zeros((N, Z))
    for i, s, actions in product(range(N), range(Z), product(range(M), repeat=N)):
        weight = np.prod([X[j, s, actions[j]] for j in range(N)])
        result[i, s] += weight * (T[(s, *actions)] @ R[(i, s, *actions)])
    return result


def Vis(T, R, X, gamma, pre, F=None):
    """State values (N, Z): discounted rewards, summed until nothing is left of them; none follow a final state."""
    going_on = np.ones(X.shape[1]) if F is None else 1.0 - np.asarray(F)
    chain, rewards = Tss(T, X), Ris(T, R, X)
    values = np.zeros(X.shape[:2])
    for i in range(len(X)):
        term = pre[i] * rewards[i]
        while np.abs(term).max() > 1e-18:
            values[i] += term
            term = gamma[i] * chain @ (going_on * term)
    return values


def Qisa(T, R, X, gamma, pre, F=None):
    """State-action values (N, Z, M)."""
    going_on = np.ones(X.shape[1]) if F is None else 1.0 - np.asarray(F)
    following = going_on * Vis(T, R, X, gamma, pre, F)
    expected = np.einsum("isay,iy->isa", Tisas(T, X), following)
    return pre[:, None, None] * Risa(T, R, X) + gamma[:, None, None] * expected


def Ps(T, X, p0=None):
    """Long-run distribution (Z,) of states: the time average of p0 T^n over very many n, by repeated squaring."""
    Z = X.shape[1]
    chain = Tss(T, X)
    mean, power = np.eye(Z), chain
    for _ in range(60):  # mean of the first 2^k powers
        mean, power = (mean + power @ mean) / 2, power @ power
        mean, power = mean / mean.sum(-1, keepdims=True), power / power.sum(-1, keepdims=True)
    return (np.full(Z, 1 / Z) if p0 is None else np.asarray(p0)) @ mean


def Xisa(O, X):  # noqa: E741
    """Strategy over states (N, Z, M) of agents with the strategy X (N, Q, M) over observations."""
    (N, Z, Q), M = O.shape, X.shape[-1]
    result = np.zeros((N, Z, M))
    for i, s, o, a in product(range(N), range(Z), range(Q), range(M)):
        result[i, s, a] += O[i, s, o] * X[i, o, a]
    return result


def Bios(T, O, X, p0=None):  # noqa: E741
    """Beliefs (N, Q, Z) about the state after an observation, by Bayes' rule; 0 after one that never comes."""
    N, Z, Q = O.shape
    visits = Ps(T, Xisa(O, X), p0)
    result = np.zeros((N, Q, Z))
    for i, o in product(range(N), range(Q)):
        often = sum(O[i, s, o] * visits[s] for s in range(Z))
        for s in range(Z):
            result[i, o, s] = O[i, s, o] * visits[s] / often if often > 0 else 0.0
    return result


def Tioao(T, O, X, p0=None):  # noqa: E741
    """Transitions (N, Q, M, Q) between observations, given the own action."""
    belief, chain = Bios(T, O, X, p0), Tisas(T, Xisa(O, X))
    return np.einsum("ios,isay,iyp->ioap", belief, chain, O)


def Tioo(T, O, X, closure, p0=None):  # noqa: E741
    """Transitions (N, Q, Q) between observations, averaged over the own action in one of two ways."""
    if closure == "conditional":
        return np.einsum("ioa,ioap->iop", X, Tioao(T, O, X, p0))
    return np.einsum("ios,sy,iyp->iop", Bios(T, O, X, p0), Tss(T, Xisa(O, X)), O)


def Rioa(T, R, O, X, p0=None):  # noqa: E741
    """Rewards (N, Q, M) expected after an observation and an action."""
    return np.einsum("ios,isa->ioa", Bios(T, O, X, p0), Risa(T, R, Xisa(O, X)))


def Vio(T, R, O, X, gamma, pre, closure, p0=None):  # noqa: E741
    """Values (N, Q) of observations; the reward is that of the own strategy after the observation."""
    chain, rewards = Tioo(T, O, X, closure, p0), np.einsum("ioa,ioa->io", X, Rioa(T, R, O, X, p0))
    values = np.zeros(rewards.shape)
    for i in range(len(X)):
        term = pre[i] * rewards[i]
        while np.abs(term).max() > 1e-18:
            values[i] += term
            term = gamma[i] * chain[i] @ term
    return values


def Qioa(T, R, O, X, gamma, pre, closure, p0=None):  # noqa: E741
    """Values (N, Q, M) of actions after observations."""
    expected = np.einsum("ioap,ip->ioa", Tioao(T, O, X, p0), Vio(T, R, O, X, gamma, pre, closure, p0))
    return pre[:, None, None] * Rioa(T, R, O, X, p0) + gamma[:, None, None] * expected


def explore(q, epsilon, intensity):
    """Strategies (N, Z, M) from values: softmax, or greedy where the intensity is infinite, mixed with uniform."""
    N, Z, M = q.shape
    X = np.zeros(q.shape)
    for i, s in product(range(N), range(Z)):
        if np.isinf(intensity[i]):
            weights = (q[i, s] == q[i, s].max()).astype(float)
        else:
            weights = np.exp(intensity[i] * (q[i, s] - q[i, s].max()))
        X[i, s] = (1 - epsilon[i]) * weights / weights.sum() + epsilon[i] / M
    return X
