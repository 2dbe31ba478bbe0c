"""Closed forms: evaluation, errors, and agreement with numbers away from the notebook's examples."""

from __future__ import annotations

import numpy as np
import pytest

sympy = pytest.importorskip("sympy")

from pycrld_econ.agents import StrategyActorCritic  # noqa: E402
from pycrld_econ.analysis import symbolic  # noqa: E402
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma, memory_one  # noqa: E402


def test_forms_take_arrays_and_name_what_is_missing() -> None:
    form = symbolic.interior_equilibrium()
    assert form.symbols == ("P", "R", "S", "T")
    values = form(R=np.array([1.0, 2.0]), T=0.8, S=-0.5, P=0.0)
    np.testing.assert_allclose(values, [5 / 7, 5 / 17])
    with pytest.raises(TypeError, match="interior needs a value for 'S'; it depends on P, R, S, T"):
        form(R=1, T=0.8, P=0)
    assert "frac" in form.latex() and form._repr_latex_().startswith("$")


@pytest.mark.parametrize("seed", range(5))
def test_memory_one_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    R, T, S, P = rng.normal(size=4)
    gamma, (p, q) = rng.uniform(0, 0.95), rng.random((2, 4))
    env = memory_one(SocialDilemma(R=R, T=T, S=S, P=P))
    X = np.stack([np.stack([row, 1 - row], -1) for row in (p, q)])
    expected = StrategyActorCritic(env, 0.1, gamma, use_prefactor=True).Vis(X)[0]
    found = symbolic.memory_one_values(p, q, {"R": R, "T": T, "S": S, "P": P})
    np.testing.assert_allclose([float(value.subs("gamma", gamma)) for value in found], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["greed", "fear", "dilemma"])
@pytest.mark.parametrize("N", [2, 3, 5])
def test_public_good_curves_agree_with_each_other_and_with_values(name: str, N: int) -> None:
    good = {"N": N, "f": 1.4, "c": 4.0, "q_c": 0.15, "q_r": 0.02}
    m = float(symbolic.public_good_curves("m")[name](**good, gamma=0.85))
    assert symbolic.public_good_curves("gamma")[name](**good, m=m) == pytest.approx(0.85, rel=1e-9)
    env = EcologicalPublicGood(N=N, f=1.4, c=4.0, m=m, qc=0.15, qr=0.02)
    learner = StrategyActorCritic(env, 0.1, 0.85, use_prefactor=True)

    def value(defectors: list[int], agent: int) -> float:
        X = np.tile([1.0, 0.0], (N, 2, 1))
        X[defectors, 1] = [0.0, 1.0]
        return float(learner.Vis(X)[agent, 1])

    everybody = list(range(N))
    sides = {
        "greed": (value([0], 0), value([], 0)),
        "fear": (value(everybody[1:], 0), value(everybody, 0)),
        "dilemma": (value(everybody, 0), value([], 0)),
    }
    assert sides[name][0] == pytest.approx(sides[name][1], rel=1e-9)


def test_errors_are_named() -> None:
    with pytest.raises(ValueError, match="unknown must be 'm' or 'gamma', got 'q'"):
        symbolic.public_good_curves("q")
    with pytest.raises(ValueError, match="first must hold four probabilities, got 3"):
        symbolic.memory_one_values([1, 0, 1], [1, 0, 0, 1])
    with pytest.raises(ValueError, match="rule must hold four actions"):
        symbolic.deviation_threshold([0, 0, 0, 0])
    with pytest.raises(ValueError, match="pays for all discount factors or for none"):
        symbolic.deviation_threshold([1, 1, 1, 1])
