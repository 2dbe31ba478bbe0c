"""Every notebook runs from top to bottom, gives what it stores, and stores nothing that it should not."""

from __future__ import annotations

from pathlib import Path

import pytest

from notebooks import NBS, directives, find, read
from outputs import FLAGS, check


def has_cells(path: Path, flag: str) -> bool:
    return any(flag in directives(cell.source) for cell in read(path).cells if cell.cell_type == "code")


def assert_good(path: Path, flags: frozenset[str] = FLAGS) -> None:
    problems = check(path, flags)
    assert not problems, "\n".join(problems)


def by_name(paths: list[Path]) -> list:
    return [pytest.param(path, id=path.relative_to(NBS).as_posix()) for path in paths]


@pytest.mark.parametrize("path", by_name(find()))
def test_notebook_gives_what_it_stores(path: Path):
    assert_good(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", by_name([path for path in find() if has_cells(path, "slow")]))
def test_notebook_with_its_slow_cells(path: Path):
    assert_good(path, FLAGS - {"slow"})


@pytest.mark.cuda
@pytest.mark.parametrize("path", by_name([path for path in find() if has_cells(path, "cuda")]))
def test_notebook_with_its_cuda_cells(path: Path):
    assert_good(path, FLAGS - {"cuda"})
