"""The public surface: names that may not vanish, and an import that stays light."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from notebooks import ROOT

PUBLIC = {
    "environments": {
        "EcologicalPublicGood",
        "Environment",
        "NormalForm",
        "SocialDilemma",
        "TensorGame",
    },
    "agents": {"StrategyActorCritic", "StrategyQLearning", "StrategySARSA"},
    "analysis": {"basins", "certify", "continuation", "fixed_points", "lyapunov", "verdict"},
    "shaping": {"LOLA", "POLA", "Naive", "OpponentShaping", "contribution_game", "values"},
    "plots": {"plot_portrait", "plot_strategy_flow", "plot_trajectories"},
}
CHAPTERS = sorted(
    path.parent.name for path in ROOT.glob("pycrld_econ/*/__init__.py") if path.parent.name != "validation"
)
# Slow to import, or needed by few: each is imported by the function that uses it.
HEAVY = {"matplotlib.pyplot", "numba", "pandas", "sympy", "torch"}


def test_every_chapter_lists_its_names():
    assert set(CHAPTERS) == set(PUBLIC)


@pytest.mark.parametrize("chapter", sorted(PUBLIC))
def test_listed_names_are_public(chapter: str):
    module = importlib.import_module(f"pycrld_econ.{chapter}")
    assert PUBLIC[chapter] <= set(module.__all__)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_public_names_exist(chapter: str):
    module = importlib.import_module(f"pycrld_econ.{chapter}")
    assert len(module.__all__) == len(set(module.__all__))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_public_functions_and_classes_are_documented(chapter: str):
    module = importlib.import_module(f"pycrld_econ.{chapter}")
    own = (getattr(module, name) for name in module.__all__)
    callables = [thing for thing in own if getattr(thing, "__module__", "").startswith("pycrld_econ")]
    assert [thing for thing in callables if not thing.__doc__] == []


def test_import_is_light():
    names = ["pycrld_econ", "pycrld_econ.validation", *(f"pycrld_econ.{chapter}" for chapter in CHAPTERS)]
    code = f"import sys, {', '.join(names)}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
