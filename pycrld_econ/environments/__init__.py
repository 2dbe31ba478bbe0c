"""Finite stochastic games: tensors with names, and the families of games of the literature."""

from .base import Environment, Game, Rng, ebase, joint_actions, make_variable_vector
from .bertrand_pricing import BertrandPricing
from .catalogue import GameEntry, Parameter, build, games
from .ecological_public_good import EcologicalPublicGood
from .exchangeable import (
    ExchangeableEcologicalPublicGood,
    ExchangeableGame,
    ExchangeablePublicGood,
)
from .grid_world import GridWorld
from .history_embedding import HistoryEmbedded, mask_history
from .memory_one import NAMED_STRATEGIES, memory_one, memory_one_pair, memory_one_strategy, name_of
from .observation import alias_observation, noisy_observation, stack_observations, with_observation
from .one_step_economy import (
    OneStepEconomy,
    expected_skills,
    sequential_game,
    simultaneous_game,
    workers_game,
)
from .principal_agent import PaymentProblem
from .public_good import PublicGood
from .random_games import random_bimatrix, random_game
from .renewable_resource import RenewableResource, RenewableResources, RenewableRessources
from .risk_reward import RiskReward, temporal_reward_risk
from .rock_paper_scissors import RockPaperScissors
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
from .stage_games import harvest_commons, one_shot_auction, pure_equilibria, specialise_or_not
from .tensor_game import NormalForm, TensorGame, battle_of_the_sexes, from_bimatrix, matching_pennies
from .two_state_games import (
    BenefitGame,
    TwoStateCoordination,
    TwoStateGame,
    TwoStateMatchingPennies,
    TwoStatePD,
)
from .uncertain_social_dilemma import MultipleObsSocialDilemma, UncertainSocialDilemma

__all__ = [
    "BenefitGame",
    "BertrandPricing",
    "EcologicalPublicGood",
    "Environment",
    "ExchangeableEcologicalPublicGood",
    "ExchangeableGame",
    "ExchangeablePublicGood",
    "Game",
    "GameEntry",
    "GridWorld",
    "HistoryEmbedded",
    "MultipleObsSocialDilemma",
    "NAMED_STRATEGIES",
    "NormalForm",
    "OneStepEconomy",
    "Parameter",
    "PaymentProblem",
    "PublicGood",
    "RenewableResource",
    "RenewableResources",
    "RenewableRessources",
    "RiskReward",
    "Rng",
    "RockPaperScissors",
    "SocialDilemma",
    "TensorGame",
    "TwoStateCoordination",
    "TwoStateGame",
    "TwoStateMatchingPennies",
    "TwoStatePD",
    "UncertainSocialDilemma",
    "alias_observation",
    "battle_of_the_sexes",
    "build",
    "chicken",
    "coordination",
    "dilemma_type",
    "ebase",
    "expected_skills",
    "from_bimatrix",
    "games",
    "harmony",
    "indifference_point",
    "joint_actions",
    "make_variable_vector",
    "mask_history",
    "matching_pennies",
    "memory_one",
    "memory_one_pair",
    "memory_one_strategy",
    "name_of",
    "noisy_observation",
    "prisoners_dilemma",
    "random_bimatrix",
    "random_game",
    "sequential_game",
    "simultaneous_game",
    "stack_observations",
    "stag_hunt",
    "temporal_reward_risk",
    "with_observation",
    "workers_game",
    "harvest_commons",
    "one_shot_auction",
    "pure_equilibria",
    "specialise_or_not",
]
