"""Fixed points, stability, exponents, boundaries and hysteresis against the independent reference numbers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crld_cases import load
from pycrld_econ.agents import StrategyActorCritic, StrategySARSA
from pycrld_econ.analysis import (
    BifurcationKind,
    bifurcation_diagram,
    boundary,
    continuation,
    fixed_points,
    lyapunov,
)
from pycrld_econ.analysis.chart import chart_of
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma, TensorGame, memory_one
from pycrld_econ.environments.memory_one import memory_one_pair


def notes(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "extensions.json").read_text())


def dilemma(numbers: list[float]) -> SocialDilemma:
    R, T, S, P = numbers
    return SocialDilemma(R=R, T=T, S=S, P=P)


def pure(cooperates: np.ndarray) -> np.ndarray:
    return np.stack([cooperates, 1.0 - cooperates], -1).astype(float)


def quantal_responses(folder: Path) -> Iterator[tuple[str, tuple[list[float], float, list[list[float]]]]]:
    stored = notes(folder)["QRE_symmetric"]
    for name, roots in stored["roots_x_and_mu"].items():
        game, beta = name.split("_beta")
        yield name, (stored["games"][game], float(beta), roots)


@pytest.mark.reference("crld", quantal_responses)
def test_symmetric_quantal_response(case: tuple[list[float], float, list[list[float]]]) -> None:
    game, beta, roots = case
    alpha = 0.3
    found = fixed_points(StrategySARSA(dilemma(game), alpha, 0.0, beta), starts=24)
    symmetric = [point for point in found if abs(point.X[0, 0, 0] - point.X[1, 0, 0]) < 1e-4]
    for x, mu in roots:
        # Where a multiplier is one, the root is a triple one: rounding moves it by its third root.
        close, slope = (1e-9, 1e-9) if abs(abs(mu) - 1) > 1e-6 else (1e-4, 1e-3)
        nearest = min(symmetric, key=lambda point: abs(point.X[0, 0, 0] - x))
        assert nearest.X[0, 0, 0] == pytest.approx(x, rel=close, abs=1e-12)
        expected = np.sort([1 - alpha + alpha * mu, 1 - alpha - alpha * mu])
        np.testing.assert_allclose(np.sort(nearest.multipliers.real), expected, atol=slope)
    assert len({round(point.X[0, 0, 0], 10 if close < 1e-5 else 3) for point in symmetric}) == len(roots)


def separatrix(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], np.ndarray]]]:
    for row in load(folder, "extensions")["separatrix_y0_x0"]:
        yield f"y{row[0]:g}", (notes(folder)["separatrix"], row)


@pytest.mark.reference("crld", separatrix)
def test_separatrix(case: tuple[dict[str, Any], np.ndarray]) -> None:
    parameters, (y, x) = case
    rates = [parameters[name] for name in ("alpha", "gamma", "beta")]
    learner = StrategyActorCritic(dilemma(parameters["game"]), *rates)
    low, high = boundary(learner, pure(np.array([[1e-3], [y]])), pure(np.array([[1 - 1e-3], [y]])))
    np.testing.assert_allclose(1e-3 + 0.998 * np.array([low, high]), x, rtol=0, atol=1e-9)


def exponents(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], TensorGame, float, dict[str, Any]]]]:
    stored, arrays = notes(folder)["lyapunov_MP_SARSA"], load(folder, "extensions")
    game = TensorGame(arrays["detrl_MP_T"], arrays["detrl_MP_R"])
    for gamma, result in stored["results"].items():
        yield f"gamma{gamma}", (stored, game, float(gamma), result)


@pytest.mark.reference("crld", exponents)
def test_lyapunov_spectrum(case: tuple[dict[str, Any], TensorGame, float, dict[str, Any]]) -> None:
    stored, game, gamma, result = case
    learner = StrategySARSA(game, stored["alpha"], gamma, stored["beta"], use_prefactor=stored["prefactor"])
    start = pure(np.array(stored["X0_coop"]).reshape(2, 2).T)
    spectrum = lyapunov(learner, start, steps=stored["iterations"], transient=stored["transients"])
    at_rest = np.ptp(result["LE"]) < 1e-9  # all alike: the uniform point
    np.testing.assert_allclose(spectrum.exponents, result["LE"], atol=1e-6 if at_rest else 5e-3)


def rings(folder: Path) -> Iterator[tuple[str, tuple[dict[str, Any], TensorGame]]]:
    arrays = load(folder, "extensions")
    yield (
        "neimark_sacker",
        (
            notes(folder)["neimark_sacker_MP_SARSA"],
            TensorGame(arrays["detrl_MP_T"], arrays["detrl_MP_R"]),
        ),
    )


@pytest.mark.reference("crld", rings)
def test_neimark_sacker_point(case: tuple[dict[str, Any], TensorGame]) -> None:
    stored, game = case
    learner = StrategySARSA(game, stored["alpha"], 0.9, stored["beta"], use_prefactor=True)
    uniform = np.full((2, 2, 2), 0.5)
    branch = continuation(learner, "discount_factors", uniform, 0.9, (0.05, 0.95), direction=-1)
    (ring,) = branch.bifurcations
    assert ring.kind is BifurcationKind.NEIMARK_SACKER
    assert ring.parameter == pytest.approx(stored["gamma_c"], abs=1e-8)
    there = chart_of(learner.with_parameters(discount_factors=stored["gamma_c"]))
    found = np.sort_complex(np.linalg.eigvals(there.jacobian(there.to(uniform))))
    np.testing.assert_allclose(found, np.sort_complex([complex(*pair) for pair in stored["eigs"]]), atol=1e-7)


def saddles(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "epg_saddle", notes(folder)["epg_saddle"]


@pytest.mark.reference("crld", saddles)
def test_saddle_of_the_public_good(case: dict[str, Any]) -> None:
    parameters = dict(case["params"])
    rates = parameters.pop("alpha"), parameters.pop("gamma")
    learner = StrategyActorCritic(EcologicalPublicGood(**parameters), *rates)
    X = pure(np.tile([case["x_degraded"], case["x_saddle"]], (2, 1)))
    np.testing.assert_allclose(learner.step(X)[0], X, atol=1e-12)
    there = chart_of(learner)
    found = np.sort(np.linalg.eigvals(there.jacobian(there.to(X))).real)
    np.testing.assert_allclose(found, np.sort([pair[0] for pair in case["eigs"]]), atol=1e-8)


def critical_curves(folder: Path) -> Iterator[tuple[str, tuple[str, dict[str, float]]]]:
    for unknown in ("m", "gamma"):
        columns = notes(folder)[f"epg_crit_{unknown}_columns"]
        for number, row in enumerate(load(folder, "extensions")[f"epg_crit_{unknown}"]):
            yield f"{unknown}{number}", (unknown, dict(zip(columns, row, strict=True)))


@pytest.mark.reference("crld", critical_curves)
def test_critical_curves_of_the_public_good(case: tuple[str, dict[str, float]]) -> None:
    pytest.importorskip("sympy")
    from pycrld_econ.analysis.symbolic import public_good_curves

    unknown, row = case
    given = {
        {"qc": "q_c", "qr": "q_r"}.get(name, name): value for name, value in row.items() if "_" not in name
    }
    curves = public_good_curves(unknown)
    for name, value in row.items():
        if name.startswith(f"{unknown}_"):
            found = float(curves[name.removeprefix(f"{unknown}_")](**given))
            assert found == pytest.approx(value, rel=1e-9)


def strict_pairs(folder: Path) -> Iterator[tuple[str, tuple[list[float], float, float, list[list[str]]]]]:
    stored = notes(folder)
    for name, pairs in stored["memo1_strict"].items():
        gamma, epsilon = (float(part.lstrip("gamepsn")) for part in name.replace("gamma", "").split("_eps"))
        yield name, (stored["memo1_strict_game"], gamma, epsilon, pairs)


@pytest.mark.reference("crld", strict_pairs)
def test_strict_memory_one_pairs(case: tuple[list[float], float, float, list[list[str]]]) -> None:
    game, gamma, epsilon, pairs = case
    learner = StrategyActorCritic(memory_one(dilemma(game)), 0.1, gamma)
    words = ["".join(word) for word in itertools.product("cd", repeat=4)]
    everyone = np.array([memory_one_pair(a, b) for a, b in itertools.product(words, words)])
    values = learner.Qisa((1 - epsilon) * everyone + epsilon / 2)
    played = (values * everyone).sum(-1)
    strict = (played > (values * (1 - everyone)).sum(-1) + 1e-12).all((1, 2))
    found = {pair for pair, holds in zip(itertools.product(words, words), strict, strict=True) if holds}
    assert found == {tuple(pair) for pair in pairs}


def hysteresis(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    arrays = load(folder, "flow_and_literature")
    yield "hyst", {name: array for name, array in arrays.items() if name.startswith("hyst_")}


@pytest.mark.reference("crld", hysteresis)
def test_hysteresis(case: dict[str, np.ndarray]) -> None:
    learner = StrategySARSA(
        EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.01), 0.01, 0.75, 60.0, use_prefactor=True
    )
    X = case["hyst_X0"]
    for gamma, expected, length in zip(case["hyst_gamma"], case["hyst_X"], case["hyst_len"], strict=True):
        now = learner.with_parameters(discount_factors=gamma)
        points, _ = now.trajectory(X, Tmax=2500, tolerance=1e-11)
        assert len(points) == length
        np.testing.assert_allclose(points[-1], expected, atol=1e-9)
        X = points[-1]
    half = len(case["hyst_gamma"]) // 2
    sweep = bifurcation_diagram(
        learner, "discount_factors", case["hyst_gamma"], case["hyst_X0"], transient=2500, keep=32, carry=True
    )
    cooperation = sweep.points[:, 0, -1, 0, 1, 0]
    up = case["hyst_gamma"][:half][np.argmax(cooperation[:half] > 0.5)]
    down = case["hyst_gamma"][half:][np.argmax(cooperation[half:] < 0.5)]
    np.testing.assert_allclose([up, down], [0.84, 0.7])
