"""Arrays that compiled code keeps: unpacked once, not in every call.

In each call numba unpacks every array of every tuple that it is given, a third of a microsecond each. A step of a large
simulator takes a hundred and fifty, always the same ones. Here they are put into one object that compiled code opens
at no cost.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba.experimental import structref

from pycrld_econ.agents.engine import compiled


@structref.register
class HeldType(numba.types.StructRef):
    """The type of `Held` in compiled code."""


class Held(structref.StructRefProxy):
    """A tuple of tuples of arrays, unpacked."""

    def __new__(cls, arrays: tuple[Any, ...]) -> Held:
        """Made in compiled code, by `hold`."""
        return structref.StructRefProxy.__new__(cls, arrays)  # type: ignore[no-any-return]


structref.define_proxy(Held, HeldType, ["arrays"])


@numba.njit(cache=True)
def hold(arrays: tuple[Any, ...]) -> Held:
    """Unpack tuples of arrays; the result keeps them alive."""
    return Held(arrays)


@cache
def entry(module: types.ModuleType, rule: str, kept: tuple[bool, ...]) -> Callable[..., None]:
    """A compiled rule whose arguments come in two parts.

    Parameters
    ----------
    module, rule : module, str
        Where the rule is, and its name.
    kept : tuple of bool
        Which arguments after the range of lanes are held.

    Returns
    -------
    callable
        To be called with `first`, `last`, a tuple of the other arguments, and a `Held` of those that are held.
    """
    twin: Any = compiled(module, rule, callable_=False)
    places = [f"{'held.arrays' if held else 'loose'}[{kept[:k].count(held)}]" for k, held in enumerate(kept)]
    source = f"def opened(first, last, loose, held):\n    rule(first, last, {', '.join(places)})\n"
    scope = {"rule": twin, "__name__": __name__}
    exec(compile(source, __file__, "exec"), scope)
    opened: Any = scope["opened"]
    opened.__qualname__ = f"opened_{twin.py_func.__qualname__}"  # which tells versions apart in the cache
    return numba.njit(nogil=True, error_model="numpy", cache=True)(opened)  # type: ignore[no-any-return]
