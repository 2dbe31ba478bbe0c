"""Three agents who see a common badly and remember two states of it: one step against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from pycrld_econ.agents import POStrategyActorCritic
from pycrld_econ.environments import (
    EcologicalPublicGood,
    HistoryEmbedded,
    noisy_observation,
    with_observation,
)
from reference_impl import averages as plain

COMMONS = EcologicalPublicGood(N=3, f=1.2, c=5, m=-5, qc=[0.2, 0.3, 0.1], qr=0.1)


@pytest.mark.parametrize("closure", ["mean_field", "conditional"])
def test_one_step_in_a_noisy_commons_with_memory(closure: str) -> None:
    noisy = with_observation(COMMONS, [noisy_observation(2, certainty) for certainty in (0.9, 0.7, 1.0)])
    env = HistoryEmbedded(noisy, h=(2, 1, 1, 1))
    rates, gamma, beta = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.8, 0.9]), 2.0
    learner = POStrategyActorCritic(env, rates, gamma, beta, use_prefactor=True, closure=closure)
    assert learner.N == 3 and learner.Z > 16 and learner.point_shape == (3, env.O.shape[-1], 2)
    X = learner.random_points(1, rng=0)[0]

    arguments = (env.T, env.R, env.O, X, gamma, 1 - gamma, closure)
    drive = beta * (plain.Qioa(*arguments) - plain.Vio(*arguments)[..., None])
    weights = X * np.exp(rates[:, None, None] * drive)
    following, errors = learner.step(X)
    np.testing.assert_allclose(errors, drive, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(following, weights / weights.sum(-1, keepdims=True), rtol=1e-9)
