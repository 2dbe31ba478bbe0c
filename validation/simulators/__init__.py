"""Games that are played in batches; `simulators.adapters` shows them the way Gymnasium and PettingZoo expect."""

from pycrld_econ.validation.simulators.finite import FiniteSimulator

__all__ = ["FiniteSimulator"]
