"""Markers: `slow` waits for --slow, `cuda` for a device; what lies in tests/conformance is `conformance`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parent
# Said here and not by `pythonpath`, so that it also holds when pytest misses pyproject.toml (see
# validation/_pytest_reference.py).
sys.path[:0] = [str(TESTS), str(TESTS.parent / "tools")]
pytest_plugins = ["pytester", "reference_data"]
CONFORMANCE = TESTS / "conformance"

# Before torch is imported: tests are small and run beside each other, and threads that wait for work take the
# processors from those that have some. Notebooks run by the tests inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: the first example of a test may compile a kernel. CI draws the same examples every time, so that a
# change is judged by what it changes; runs by hand look further.
settings.register_profile(
    "pycrld_econ", deadline=None, max_examples=25, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("pycrld_econ")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conformance: compares with the original systems' reference data")
    config.addinivalue_line("markers", "slow: minutes; left out unless --slow or -m slow is given")
    config.addinivalue_line("markers", "cuda: needs a CUDA device (or NUMBA_ENABLE_CUDASIM=1)")


def pytest_itemcollected(item: pytest.Item) -> None:
    if CONFORMANCE in item.path.parents:
        item.add_marker("conformance")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or "slow" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("cuda") and not cuda_available():
        pytest.skip("no CUDA device")


def cuda_available() -> bool:
    """Whether kernels can be launched, on a device or in numba's simulator."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return True
    from numba import cuda

    return bool(cuda.is_available())
