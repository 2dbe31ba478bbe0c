"""CUDA without a GPU: another process, in which numba simulates the device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def simulated(test_file: str, call: str) -> str:
    """What is printed by a call, as text, of a function of a test module on a simulated device.

    Parameters
    ----------
    test_file : str
        The module.
    call : str
        An expression, such as `digest('cuda')`; its value is printed last.
    """
    module = Path(test_file)
    code = f"import sys; sys.path[:0] = [{str(module.parent)!r}, {str(TESTS)!r}]; "
    code += f"from {module.stem} import *; print({call})"
    settings = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONWARNINGS": "ignore"}
    settings["PYTHONPATH"] = str(TESTS.parent)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
