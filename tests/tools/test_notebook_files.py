"""tools/notebooks.py: listing notebooks and reading directives."""

from __future__ import annotations

from pathlib import Path

from notebooks import body, directives, find


def test_notebooks_are_found_in_reading_order(tmp_path: Path):
    names = ["index", "b/00_x", "a/01_y", "a/00_z", ".ipynb_checkpoints/a", "_proc/b", "a/_draft"]
    for name in names:
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = [path.relative_to(tmp_path).with_suffix("").as_posix() for path in find(tmp_path)]
    assert found == ["a/00_z", "a/01_y", "b/00_x", "index"]


def test_directives_and_body():
    source = "#| export\n#| eval: false\n#|slow\n# a comment\nx = 1\n#| hide"
    assert directives(source) == {"export": "", "eval": "false", "slow": ""}
    assert body(source) == "# a comment\nx = 1\n#| hide"


def test_no_directives():
    assert directives("x = 1") == directives("") == {}
    assert body("x = 1") == "x = 1"


def test_repeated_directive_is_one_name_and_leaves_the_body():
    assert body("#| hide\n#| hide\nx") == "x"
