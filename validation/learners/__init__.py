"""Learners that improve from samples of a game."""

from pycrld_econ.validation.learners.incremental import IncrementalQLearning, IncrementalRuns
from pycrld_econ.validation.learners.tabular import BatchLearner, LearningRuns

__all__ = ["BatchLearner", "IncrementalQLearning", "IncrementalRuns", "LearningRuns"]
