"""Exact opponent shaping: LOLA, POLA and their relatives, with exact values of iterated games."""

from pycrld_econ.shaping.games import (
    IteratedGame,
    bach_or_stravinsky,
    chicken,
    contribution_game,
    embedded,
    embedded_strategies,
    environment,
    finds_tit_for_tat,
    from_embedded,
    matching_pennies,
    named,
    own_first,
    prisoners_dilemma,
    reordered,
    stag_hunt,
    strategies,
    two_by_two,
    values,
)
from pycrld_econ.shaping.ideal import IdealPOLA
from pycrld_econ.shaping.learning import OpponentShaping
from pycrld_econ.shaping.losses import LogisticGame, TableGame, tandem
from pycrld_econ.shaping.rules import (
    LOLA,
    POLA,
    ImplicitPOLA,
    Lessons,
    Naive,
    OpponentModel,
    ShapingStatus,
)
from pycrld_econ.shaping.policies import Network, Preconditioned, Tabular, random_parameters
from pycrld_econ.shaping.portraits import LogitSlice, ReactiveSlice, TitForTatPlane
from pycrld_econ.shaping.relatives import GradientRule
from pycrld_econ.shaping.symbolic import SymbolicValue, symbolic_value

__all__ = [
    "GradientRule",
    "IdealPOLA",
    "ImplicitPOLA",
    "IteratedGame",
    "LOLA",
    "Lessons",
    "LogisticGame",
    "LogitSlice",
    "Naive",
    "Network",
    "OpponentModel",
    "OpponentShaping",
    "POLA",
    "Preconditioned",
    "ReactiveSlice",
    "ShapingStatus",
    "SymbolicValue",
    "TableGame",
    "Tabular",
    "TitForTatPlane",
    "bach_or_stravinsky",
    "chicken",
    "contribution_game",
    "embedded",
    "embedded_strategies",
    "environment",
    "finds_tit_for_tat",
    "from_embedded",
    "matching_pennies",
    "named",
    "own_first",
    "prisoners_dilemma",
    "random_parameters",
    "reordered",
    "stag_hunt",
    "strategies",
    "symbolic_value",
    "tandem",
    "two_by_two",
    "values",
]
