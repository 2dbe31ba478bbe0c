"""tools/readme.py: from a landing notebook to README.md."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from readme import HEADER, write

PNG = b"\x89PNG\r\n\x1a\n not really"


def shown(mime: str, data: str) -> nbformat.NotebookNode:
    return new_output("display_data", data={mime: data, "text/plain": "<an object>"})


def make(root: Path, *cells: nbformat.NotebookNode) -> str:
    path = root / "index.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    write(path, root)
    return (root / "README.md").read_text(encoding="utf-8")


def test_markdown_passes_and_code_is_fenced(tmp_path: Path):
    text = make(tmp_path, new_markdown_cell("# Title\n\nwords"), new_code_cell("#| echo: true\nx = 1"))
    assert text == f"{HEADER}\n\n# Title\n\nwords\n\n```python\nx = 1\n```\n"


@pytest.mark.parametrize("directive", ["hide", "export", "default_exp agents.base"])
def test_cells_not_meant_for_readers_are_dropped(tmp_path: Path, directive: str):
    hidden = new_code_cell(f"#| {directive}\nsecret = 1", outputs=[new_output("stream", text="secret")])
    assert make(tmp_path, hidden) == f"{HEADER}\n"


def test_echo_false_keeps_the_output_only(tmp_path: Path):
    cell = new_code_cell("#| echo: false\nprint(5)", outputs=[new_output("stream", text="5\n")])
    assert make(tmp_path, cell) == f"{HEADER}\n\n```text\n5\n```\n"


def test_figure_is_written_and_linked(tmp_path: Path):
    cell = new_code_cell("draw()", outputs=[shown("image/png", base64.b64encode(PNG).decode())])
    assert make(tmp_path, cell).endswith("![Figure 1](index_files/1.png)\n")
    assert (tmp_path / "index_files" / "1.png").read_bytes() == PNG


def test_figures_that_are_gone_are_removed(tmp_path: Path):
    (tmp_path / "index_files").mkdir()
    (tmp_path / "index_files" / "7.png").write_bytes(PNG)
    make(tmp_path, new_markdown_cell("no figure"))
    assert list((tmp_path / "index_files").iterdir()) == []


def test_markdown_output_passes_and_wins_over_text(tmp_path: Path):
    cell = new_code_cell("table()", outputs=[shown("text/markdown", "| a |\n|---|")])
    assert make(tmp_path, cell).endswith("| a |\n|---|\n")


def test_fence_is_longer_than_one_inside(tmp_path: Path):
    assert make(tmp_path, new_code_cell('"""\n```\n"""')).endswith('````python\n"""\n```\n"""\n````\n')


def test_error_output_is_refused(tmp_path: Path):
    broken = new_code_cell("1/0", outputs=[new_output("error", ename="ZeroDivisionError", evalue="x")])
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        make(tmp_path, broken)
