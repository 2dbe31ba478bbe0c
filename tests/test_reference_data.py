"""The finder of conformance cases (tests/reference_data.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

import reference_data
from reference_data import topic_folder

# A topic with one test that finds cases where there are files, and one that never does.
TESTS = """
    import pytest

    def files(folder):
        return [(path.stem, path) for path in sorted(folder.glob("*.json"))]

    @pytest.mark.reference("toy", files)
    def test_file(case):
        assert case.read_text() == "1"

    @pytest.mark.reference("toy", lambda folder: [])
    def test_of_something_else(case):
        raise AssertionError("runs without a case")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setattr(reference_data, "DEFAULTS", (pytester.path / "default",))
    pytester.makepyfile(TESTS)
    pytester.makeconftest(f"pytest_plugins = [{reference_data.__name__!r}]")
    (pytester.mkdir("tests") / "reference_data.py").touch()  # makes it a repository that has the option
    return pytester


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)


def outcomes(suite: pytest.Pytester, *options: str) -> dict[str, int]:
    return suite.runpytest_inprocess(*options).parseoutcomes()


def test_every_listed_case_is_a_test(suite: pytest.Pytester):
    write(suite.path / "given" / "toy", a="1", b="1", c="2")
    assert outcomes(suite, "--reference", "given") == {"passed": 2, "failed": 1, "skipped": 1}


def test_absent_cases_are_skipped_without_the_option(suite: pytest.Pytester):
    assert outcomes(suite) == {"skipped": 2}


@pytest.mark.parametrize("make", [lambda folder: None, lambda folder: folder.mkdir(parents=True)])
def test_absent_cases_fail_with_the_option(suite: pytest.Pytester, make):
    make(suite.path / "given" / "toy")
    assert outcomes(suite, "--reference", "given") == {"errors": 2}


def test_option_is_not_taken_for_a_folder_of_tests(suite: pytest.Pytester, tmp_path_factory):
    given = tmp_path_factory.mktemp("elsewhere")
    write(given / "toy", a="1")
    suite.makepyprojecttoml("[tool.pytest.ini_options]\n")
    assert outcomes(suite, "--reference", str(given)) == {"passed": 1, "skipped": 1}
    assert [path.name for path in given.iterdir()] == ["toy"]


def test_option_hides_the_default_folder(suite: pytest.Pytester):
    write(suite.path / "default" / "toy", a="1")
    (suite.path / "given").mkdir()
    assert outcomes(suite) == {"passed": 1, "skipped": 1}
    assert outcomes(suite, "--reference", "given") == {"errors": 2}


def test_first_default_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(reference_data, "DEFAULTS", (first, second))
    (second / "toy").mkdir(parents=True)
    assert topic_folder("toy") == second / "toy"
    (first / "toy").mkdir(parents=True)
    assert topic_folder("toy") == first / "toy"
    assert topic_folder("other") is None
