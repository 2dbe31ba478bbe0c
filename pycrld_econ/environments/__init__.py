"""Finite stochastic games: tensors with names, and the families of games of the literature."""

from .base import Environment, Rng, ebase, joint_actions, make_variable_vector
from .catalogue import GameEntry, Parameter, build, games
from .ecological_public_good import EcologicalPublicGood
from .social_dilemma import (
    SocialDilemma,
    chicken,
    coordination,
    dilemma_type,
    harmony,
    indifference_point,
    prisoners_dilemma,
    stag_hunt,
)
from .tensor_game import NormalForm, TensorGame, battle_of_the_sexes, from_bimatrix, matching_pennies

__all__ = [
    "EcologicalPublicGood",
    "Environment",
    "GameEntry",
    "NormalForm",
    "Parameter",
    "Rng",
    "SocialDilemma",
    "TensorGame",
    "battle_of_the_sexes",
    "build",
    "chicken",
    "coordination",
    "dilemma_type",
    "ebase",
    "from_bimatrix",
    "games",
    "harmony",
    "indifference_point",
    "joint_actions",
    "make_variable_vector",
    "matching_pennies",
    "prisoners_dilemma",
    "stag_hunt",
]
