"""Finding and reading the notebooks: what the other tools share."""

from __future__ import annotations

import re
from itertools import dropwhile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"
_DIRECTIVE = re.compile(r"^#\s*\|\s*(\S+)(?:[ \t]+(.*?))?\s*$")


def find(folder: Path = NBS) -> list[Path]:
    """All notebooks below `folder` in reading order, without names that begin with `.` or `_` (as nbdev)."""
    inside = (
        p for p in folder.rglob("*.ipynb") if not any(part[0] in "._" for part in p.relative_to(folder).parts)
    )
    return sorted(inside)


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook at `path`, as nbformat 4."""
    return nbformat.read(path, as_version=4)


def directives(source: str) -> dict[str, str]:
    """The `#| name value` lines that open a cell, by name; the value of `eval: false` is `false`."""
    found: dict[str, str] = {}
    for line in source.splitlines():
        match = _DIRECTIVE.match(line)
        if not match:
            break
        found[match[1].rstrip(":")] = match[2] or ""
    return found


def body(source: str) -> str:
    """`source` without its opening directive lines."""
    return "\n".join(dropwhile(_DIRECTIVE.match, source.splitlines())).strip("\n")
