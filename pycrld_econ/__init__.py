"""Deterministic learning dynamics in stochastic games, and the sampled economies they idealise.

Importing this package imports none of its chapters: `from pycrld_econ.environments import SocialDilemma`.
"""

__version__ = "0.1.0"
