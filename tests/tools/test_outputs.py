"""tools/outputs.py and tools/execute.py, on small notebooks."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import nbformat
import pytest
from matplotlib.image import imread
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output

import outputs
from execute import execute

FIGURE = """
import matplotlib.pyplot as plt
plt.rcParams["figure.dpi"] = 200
plt.figure(figsize=(2, 1)).add_axes([0, 0, 1, 1]).set_axis_off()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder that nbdev takes for a project."""
    ini = outputs.ROOT / "settings.ini"
    (tmp_path / "settings.ini").write_text(ini.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def write(folder: Path, *cells: str | nbformat.NotebookNode) -> Path:
    path = folder / "x.ipynb"
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    for number, cell in enumerate(made):
        cell["id"] = f"cell{number}"
    nbformat.write(new_notebook(cells=made), path)
    return path


def printed(source: str, text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return new_code_cell(source, outputs=[new_output("stream", name=name, text=text)])


def test_executing_twice_writes_the_same_bytes_and_passes(repository: Path):
    path = write(repository, "print(1)\nprint(2)", FIGURE, "object()", "{'b': 1, 'a': {3, 1}}")
    execute(path)
    once = path.read_bytes()
    assert outputs.check(path) == []
    execute(path)
    assert path.read_bytes() == once


def test_figures_are_png_at_72_dpi_whatever_the_style_says(repository: Path):
    path = write(repository, FIGURE)
    execute(path)
    (data,) = (
        o["data"] for o in json.loads(path.read_text())["cells"][0]["outputs"] if "image/png" in o["data"]
    )
    height, width = imread(io.BytesIO(base64.b64decode(data["image/png"])), format="png").shape[:2]
    assert 2 * 72 <= width < 2.5 * 72 and 72 <= height < 1.5 * 72


def test_cells_run_in_the_folder_of_the_notebook(repository: Path):
    (repository / "beside.txt").write_text("here")
    execute(write(repository, "assert open('beside.txt').read() == 'here'"))


def test_failing_cell_leaves_the_file_alone(repository: Path):
    path = write(repository, printed("print(1)", "old"), "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before
    assert any("ZeroDivisionError" in line for line in outputs.check(path))


def test_stale_output_is_found(tmp_path: Path):
    (problem,) = outputs.check(write(tmp_path, printed("print(1)", "1"), printed("print(2)", "3")))
    assert problem.startswith("cell 1: stored output is stale")


def test_missing_output_is_found(tmp_path: Path):
    (problem,) = outputs.check(write(tmp_path, "print(1)"))
    assert "stale" in problem


def test_marked_cells_are_left_out_unless_asked_for(tmp_path: Path):
    path = write(tmp_path, "#| slow\nprint(1)", "#| eval: false\n1 / 0")
    assert outputs.check(path) == []
    assert len(outputs.check(path, outputs.FLAGS - {"slow"})) == 1


def test_stderr_is_refused_even_where_it_is_stored(tmp_path: Path):
    source = "import sys\nprint('careful', file=sys.stderr)"
    assert outputs.check(write(tmp_path, printed(source, "careful", "stderr"))) == [
        "cell 0: writes to stderr: careful"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/home/someone/x.py",
        "in '/root/x' there",
        "saved to /tmp/x/y.png",
        "C:\\Users\\x",
        "(/opt/a/b)",
        "x=/usr/lib",
    ],
)
def test_absolute_paths_are_refused(tmp_path: Path, text: str):
    problems = outputs.check_stored(write(tmp_path, printed("1", text)))
    assert ["absolute path" in line for line in problems] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "nbs/agents/x.ipynb",
        "https://example.org/a/b",
        "1/2 and a/b/c",
        "../shared/x",
        "</td></tr>",
        "5 / 7",
        "a: b",
    ],
)
def test_other_slashes_are_allowed(tmp_path: Path, text: str):
    assert outputs.check_stored(write(tmp_path, printed("1", text))) == []


def test_stored_error_is_refused(tmp_path: Path):
    cell = new_code_cell("1", outputs=[new_output("error", ename="ValueError", evalue="no")])
    assert outputs.check_stored(write(tmp_path, cell)) == ["cell 0: error output ValueError: no"]


def test_limits_of_size(tmp_path: Path):
    png = base64.b64encode(bytes(outputs.FIGURE_LIMIT + 1)).decode()
    heavy = new_code_cell("1", outputs=[new_output("display_data", data={"image/png": png})])
    (figure,) = outputs.check_stored(write(tmp_path, heavy))
    assert "figure of 60001 bytes" in figure
    (notebook,) = outputs.check_stored(write(tmp_path, "#" * outputs.NOTEBOOK_LIMIT))
    assert "the limit is 500000" in notebook
