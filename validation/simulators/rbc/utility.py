"""Utility of consumption as a polynomial, twenty times as fast as a power.

u(c) = ((1 + c)^(1 - eta) - 1) / (1 - eta) = c P(w) with w = (1 + c - x) / (1 + c + x), x = sqrt(1 + c_max). The map
to w puts the branch point c = -1 at w = -1 and the range of c symmetrically around 0, so that P converges fast.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import chebyshev, polynomial

DEGREES = {"float32": range(4, 25), "float64": range(10, 49)}
ACCURACY = {"float32": 1e-7, "float64": 2e-14}  # largest relative error that a polynomial may have


def utility(consumption: np.ndarray, eta: float) -> np.ndarray:
    """u(c) by a power (a logarithm if eta is 1), accurate for small c."""
    c = np.asarray(consumption, dtype=float)
    return np.log1p(c) if eta == 1 else np.expm1((1 - eta) * np.log1p(c)) / (1 - eta)


def coefficients(eta: float, most: float, dtype: str) -> np.ndarray:
    """Coefficients of P in powers of w, from the highest down.

    Parameters
    ----------
    eta : float
        At least 0.
    most : float
        c_max, > 0: utilities of 0 <= c <= c_max are accurate.
    dtype : str
        float32 or float64.

    Returns
    -------
    (degree + 1,) array
        Empty if no polynomial of reasonable degree is accurate, as for eta = 2 and c_max = 50, or eta = 1 and
        c_max = 100; then the step computes `utility` itself, as accurately and more slowly.
    """
    x = np.sqrt(1 + most)
    edge = (x - 1) / (x + 1)
    check = np.linspace(0, most, 4001)[1:]
    for degree in DEGREES[dtype]:
        nodes = np.cos(np.pi * (np.arange(4 * degree) + 0.5) / (4 * degree))
        c = np.maximum(x * (1 + edge * nodes) / (1 - edge * nodes) - 1, 0.0)
        ratio = np.where(c > 1e-9, utility(np.maximum(c, 1e-9), eta) / np.maximum(c, 1e-9), 1.0 - eta * c / 2)
        scaled = chebyshev.cheb2poly(chebyshev.chebfit(nodes, ratio, degree))
        powers = (scaled / edge ** np.arange(len(scaled))).astype(
            dtype
        )  # powers that vanish at the end are cut
        w = (1 + check - x) / (1 + check + x)
        found = check * polynomial.polyval(w, powers.astype(float))
        if np.abs(found / utility(check, eta) - 1).max() < ACCURACY[dtype]:
            return powers[::-1].copy()
    return np.zeros(0, dtype=dtype)
