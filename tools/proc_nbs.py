"""Run nbdev's preparation of the notebooks for the site, where nbdev alone would stop.

To render signatures nbdev runs exported cells and cells with imports, and evaluates annotations. An example that
begins with an import needs what the cells before it made, so only cells of nothing but imports are run here; and a name
imported under `if TYPE_CHECKING:` does not exist, so such a signature is rendered as it is written. Leaves the pages in
_proc, for tools/docs_source.py.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from typing import Any

import fastcore.docments
import nbdev.processors
from nbdev.quarto import nbdev_proc_nbs

_evaluated_by_nbdev = nbdev.processors._do_eval


def signature(symbol: Any, *, eval_str: bool = False) -> inspect.Signature:
    """The signature of a symbol, with annotations evaluated where all names in them exist."""
    try:
        return inspect.signature(symbol, eval_str=eval_str)
    except NameError:
        return inspect.signature(symbol)


def is_evaluated(cell: Any) -> bool:
    """Whether a cell is run to render signatures: as nbdev decides, but not an example that begins with imports."""
    imports = [isinstance(tree, ast.Import | ast.ImportFrom) for tree in cell.parsed_() or ()]
    exported = any(directive.startswith("export") for directive in cell.directives_)
    example = any(imports) and not all(imports) and not exported
    return not example and bool(_evaluated_by_nbdev(cell))


def main() -> None:
    """Prepare all notebooks, in this process: another one would not know the changes made here."""
    argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0]).parse_args()
    fastcore.docments.signature = signature
    nbdev.processors._do_eval = is_evaluated
    nbdev_proc_nbs(n_workers=0)


if __name__ == "__main__":
    main()
