"""Check that what notebooks store is what they give today.

Each notebook is executed in memory from top to bottom, and text outputs are compared with the stored ones
(of a figure, only that it is there). Refused in any case: error outputs, anything on stderr, absolute paths,
a figure over 60 kB, a notebook over 500 kB. `python tools/execute.py NOTEBOOK` brings outputs up to date.
"""

from __future__ import annotations

import argparse
import base64
import copy
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from nbclient.exceptions import CellExecutionError
from nbdev.clean import clean_nb
from nbformat import NotebookNode

from execute import run, skipped
from notebooks import NBS, ROOT, find, read

# Cells opened by one of these directives are not executed unless asked for, as under nbdev_test.
FLAGS = frozenset({"notest", "slow", "cuda"})
FIGURE_LIMIT = 60_000
NOTEBOOK_LIMIT = 500_000
# Two components at least, and not inside a word, a URL or a relative path; or a Windows drive.
_ABSOLUTE = re.compile(r"(?<![\w.:/~*>)\]}])/[A-Za-z_][\w.+-]*(?:/[\w.+-]+)+|\b[A-Za-z]:\\+\w")


def texts(output: NotebookNode) -> dict[str, str]:
    """What an output says, by MIME type; a figure says only which kind it is."""
    if output.output_type == "stream":
        return {output.name: output.text.rstrip()}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    figures = {kind: "" for kind in output.data if kind.startswith("image/")}
    return figures or {kind: str(value).rstrip() for kind, value in output.data.items()}


def refusals(notebook: NotebookNode) -> Iterator[str]:
    """What no notebook may store, by cell."""
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            for kind, text in texts(output).items():
                if kind == "error":
                    yield f"cell {index}: error output {text}"
                if kind == "stderr" and text:
                    yield f"cell {index}: writes to stderr: {text.splitlines()[0]}"
                if found := _ABSOLUTE.search(text):
                    yield f"cell {index}: output holds the absolute path {found[0]}"
            if (size := len(base64.b64decode(output.get("data", {}).get("image/png", "")))) > FIGURE_LIMIT:
                yield f"cell {index}: figure of {size} bytes, the limit is {FIGURE_LIMIT}"


def differences(stored: NotebookNode, fresh: NotebookNode, flags: Collection[str]) -> Iterator[str]:
    """Cells whose outputs are not the stored ones; cells left out for `flags` are not compared."""
    for index, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        if skipped(old, flags):
            continue
        before, after = ([texts(output) for output in cell.outputs] for cell in (old, new))
        if before != after:
            yield f"cell {index}: stored output is stale\n  stored: {before}\n  now:    {after}"


def check_stored(path: Path) -> list[str]:
    """What is wrong with the file at `path` as it stands, without executing it."""
    size = path.stat().st_size
    heavy = [f"{size} bytes, the limit is {NOTEBOOK_LIMIT}"] if size > NOTEBOOK_LIMIT else []
    return heavy + list(refusals(read(path)))


def check(path: Path, flags: Collection[str] = FLAGS) -> list[str]:
    """What is wrong with the notebook at `path`, stored and executed, leaving out cells with `flags`."""
    problems = check_stored(path)
    stored = read(path)
    clean_nb(stored)
    fresh = copy.deepcopy(stored)
    try:
        run(fresh, path.resolve().parent, flags)
    except CellExecutionError as error:
        return [*problems, f"a cell failed:\n{error}"]
    # A fault that is stored and made again is one fault.
    return list(dict.fromkeys([*problems, *refusals(fresh), *differences(stored, fresh, flags)]))


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="files (default: all under nbs/)")
    parser.add_argument("--stored", action="store_true", help="look at the files only, execute nothing")
    parser.add_argument("--flags", nargs="*", default=[], metavar="FLAG", help="execute cells marked so, too")
    options = parser.parse_args()
    found = False
    for path in options.notebooks or find(NBS):
        path = path.resolve()
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for problem in check_stored(path) if options.stored else check(path, FLAGS - set(options.flags)):
            found = True
            print(f"{shown}: {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
