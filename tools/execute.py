"""Execute notebooks in place, from top to bottom, so that a second run writes the same bytes.

The kernel is this Python, its folder the notebook's; settings of the user (IPython start-up files,
matplotlibrc) do not reach it. Figures are stored as PNG at 72 dpi. Nothing is written when a cell fails.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdev.clean import clean_nb, nbdev_clean

from notebooks import ROOT, directives, find, read

DPI = 72
_KERNEL_CONFIG = f"""
c.InlineBackend.figure_formats = {{"png"}}
c.InlineBackend.print_figure_kwargs = {{"bbox_inches": "tight", "dpi": {DPI}}}
c.HistoryManager.enabled = False
c.InteractiveShell.colors = "nocolor"
"""


class ThisPython(AsyncKernelManager):
    """Starts the kernel of the running interpreter, whatever kernels the user has registered.

    Where there are Unix sockets it talks over these: a TCP port that is free when it is chosen may be taken by
    another kernel before this one binds it.
    """

    def __init__(self, **options: object) -> None:
        super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **options)
        if hasattr(socket, "AF_UNIX"):
            self._sockets = tempfile.TemporaryDirectory(prefix="kernel")
            self.transport, self.ip = "ipc", str(Path(self._sockets.name) / "socket")


@contextmanager
def plain_settings() -> Iterator[dict[str, str]]:
    """The environment of a kernel that sees no settings of the user."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile_default")
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(_KERNEL_CONFIG, encoding="utf-8")
        yield {
            **os.environ,
            "IPYTHONDIR": folder,
            "MATPLOTLIBRC": matplotlib.get_data_path(),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(ROOT),  # this checkout, also where another one is installed
        }


def skipped(cell: nbformat.NotebookNode, flags: Collection[str]) -> bool:
    """Whether a cell is left out: not code, `#| eval: false`, or opened by a directive named in `flags`."""
    if cell.cell_type != "code":
        return True
    found = directives(cell.source)
    return found.get("eval") == "false" or not found.keys().isdisjoint(flags)


def run(
    notebook: nbformat.NotebookNode, folder: Path, flags: Collection[str] = (), timeout: int = 600
) -> None:
    """Execute `notebook` in `folder`, changing it in place; a cell that fails raises.

    Cells that are `skipped` for `flags` are left out and keep the outputs they have.
    """
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    with plain_settings() as env, client.setup_kernel(env=env):
        for index, cell in enumerate(notebook.cells):
            if not skipped(cell, flags):
                cell.outputs = []
                client.execute_cell(cell, index)
    clean_nb(notebook)


def execute(path: Path, flags: Collection[str] = ()) -> None:
    """Run the notebook at `path`, store it and clean the file."""
    notebook = read(path)
    run(notebook, path.resolve().parent, flags)
    nbformat.write(notebook, path)
    nbdev_clean(fname=str(path))


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="files (default: all under nbs/)")
    parser.add_argument(
        "--skip", nargs="*", default=[], metavar="FLAG", help="leave out cells with these directives"
    )
    options = parser.parse_args()
    for path in options.notebooks or find():
        try:
            execute(path, options.skip)
        except CellExecutionError as error:
            print(f"{path}: not written, a cell failed:\n{error}", file=sys.stderr)
            return 1
        shown = path.resolve()
        print(f"executed {shown.relative_to(ROOT) if shown.is_relative_to(ROOT) else path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
