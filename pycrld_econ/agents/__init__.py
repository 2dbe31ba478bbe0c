"""Strategy-average learning dynamics in stochastic games."""

from pycrld_econ.agents.actor_critic import StrategyActorCritic
from pycrld_econ.agents.base import Dynamics, KernelDynamics
from pycrld_econ.agents.results import Ensemble, Status
from pycrld_econ.agents.stationary import ergodic_distributions, stationary_distribution
from pycrld_econ.agents.strategy import StrategyDynamics

stratAC = StrategyActorCritic

__all__ = [
    "Dynamics",
    "Ensemble",
    "KernelDynamics",
    "Status",
    "StrategyActorCritic",
    "StrategyDynamics",
    "ergodic_distributions",
    "stationary_distribution",
    "stratAC",
]
