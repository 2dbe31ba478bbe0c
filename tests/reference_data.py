"""pytest plugin: conformance cases are found in a folder of reference data, never named in a test.

A test says where its cases lie and how to list them, and takes one as its argument `case`:

    def steps(folder):                      # folder: .../reference/crld
        with np.load(folder / "core_random.npz") as data:
            for name in sorted({key.split("_")[0] for key in data}):
                yield name, ...             # (id of the case, whatever the test needs)

    @pytest.mark.reference("crld", steps)
    def test_step(case): ...

Without `--reference DIR` the folder is tests/reference/TOPIC or, failing that, ../shared/reference/TOPIC,
and what is absent is skipped. With it the folder is DIR/TOPIC, and a topic in which no test finds a case
fails.

The option is declared in validation/_pytest_reference.py, which says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = (ROOT / "tests" / "reference", ROOT.parent / "shared" / "reference")
FOUND = pytest.StashKey[Counter[str]]()

Lister = Callable[[Path], Iterable[tuple[str, Any]]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = Counter()
    config.addinivalue_line(
        "markers", "reference(topic, lister): `case` runs over lister(folder of the topic), pairs (id, value)"
    )
    config.addinivalue_line(
        "markers", "no_reference_case(topic, reason): stands for the cases that were not found"
    )


def given_folder(config: pytest.Config) -> Path | None:
    """The value of `--reference`."""
    return config.getoption("--reference", default=None)


def topic_folder(topic: str, given: Path | None = None) -> Path | None:
    """The folder with the cases of `topic`: below `given`, or in the first of DEFAULTS that has it."""
    places = DEFAULTS if given is None else (given,)
    return next((place / topic for place in places if (place / topic).is_dir()), None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("reference")
    if marker is None:
        return
    topic: str = marker.args[0]
    lister: Lister = marker.args[1]
    folder = topic_folder(topic, given_folder(metafunc.config))
    found = [] if folder is None else [pytest.param(value, id=name) for name, value in lister(folder)]
    metafunc.config.stash[FOUND][topic] += len(found)
    if not found:
        reason = f"no folder of reference data for {topic}" if folder is None else f"no case in {folder}"
        found = [pytest.param(None, id="none", marks=pytest.mark.no_reference_case(topic, reason))]
    metafunc.parametrize("case", found)


def pytest_runtest_setup(item: pytest.Item) -> None:
    marker = item.get_closest_marker("no_reference_case")
    if marker is None:
        return
    topic, reason = marker.args
    given = given_folder(item.config)
    # Listing is complete before the first test runs, so the count is that of the whole topic.
    if given is not None and item.config.stash[FOUND][topic] == 0:
        pytest.fail(f"{reason}, though --reference {given} was given", pytrace=False)
    pytest.skip(reason)
