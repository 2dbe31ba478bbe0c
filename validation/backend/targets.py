"""Rules for a range of lanes, compiled for processor threads or for CUDA from the same functions.

A rule is a plain function `rule(first, last, *arrays)` that does its work for lanes (environments, replicates)
`first`, ..., `last - 1` and touches nothing of the others. On the processor each thread gets a range of lanes, on CUDA
each thread gets one. Rules are written as those of `pycrld_econ.agents.kernels`: scalars, loops, no allocation.
"""

from __future__ import annotations

import importlib.util
import math
import os
import threading
import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from unittest import mock

from pycrld_econ.agents.engine import available_threads, compiled, run_parallel, sources

DEVICES = ("cpu", "cuda")
BLOCK = 128  # CUDA threads in a block


def cuda_is_simulated() -> bool:
    """Whether numba runs CUDA kernels in its simulator (NUMBA_ENABLE_CUDASIM, read when numba is imported)."""
    import numba

    return bool(getattr(numba.config, "ENABLE_CUDASIM", False))


def check_device(device: str) -> str:
    """The name of a device that is there.

    Parameters
    ----------
    device : "cpu" or "cuda"
        Where to run.

    Raises
    ------
    ValueError
        If the name is unknown.
    RuntimeError
        If CUDA is asked for and there is none; the message says what to do.
    """
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")
    if device == "cuda":
        from numba import cuda

        # The CUDA target inside numba itself does not compile rules that take named tuples; numba-cuda does.
        missing = "no GPU was found" if not cuda.is_available() else ""
        if not missing and not cuda_is_simulated() and importlib.util.find_spec("numba_cuda") is None:
            missing = "numba-cuda is not installed"
        if missing:
            raise RuntimeError(
                "device='cuda' needs an NVIDIA GPU with its driver and numba's CUDA target (pip install "
                f"'numba-cuda[cu12]' or '[cu13]'), but {missing}; use device='cpu', or set NUMBA_ENABLE_CUDASIM=1 "
                "before numba is imported to run in its slow simulator"
            )
    return device


def split_seed(seed: int) -> tuple[int, int]:
    """A seed of 64 bits as the two words of a key; ValueError if it has more."""
    if isinstance(seed, bool) or int(seed) != seed:
        raise TypeError(f"seed must be a whole number, got {seed!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be in [0, 2**64), got {seed}")
    return int(seed) & 0xFFFFFFFF, int(seed) >> 32


@cache
def _device_functions(module: types.ModuleType, rule: str) -> Callable[..., None]:
    """The functions reached from a rule as CUDA device functions that call each other; the rule itself."""
    from numba import cuda

    scopes, twins = [], {}
    for name, function in sources(module, rule).items():
        scope = dict(function.__globals__)
        twin = types.FunctionType(function.__code__, scope, name, function.__defaults__)
        twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
        twins[name] = cuda.jit(device=True)(twin)
        scopes.append(scope)
    for scope in scopes:
        scope.update(twins)
    return twins[rule]


def _one_lane(lanes: int, arrays: tuple[Any, ...]) -> None:
    """A CUDA thread: `rule` for its lane. The names `cuda` and `rule` are given in `_kernel_body`."""
    lane = cuda.grid(1)  # type: ignore[name-defined] # noqa: F821
    if lane < lanes:
        rule(lane, lane + 1, *arrays)  # type: ignore[name-defined] # noqa: F821


def _kernel_body(module: types.ModuleType, rule: str) -> Callable[..., None]:
    """A CUDA kernel, not yet compiled, in which each thread applies a rule to one lane."""
    from numba import cuda

    scope = {"cuda": cuda, "rule": _device_functions(module, rule), "__name__": __name__}
    return types.FunctionType(_one_lane.__code__, scope, f"lanes_{rule}")


@cache
def _cuda_kernel(module: types.ModuleType, rule: str) -> Any:
    from numba import cuda

    return cuda.jit(_kernel_body(module, rule))


def kernel_ptx(
    module: types.ModuleType, rule: str, arguments: Sequence[Any], capability: tuple[int, int]
) -> str:
    """The PTX code of the CUDA kernel of a rule; needs NVVM, but neither a GPU nor a driver.

    Parameters
    ----------
    module, rule : module, str
        Where the rule is, and its name.
    arguments : sequence
        Arrays and numbers as in a call (their types count).
    capability : (int, int)
        Compute capability of the GPU, such as (9, 0).

    Returns
    -------
    str
        PTX code.
    """
    import numba
    from numba import cuda

    signature = numba.void(numba.int64, numba.typeof(tuple(arguments)))
    # Device functions that call others ask the present device for its capability, though the target is given.
    stand_in = types.SimpleNamespace(compute_capability=capability)
    with mock.patch("numba.cuda.dispatcher.get_current_device", lambda: stand_in):
        return str(cuda.compile_ptx(_kernel_body(module, rule), signature, cc=capability)[0])


MANY = 32  # arrays and numbers in tuples, from which on these are unpacked once


def count(value: Any) -> int:
    """Number of arrays and numbers in a nested tuple."""
    return sum(map(count, value)) if isinstance(value, tuple) else 1


class Lanes:
    """Runs one rule for a number of lanes on a device.

    Parameters
    ----------
    module : module
        Where the rule and the functions it calls are.
    rule : str
        Its name.
    device : "cpu" or "cuda"
        Where to run.
    threads : int, optional
        Number of processor threads. Default: all processors that this process may use.
    compile : bool
        False interprets the rule in one thread of the processor: slow, and the same numbers.

    Raises
    ------
    ValueError, RuntimeError
        As `check_device`, or if `threads` is below 1.
    """

    def __init__(
        self,
        module: types.ModuleType,
        rule: str,
        device: str = "cpu",
        threads: int | None = None,
        compile: bool = True,
    ) -> None:
        self.module, self.rule, self.device = module, rule, check_device(device)
        self.threads = available_threads() if threads is None else int(threads)
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self.compile = compile and os.environ.get("PYCRLD_ECON_TIER") != "interpreted"
        self._unpacked: tuple[tuple[Any, ...], Any] = (), None

    def __call__(self, lanes: int, *arrays: Any, progress: bool = False) -> None:
        """Apply the rule to all lanes; arrays are changed in place, on CUDA without waiting for the end.

        Parameters
        ----------
        lanes : int
            Number of lanes.
        *arrays
            What the rule takes after its range; on CUDA, device arrays are not copied, others are copied both ways.
        progress : bool
            Whether to show a bar after two seconds (processor only).

        Raises
        ------
        KeyboardInterrupt
            If the user interrupted; lanes that were not started are as they were.
        """
        if self.device == "cuda":
            block = max(1, min(BLOCK, lanes))
            _cuda_kernel(self.module, self.rule)[math.ceil(lanes / block), block](lanes, arrays)
        elif not self.compile:
            getattr(self.module, self.rule)(0, lanes, *arrays)
        else:
            self._in_threads(lanes, arrays, progress)

    def _call(self, arrays: tuple[Any, ...]) -> Callable[[int, int], None]:
        """What does the rule for a range of lanes; tuples of many arrays are unpacked when they change."""
        kept = tuple(array for array in arrays if isinstance(array, tuple))
        last, held = self._unpacked  # read and written as one: threads may call at the same time
        if len(kept) != len(last) or any(a is not b for a, b in zip(kept, last, strict=True)):
            held = None
            if sum(map(count, kept)) >= MANY:
                from pycrld_econ.validation.backend.held import hold

                held = hold(kept)
            self._unpacked = kept, held
        if held is None:
            rule = compiled(self.module, self.rule)
            return lambda first, last: rule(first, last, *arrays)
        from pycrld_econ.validation.backend.held import entry

        loose = tuple(array for array in arrays if not isinstance(array, tuple))
        rule = entry(self.module, self.rule, tuple(isinstance(array, tuple) for array in arrays))
        return lambda first, last: rule(first, last, loose, held)

    def _in_threads(self, lanes: int, arrays: tuple[Any, ...], progress: bool) -> None:
        rule = self._call(arrays)
        if min(self.threads, lanes) <= 1 and not progress:
            rule(0, lanes)
            return
        parts = min(lanes, 4 * self.threads)  # more parts than threads: they take different times
        bounds = [lanes * k // parts for k in range(parts + 1)]

        def task(first: int, last: int) -> Callable[[threading.Event], None]:
            return lambda stop: None if stop.is_set() else rule(first, last)

        tasks = [task(first, last) for first, last in zip(bounds[:-1], bounds[1:], strict=True)]
        sizes = [last - first for first, last in zip(bounds[:-1], bounds[1:], strict=True)]
        if not run_parallel(tasks, sizes, self.threads, progress):
            raise KeyboardInterrupt
