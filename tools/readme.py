"""Write README.md from nbs/index.ipynb, without Quarto and always byte for byte the same.

Markdown passes through; code cells marked `hide` or `export` are dropped, the others are fenced without
their directives; text outputs are fenced; PNG outputs are written to index_files/N.png and linked.
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Iterator
from pathlib import Path

import nbformat

from notebooks import NBS, ROOT, body, directives, read

HEADER = "<!-- Generated from nbs/index.ipynb by tools/readme.py: edit the notebook. -->"
FIGURES = "index_files"
_DROPPED = {"hide", "export", "exports", "exporti", "default_exp"}


def fence(text: str, language: str) -> str:
    """`text` as a fenced block, with a fence longer than any inside it."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def show_output(output: nbformat.NotebookNode, figures: list[bytes]) -> str | None:
    """One output as Markdown, richest form first; a PNG is appended to `figures` and linked."""
    if output.output_type == "error":
        raise ValueError(f"nbs/index.ipynb stores an error output: {output.ename}: {output.evalue}")
    if output.output_type == "stream":
        return fence(output.text, "text") if output.name == "stdout" else None
    if "image/png" in output.data:
        figures.append(base64.b64decode(output.data["image/png"]))
        return f"![Figure {len(figures)}]({FIGURES}/{len(figures)}.png)"
    if "text/markdown" in output.data:
        return str(output.data["text/markdown"]).rstrip()
    return fence(output.data["text/plain"], "text") if "text/plain" in output.data else None


def blocks(notebook: nbformat.NotebookNode, figures: list[bytes]) -> Iterator[str]:
    """The blocks of the README in order; figures are appended to `figures` as they are met."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source.strip()
        if cell.cell_type != "code":
            continue
        found = directives(cell.source)
        if _DROPPED & found.keys():
            continue
        if found.get("echo") != "false" and body(cell.source):
            yield fence(body(cell.source), "python")
        yield from filter(None, (show_output(output, figures) for output in cell.outputs))


def write(notebook: Path, root: Path) -> None:
    """Write `root`/README.md and `root`/index_files/, removing figures that are no longer made."""
    figures: list[bytes] = []
    text = "\n\n".join([HEADER, *blocks(read(notebook), figures)]) + "\n"
    folder = root / FIGURES
    for old in folder.glob("*.png"):
        old.unlink()
    for number, data in enumerate(figures, 1):
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes(data)
    (root / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--notebook", type=Path, default=NBS / "index.ipynb", help="source (default: %(default)s)"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="where README.md goes (default: %(default)s)")
    options = parser.parse_args()
    write(options.notebook, options.root)


if __name__ == "__main__":
    main()
