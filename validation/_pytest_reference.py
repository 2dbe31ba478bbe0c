"""pytest plugin of this repository's own tests: declares `--reference DIR`; does nothing anywhere else.

It is reached by an entry point because pytest splits the command line before it reads any conftest.py: only
an option known by then keeps `--reference DIR` from being read as "run the tests in DIR". What the option
does is in tests/reference_data.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def in_repository() -> bool:
    """Whether pytest was started where the option has a meaning."""
    return Path("tests", "reference_data.py").is_file()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    if in_repository():
        parser.addoption(
            "--reference",
            type=Path,
            metavar="DIR",
            help="read conformance cases from DIR/TOPIC; a topic without cases fails",
        )


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Make up for pyproject.toml where pytest took DIR for its root and so missed that file."""
    if in_repository() and early_config.inipath is None:
        args.append("--import-mode=importlib")
        early_config.pluginmanager.consider_pluginarg("no:cacheprovider")  # it would write into DIR
