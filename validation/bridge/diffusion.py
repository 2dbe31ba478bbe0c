"""How far samples scatter around the dynamics, to first order in one over the batch size.

The estimates of a batch are means of independent outcomes: what follows each visit to a state and an action has the
same distribution whatever came before (martingale differences). So the covariance of all estimates of all agents
follows from one expectation over the stationary distribution, and that of the update from its derivative (the delta
method).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pycrld_econ.agents import POStrategyDynamics, StrategyDynamics, ValueDynamics
from pycrld_econ.environments import joint_actions


def _outcome_weights(dynamics: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Long-run shares of (state, joint action, next state), (Z, J, Z), and the joint actions (J, N)."""
    N, Z, M = dynamics.N, dynamics.Z, dynamics.M
    joints = joint_actions(N, M)
    likely = np.ones((Z, len(joints)))
    for i in range(N):
        likely *= X[i][:, joints[:, i]]
    return dynamics.Ps(X)[:, None, None] * likely[:, :, None] * dynamics.T.reshape(Z, -1, Z), joints


def _noise(dynamics: Any, X: np.ndarray, worth: list[np.ndarray]) -> np.ndarray:
    """Covariance, times K, of the estimates of pre R + gamma T worth, for several `worth` (N, Z) together.

    Returns an array (len(worth) * N * Z * M, same).
    """
    N, Z, M = dynamics.N, dynamics.Z, dynamics.M
    weights, joints = _outcome_weights(dynamics, X)
    rewards = dynamics.R.reshape(N, Z, -1, Z)
    visits = dynamics.Ps(X)[:, None] * X  # (N, Z, M)
    rows = np.zeros((len(worth), N, Z, M, Z, len(joints), Z))
    for k, table in enumerate(worth):
        for i in range(N):
            aims = dynamics.pre[i] * rewards[i] + dynamics.gamma[i] * ((1.0 - dynamics.F) * table[i])
            mean = (weights * aims).sum(-1)
            for s in range(Z):
                for a in range(M):
                    chosen = joints[:, i] == a
                    if visits[i, s, a] > 0:
                        centre = mean[s, chosen].sum() / visits[i, s, a]
                        rows[k, i, s, a, s, chosen] = (aims[s, chosen] - centre) / visits[i, s, a]
    flat = rows.reshape(len(worth) * N * Z * M, -1)
    return (flat * weights.ravel()) @ flat.T


def _target_response(
    dynamics: Any, X: np.ndarray, Tisas: np.ndarray, table: np.ndarray, estimated: np.ndarray
) -> np.ndarray:
    """Derivative of the targets (N Z M) by the errors of two estimates: with V inside, and with the next value.

    `estimated` (N,) is the weight of what is estimated, as opposed to remembered, in the table.
    """
    N, Z, M = dynamics.N, dynamics.Z, dynamics.M
    size = N * Z * M
    response = np.zeros((size, 2 * size)).reshape(N, Z, M, 2, N, Z, M)
    for i in range(N):
        chain = Tisas[i] * (1.0 - dynamics.F) * dynamics.gamma[i]  # (Z, M, Z)
        own = np.einsum("sa,say->sy", X[i], chain)
        strategy = np.zeros((Z, Z, M))
        strategy[np.arange(Z), np.arange(Z)] = X[i]
        dV = np.linalg.solve(np.eye(Z) - own, strategy.reshape(Z, -1)).reshape(Z, Z, M)  # by the errors
        dQ = np.eye(Z * M).reshape(Z, M, Z, M) + np.einsum("say,ytb->satb", chain, dV)
        best = np.where(dynamics.game.available[0, i], table[i], -np.inf).argmax(-1)
        optimism = dynamics.optimism[i]
        dN = estimated[i] * ((1 - optimism) * dV + optimism * dQ[np.arange(Z), best])
        response[i, :, :, 0, i] = np.einsum("say,ytb->satb", chain, dN)
        response[i, :, :, 1, i] = np.eye(Z * M).reshape(Z, M, Z, M)
    return response.reshape(size, 2 * size)


def update_covariance(dynamics: Any, X: ArrayLike) -> np.ndarray:
    """Covariance of one sampled update, times the batch size, as the batch size grows.

    Parameters
    ----------
    dynamics : StrategyDynamics or ValueDynamics
        The limit of the learner.
    X : point_shape array
        Where the update starts; all available actions must be visited in the long run.

    Returns
    -------
    (n, n) array
        For the n = N Z M entries of a point in order: the covariance of the next point after a batch of K plays is this
        divided by K.

    Raises
    ------
    TypeError
        For learners who see observations: what they see has a memory, so that outcomes are not independent.
    ValueError
        If values move by frequency: the number of visits then fluctuates, too.
    """
    if isinstance(dynamics, POStrategyDynamics) or not isinstance(dynamics, StrategyDynamics | ValueDynamics):
        raise TypeError(f"dynamics must be of learners who see states, got {type(dynamics).__name__}")
    point = dynamics.check_point(X)
    if point.shape != dynamics.point_shape:
        raise ValueError(f"X must be one point of shape {dynamics.point_shape}, got {point.shape}")
    if isinstance(dynamics, ValueDynamics):
        return _value_covariance(dynamics, point)
    averages = dynamics.averages(point, ("Tisas", "Vis", "Qisa"))
    return _covariance(dynamics, point, averages, averages["Qisa"], 1.0, _strategy_move(dynamics, point))


def _value_covariance(dynamics: ValueDynamics, point: np.ndarray) -> np.ndarray:
    """The same for a table of values."""
    if dynamics.frequency.any():
        raise ValueError(
            "dynamics must not move values by frequency: visits fluctuate, which is not accounted for"
        )
    strategy = dynamics.strategy(point)
    averages = dynamics.averages(strategy, ("Tisas", "Vis", "Qisa"))
    estimated = 1.0 - dynamics.current[:, None, None]
    table = estimated * averages["Qisa"] + (1.0 - estimated) * point
    return _covariance(dynamics, strategy, averages, table, estimated, _value_move(dynamics))


def _covariance(
    dynamics: Any,
    X: np.ndarray,
    averages: dict[str, np.ndarray],
    table: np.ndarray,
    estimated: Any,
    move: np.ndarray,
) -> np.ndarray:
    """Covariance of the next point, from the table (N, Z, M) in which the next state is looked up."""
    best = np.where(dynamics.game.available[0], table, -np.inf).max(-1)
    optimism = dynamics.optimism[:, None]
    ahead = (1 - optimism) * (X * table).sum(-1) + optimism * best
    noise = _noise(dynamics, X, [averages["Vis"], ahead])
    full = move @ _target_response(
        dynamics, X, averages["Tisas"], table, np.broadcast_to(estimated, X.shape)[:, 0, 0]
    )
    return full @ noise @ full.T


def _value_move(dynamics: ValueDynamics) -> np.ndarray:
    """Derivative of the next values by the targets."""
    return np.diag(np.broadcast_to(dynamics.alpha[:, None, None], dynamics.point_shape).ravel())


def _strategy_move(dynamics: StrategyDynamics, point: np.ndarray) -> np.ndarray:
    """Derivative of the next strategies by the targets."""
    following = dynamics.step(point)[0]
    N, Z, M = following.shape
    move = np.zeros((N, Z, M, N, Z, M))
    for i in range(N):
        for s in range(Z):
            x = following[i, s]
            move[i, s, :, i, s, :] = dynamics.alpha[i] * dynamics.beta[i] * (np.diag(x) - np.outer(x, x))
    return move.reshape(N * Z * M, -1)


def predicted_spread(dynamics: StrategyDynamics, X: ArrayLike, batch_size: int, batches: int) -> np.ndarray:
    """Standard deviation of each entry around the deterministic trajectory, by the number of batches.

    Parameters
    ----------
    dynamics : StrategyDynamics
        The limit of the learner; its derivative carries noise from batch to batch.
    X : point_shape array
        The start.
    batch_size, batches : int
        Of the learner.

    Returns
    -------
    (batches + 1, *point_shape) array
        To first order in 1/batch_size: valid while the spread is small against the curvature of the dynamics.
    """
    point = dynamics.check_point(X)
    size = point.size
    covariance = np.zeros((size, size))
    spread = [np.zeros(point.shape)]
    for _ in range(batches):
        jacobian = dynamics.jacobian(point).reshape(size, size)
        covariance = jacobian @ covariance @ jacobian.T + update_covariance(dynamics, point) / batch_size
        spread.append(np.sqrt(np.diag(covariance).clip(min=0)).reshape(point.shape))
        point = dynamics.step(point)[0]
    return np.array(spread)
