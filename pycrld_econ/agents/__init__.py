"""Strategy-average learning dynamics in stochastic games."""

from pycrld_econ.agents.actor_critic import StrategyActorCritic
from pycrld_econ.agents.base import Dynamics, KernelDynamics
from pycrld_econ.agents.continuous_limit import FAQ, ContinuousLimit, replicator
from pycrld_econ.agents.mixed_population import MixedPopulation
from pycrld_econ.agents.q_learning import StrategyQLearning
from pycrld_econ.agents.results import Ensemble, Status
from pycrld_econ.agents.sarsa import StrategySARSA
from pycrld_econ.agents.stationary import ergodic_distributions, stationary_distribution
from pycrld_econ.agents.strategy import Kind, StrategyDynamics

stratAC = StrategyActorCritic
stratQ = StrategyQLearning
stratSARSA = StrategySARSA

__all__ = [
    "FAQ",
    "ContinuousLimit",
    "Dynamics",
    "Ensemble",
    "KernelDynamics",
    "Kind",
    "MixedPopulation",
    "Status",
    "StrategyActorCritic",
    "StrategyDynamics",
    "StrategyQLearning",
    "StrategySARSA",
    "ergodic_distributions",
    "replicator",
    "stationary_distribution",
    "stratAC",
    "stratQ",
    "stratSARSA",
]
