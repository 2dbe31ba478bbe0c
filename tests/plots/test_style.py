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


def test_interaction_that_a_backend_turned_on_stays_on() -> None:
    before = plt.isinteractive()
    try:
        with style():
            plt.ion()  # what the first figure of a notebook does
        assert plt.isinteractive()
    finally:
        plt.interactive(before)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    def full(self: Path, data: object) -> int:
        self.touch()
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    fig = draw()
    with pytest.raises(OSError, match="no space left"):
        save_figure(fig, path)
    plt.close(fig)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_png_has_300_dots_per_inch(tmp_path: Path) -> None:
    fig = plt.figure(figsize=(2, 1))
    fig.add_axes((0, 0, 1, 1))
    height, width = plt.imread(save_figure(fig, tmp_path / "figure.png")).shape[:2]
    plt.close(fig)
    assert width >= 2 * 300 and height >= 300


def test_links_are_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "real.svg", tmp_path / "link.svg"
    target.touch()
    link.symlink_to(target)
    fig = draw()
    save_figure(fig, link)
    plt.close(fig)
    assert link.is_symlink() and target.read_bytes().startswith(MAGIC["svg"])


@pytest.mark.parametrize("name", ["figure.docx", "figure", "missing/figure.png"])
def test_paths_are_checked(tmp_path: Path, name: str) -> None:
    with pytest.raises((ValueError, OSError)):
        check_figure_path(tmp_path / name)
    assert not list(tmp_path.iterdir())
