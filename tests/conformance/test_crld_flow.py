"""Flow fields against the original system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crld_cases import SINGLE, load
from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.environments import EcologicalPublicGood, SocialDilemma
from pycrld_econ.plots import flow_field


def notes(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "flow_and_literature.json").read_text())


def readme_fields(folder: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    data, described = load(folder, "flow_and_literature"), notes(folder)["readme"]
    for key in sorted(data):
        if key.startswith("readme_flow_rpe") and key.endswith("_dX"):
            errors = bool(int(key.removeprefix("readme_flow_rpe")[0]))
            yield key[:-3], (described, data["flow_points"], errors, data[key], data[key[:-1] + "Y"])


@pytest.mark.reference("crld", readme_fields)
def test_flow_of_one_state(case: tuple[Any, ...]) -> None:
    described, points, errors, dX, dY = case
    T, R, P, S = (float(number) for number in described["env"].split("_")[1:])
    rates = {name: described["params"][name] for name in ("learning_rates", "discount_factors")}
    learner = StrategyActorCritic(SocialDilemma(R=R, T=T, S=S, P=P), **rates)
    (field,) = flow_field(learner, ([0], [0], [0]), ([1], [0], [0]), points, use_RPEarrows=errors)
    np.testing.assert_allclose(field.mean[0], dX, **SINGLE)
    np.testing.assert_allclose(field.mean[1], dY, **SINGLE)


def public_good_fields(folder: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    data, described = load(folder, "flow_and_literature"), notes(folder)["epg_flow"]
    for key in sorted(data):
        if key.startswith("epg_flow_s") and key.endswith("_dX"):
            state, errors = (int(part[-1]) for part in key.split("_")[2:4])
            arrows = (data[key], data[key[:-1] + "Y"])
            yield (
                key[:-3],
                (described, data["flow_points"][::2], data["epg_samples"], state, bool(errors), arrows),
            )


@pytest.mark.reference("crld", public_good_fields)
def test_flow_over_given_strategies(case: tuple[Any, ...]) -> None:
    described, points, samples, state, errors, (dX, dY) = case
    N, f, c, m, qc, qr = (float(number) for number in described["env"].split("_")[1:7])
    chosen = not described["env"].endswith("NoDegChoi")
    env = EcologicalPublicGood(N=int(N), f=f, c=c, m=m, qc=qc, qr=qr, degraded_choice=chosen)
    learner = StrategyActorCritic(env, described["alpha"], described["gamma"])
    x, y = ([0], [state], [0]), ([1], [state], [0])
    (field,) = flow_field(learner, x, y, points, use_RPEarrows=errors, sampler=samples)
    np.testing.assert_allclose(field.dX, dX, **SINGLE)
    np.testing.assert_allclose(field.dY, dY, **SINGLE)
