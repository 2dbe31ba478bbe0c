"""Stationary distributions: against eigenvectors, and where eigenvectors fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycrld_econ.agents import ergodic_distributions, stationary_distribution

seeds, sizes = st.integers(0, 2**31 - 1), st.integers(1, 8)


def random_chain(seed: int, Z: int, sparse: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(Z), size=Z)
    if sparse:
        P *= rng.random((Z, Z)) < 0.4
        P[P.sum(1) == 0, 0] = 1.0
        P /= P.sum(1, keepdims=True)
    return P


@given(seeds, sizes)
def test_it_is_stationary(seed: int, Z: int) -> None:
    P = random_chain(seed, Z)
    p = stationary_distribution(P)
    np.testing.assert_allclose(p @ P, p, rtol=1e-12)
    np.testing.assert_allclose(p.sum(), 1.0, rtol=1e-14)


@given(seeds, st.integers(2, 6))
def test_time_average_from_any_start(seed: int, Z: int) -> None:
    P, start = random_chain(seed, Z, sparse=True), np.random.default_rng(seed).dirichlet(np.ones(Z))
    p = stationary_distribution(P, start)
    average, power = np.zeros((Z, Z)), np.eye(Z)
    lazy = (P + np.eye(Z)) / 2  # the same time averages, without periods
    for _ in range(60):
        power = power @ lazy
    for _ in range(12):
        power = power @ power
    average = start @ power
    np.testing.assert_allclose(p, average, atol=1e-9)


@given(seeds, st.integers(2, 7))
def test_ergodic_distributions_span_all(seed: int, Z: int) -> None:
    P = random_chain(seed, Z, sparse=True)
    each = ergodic_distributions(P)
    np.testing.assert_allclose(each @ P, each, atol=1e-14)
    assert np.linalg.matrix_rank(each) == len(each)
    assert ((each > 0).sum(0) <= 1).all(), "classes share no state"
    ones = np.abs(np.linalg.eigvals(P) - 1) < 1e-9
    assert ones.sum() == len(each)


@pytest.mark.parametrize("rate", [1e-8, 1e-16, 1e-300])
def test_nearly_decomposable_chains_keep_their_accuracy(rate: float) -> None:
    P = np.array([[0.5, 0.5 - rate, rate, 0], [0.3, 0.7, 0, 0], [0, 0, 0.2, 0.8], [2 * rate, 0, 0.4, 0.6]])
    p = stationary_distribution(P)
    np.testing.assert_allclose(p[0] * rate, p[3] * 2 * rate, rtol=1e-12)  # flow there equals flow back
    assert (p > 0).all()


def test_periodic_chain() -> None:
    np.testing.assert_allclose(stationary_distribution([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), 1 / 3)


def test_batches_equal_single_chains() -> None:
    chains = np.stack([random_chain(seed, 4, sparse=seed % 2 == 0) for seed in range(6)]).reshape(2, 3, 4, 4)
    batch = stationary_distribution(chains)
    assert np.array_equal(batch[1, 1], stationary_distribution(chains[1, 1]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5, 0.6], [0.5, 0.5]],), "Tss must hold probability distributions"),
        (([[1.5, -0.5], [0.5, 0.5]],), "Tss must hold probability distributions"),
        (([0.5, 0.5],), r"Tss must have shape \(\.\.\., Z, Z\), got \(2,\)"),
        ((np.eye(2), [1.0, 0.0, 0.0]), r"start must have shape \(2,\), got \(3,\)"),
        ((np.eye(2), [1.0, 0.5]), "start must hold probability distributions"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stationary_distribution(*arguments)
