"""Gather-trade-build: agents who gather, trade and build on a map, and may be taxed."""

from pycrld_econ.validation.simulators.gather_trade_build.config import (
    Build,
    Gather,
    GTBConfig,
    Map,
    Market,
    Quirks,
    Tax,
    paper,
    strict,
    tutorial,
)
from pycrld_econ.validation.simulators.gather_trade_build.economy import GatherTradeBuild, Step

__all__ = [
    "Build",
    "GTBConfig",
    "Gather",
    "GatherTradeBuild",
    "Map",
    "Market",
    "Quirks",
    "Step",
    "Tax",
    "paper",
    "strict",
    "tutorial",
]
