"""Saved figures are complete, reproducible, and refused before work where they cannot be written."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import pytest  # noqa: E402

from pycrld_econ.plots import check_figure_path, save_figure, style  # noqa: E402

MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF", "svg": b"<?xml"}


def draw():
    with style():
        fig, ax = plt.subplots(figsize=(2, 2))
        ax.plot([0, 1], [0, 1], label="a")
        ax.legend()
    return fig


@pytest.mark.parametrize("suffix", sorted(MAGIC))
def test_written_twice_with_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = []
    for name in ("a", "b"):
        fig = draw()
        paths.append(save_figure(fig, tmp_path / f"{name}.{suffix}"))
        plt.close(fig)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(MAGIC[suffix]) and first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_style_leaves_no_trace() -> None:
    before = dict(plt.rcParams)
    with style():
        assert dict(plt.rcParams) != before
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("name", ["figure.docx", "figure", "missing/figure.png"])
def test_paths_are_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises((ValueError, OSError)):
        check_figure_path(tmp_path / name)
    assert not list(tmp_path.iterdir())
