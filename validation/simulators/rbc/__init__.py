"""The many-agent real-business-cycle economy of Curry, Trott, Phade, Bai and Zheng (2022)."""

from pycrld_econ.validation.simulators.rbc.config import TYPES, Compat, EconomyConfig, Grids, World
from pycrld_econ.validation.simulators.rbc.economy import Economy, Step

__all__ = ["TYPES", "Compat", "Economy", "EconomyConfig", "Grids", "Step", "World"]
