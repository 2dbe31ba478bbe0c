"""Strategy-average learning dynamics in stochastic games."""

from pycrld_econ.agents.actor_critic import StrategyActorCritic
from pycrld_econ.agents.base import Dynamics, KernelDynamics
from pycrld_econ.agents.continuous_limit import FAQ, ContinuousLimit, replicator
from pycrld_econ.agents.exploration import (
    ExplorationStrategy,
    multiagent_epsilongreedy_strategy,
    multiagent_mixed_strategy,
    multiagent_softmax_strategy,
)
from pycrld_econ.agents.inattentive import InattentiveLearners, choice_game
from pycrld_econ.agents.mixed_population import MixedPopulation
from pycrld_econ.agents.observing_learners import POStrategyActorCritic, POStrategyQLearning, POStrategySARSA
from pycrld_econ.agents.partial_observability import POStrategyDynamics
from pycrld_econ.agents.q_learning import StrategyQLearning
from pycrld_econ.agents.rational_inattention import InattentiveChoice, inattentive_choice, mutual_information
from pycrld_econ.agents.results import Ensemble, Status
from pycrld_econ.agents.sarsa import StrategySARSA
from pycrld_econ.agents.stationary import ergodic_distributions, stationary_distribution
from pycrld_econ.agents.strategy import Kind, StrategyDynamics
from pycrld_econ.agents.tax_planner import TaxPlanner
from pycrld_econ.agents.value_q_learning import ValueQLearning
from pycrld_econ.agents.value_sarsa import ValueSARSA
from pycrld_econ.agents.value_space import ValueDynamics

POstratAC = POStrategyActorCritic
POstratQ = POStrategyQLearning
POstratSARSA = POStrategySARSA
stratAC = StrategyActorCritic
stratQ = StrategyQLearning
stratSARSA = StrategySARSA
valQ = ValueQLearning
valSARSA = ValueSARSA

__all__ = [
    "ContinuousLimit",
    "Dynamics",
    "Ensemble",
    "ExplorationStrategy",
    "FAQ",
    "InattentiveChoice",
    "InattentiveLearners",
    "KernelDynamics",
    "Kind",
    "MixedPopulation",
    "POStrategyActorCritic",
    "POStrategyDynamics",
    "POStrategyQLearning",
    "POStrategySARSA",
    "POstratAC",
    "POstratQ",
    "POstratSARSA",
    "Status",
    "StrategyActorCritic",
    "StrategyDynamics",
    "StrategyQLearning",
    "StrategySARSA",
    "TaxPlanner",
    "ValueDynamics",
    "ValueQLearning",
    "ValueSARSA",
    "choice_game",
    "ergodic_distributions",
    "inattentive_choice",
    "multiagent_epsilongreedy_strategy",
    "multiagent_mixed_strategy",
    "multiagent_softmax_strategy",
    "mutual_information",
    "replicator",
    "stationary_distribution",
    "stratAC",
    "stratQ",
    "stratSARSA",
    "valQ",
    "valSARSA",
]
