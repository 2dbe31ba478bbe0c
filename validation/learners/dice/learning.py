"""Epochs of opponent shaping: both players improve against a learning opponent, from the same starting point.

In an epoch each player makes S outer steps against the other's policy as it was at the epoch's beginning; the reference
policies of both distances are those of that moment too. Then both are replaced at once. With opponent models, a player
first fits a model of the other's policy and values to games of the true players, and shapes the model instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pycrld_econ.validation.learners.dice import adjoint, passes
from pycrld_econ.validation.learners.dice.networks import NetworkShape, initial_parameters, mirrored
from pycrld_econ.validation.learners.dice.objectives import Objective, value_targets
from pycrld_econ.validation.learners.dice.play import DeviceGame, Draws, play, seats
from pycrld_econ.validation.learners.dice.reference import OuterProblem, OuterStep
from pycrld_econ.validation.simulators.coin_game import coin_game
from pycrld_econ.validation.simulators.iterated_games import iterated_dilemma
from pycrld_econ.validation.simulators.table_games import TableGame

GAMES = ("ipd", "coin")
OPTIMISERS = ("adam", "sgd")
EVALUATION = (
    4  # streams of random numbers: 0 and 1 updates of seats, 2 and 3 opponent models, from 4 on evaluation
)


@dataclass(frozen=True)
class OpponentModels:
    """How opponents are modelled.

    Attributes
    ----------
    data_batches : int
        Batches of games of the true players in each epoch, at least 1.
    steps_per_batch : int
        Steps of gradient descent on each, at least 1.
    """

    data_batches: int = 100
    steps_per_batch: int = 1

    def __post_init__(self) -> None:
        for name in ("data_batches", "steps_per_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"opponent_models.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class ShapingSettings:
    """What a run is; names as in the published program where it has them.

    Attributes
    ----------
    game : str
        ipd, the iterated prisoner's dilemma, or coin, the Coin Game.
    inner_steps : int
        K, steps that the opponent is thought to make; 0: naive learning.
    outer_steps : int
        S, steps of each player in an epoch, at least 1.
    lr_in, lr_out, lr_v : float
        Learning rates: of the opponent's policy in inner steps, of policies, and of values (inner and outer).
    inner_beta, outer_beta : float
        Weights of the distances from the policies at the beginning of the epoch.
    batch_size, rollout_len : int
        Games of a batch, and their length.
    hidden_size, layers_before_gru : int
        Of all networks.
    epochs : int
        Epochs.
    objective : Objective
        Discounting and baselines.
    optim : str
        adam or sgd, of outer steps.
    reset_optimizer_each_epoch : bool
        True, as published: Adam forgets at each epoch, so with S = 1 it goes by signs only.
    shaping : bool
        False lets the opponent learn without differentiating through it.
    selfplay_mirror : bool
        One policy in both seats: only player 1 learns, and player 2 becomes its mirror image after each epoch (ipd).
    opponent_models : OpponentModels, optional
        None: players know each other's parameters.
    contrib_factor, init_state_coop : float, bool
        Of the iterated dilemma.
    double : bool
        Double precision.
    """

    game: str = "ipd"
    inner_steps: int = 1
    outer_steps: int = 1
    lr_in: float = 0.03
    lr_out: float = 0.005
    lr_v: float = 0.001
    inner_beta: float = 0.0
    outer_beta: float = 0.0
    batch_size: int = 2000
    rollout_len: int = 50
    hidden_size: int = 64
    layers_before_gru: int = 1
    epochs: int = 100
    objective: Objective = field(default_factory=Objective)
    optim: str = "adam"
    reset_optimizer_each_epoch: bool = True
    shaping: bool = True
    selfplay_mirror: bool = False
    opponent_models: OpponentModels | None = None
    contrib_factor: float = 1.33
    init_state_coop: bool = False
    double: bool = False

    def __post_init__(self) -> None:
        if self.game not in GAMES:
            raise ValueError(f"game must be one of {', '.join(GAMES)}, got {self.game!r}")
        if self.optim not in OPTIMISERS:
            raise ValueError(f"optim must be one of {', '.join(OPTIMISERS)}, got {self.optim!r}")
        if self.inner_steps < 0:
            raise ValueError(f"inner_steps must be at least 0, got {self.inner_steps}")
        for name in ("outer_steps", "batch_size", "rollout_len", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr_in", "lr_out", "lr_v", "inner_beta", "outer_beta"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)!r}")
        if self.selfplay_mirror and (self.game != "ipd" or self.opponent_models is not None):
            raise ValueError("selfplay_mirror must be False in the coin game and with opponent models")
        self.policy_shape(), self.value_shape()

    def table_game(self) -> TableGame:
        """The game."""
        if self.game == "coin":
            return coin_game()
        return iterated_dilemma(self.contrib_factor, self.init_state_coop)

    def _shape(self, outputs: int) -> NetworkShape:
        inputs = {"ipd": 6, "coin": 36}[self.game]
        return NetworkShape(inputs, self.hidden_size, outputs, self.layers_before_gru)

    def policy_shape(self) -> NetworkShape:
        """Sizes of policies."""
        return self._shape({"ipd": 2, "coin": 4}[self.game])

    def value_shape(self) -> NetworkShape:
        """Sizes of value networks."""
        return self._shape(1)

    def problem(self) -> OuterProblem:
        """What an outer step is about."""
        return OuterProblem(
            self.policy_shape(),
            self.value_shape(),
            self.objective,
            self.inner_steps,
            self.lr_in,
            self.lr_v,
            self.inner_beta,
            self.outer_beta,
        )


class Shaping:
    """Pairs of players that shape each other, one pair for each seed, side by side.

    Parameters
    ----------
    settings : ShapingSettings
        The same for all pairs.
    seeds : sequence of int
        One for each of R pairs, in [0, 2**63). What a pair does depends on its own seed only, up to the rounding of
        sums whose order the size of a batch may change.
    device : "cpu" or "cuda"
        Where.

    Attributes
    ----------
    policies, values : (R, 2, P), (R, 2, V) tensors
        Of both players of each pair.
    epoch : int
        Epochs made.
    """

    def __init__(self, settings: ShapingSettings, seeds: list[int], device: str = "cpu") -> None:
        if not seeds:
            raise ValueError("seeds must hold at least one seed")
        self.settings, self.seeds, self.device = settings, list(seeds), device
        self.dtype = torch.float64 if settings.double else torch.float32
        self.game = DeviceGame(settings.table_game(), self.dtype, device)
        self.problem = settings.problem()
        self.learning_seats = [1] if settings.selfplay_mirror else [1, 2]
        names = {"policies": self.problem.policy, "values": self.problem.value}
        if settings.opponent_models is not None:
            names |= {"model_policies": self.problem.policy, "model_values": self.problem.value}
        generators = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.tensors: dict[str, Tensor] = {}
        for name, shape in names.items():
            drawn = [torch.stack([initial_parameters(shape, g) for _ in range(2)]) for g in generators]
            self.tensors[name] = torch.stack(drawn).to(self.dtype).to(device)
        if settings.selfplay_mirror:
            self._mirror()
        self.epoch = 0
        self.moments: dict[str, Any] = {}
        seats_of = [seat for seat in self.learning_seats for _ in self.seeds]
        self.seats = seats(seats_of, self.game.game.actions, device)
        repeated = self.seeds * len(self.learning_seats)
        self.draws = Draws(repeated, [seat - 1 for seat in seats_of], device)
        self.model_draws = Draws(repeated, [seat + 1 for seat in seats_of], device)

    @property
    def policies(self) -> Tensor:
        """Policies (R, 2, P)."""
        return self.tensors["policies"]

    @property
    def values(self) -> Tensor:
        """Values (R, 2, V)."""
        return self.tensors["values"]

    def advance(self) -> dict[str, Tensor]:
        """Make one epoch; norms of the last outer gradients of the policies, and losses of the values, each (U,)."""
        own, value = self._of("policies", 0), self._of("values", 0)
        if self.settings.opponent_models is None:
            opponent = (self._of("policies", 1), self._of("values", 1))
        else:
            opponent = self._fit_models(self.settings.opponent_models)
        theta, value = own.clone().requires_grad_(), value.clone().requires_grad_()
        optimisers = self._optimisers("outer", {"policy": theta, "value": value})
        step: OuterStep | None = None
        for s in range(self.settings.outer_steps):
            step = adjoint.outer_step(
                self.problem,
                self.game.observations,
                theta.detach(),
                value.detach(),
                own,
                opponent,
                self._play_at(s),
                self.settings.shaping,
            )
            _check_finite(step, self.epoch, s)
            theta.grad, value.grad = step.policy_gradient, step.value_gradient
            for optimiser in optimisers.values():
                optimiser.step()
        self._keep("outer", optimisers)
        self._replace("policies", theta.detach())
        self._replace("values", value.detach())
        if self.settings.selfplay_mirror:
            self._mirror()
        self.epoch += 1
        assert step is not None
        return {"gradient": step.policy_gradient.norm(dim=-1), "value_loss": step.loss.value}

    def _of(self, name: str, other: int) -> Tensor:
        """Parameters of the learning players (other = 0) or of their opponents (1), (U, .), seats one after another."""
        chosen = [seat - 1 if other == 0 else 2 - seat for seat in self.learning_seats]
        return torch.cat([self.tensors[name][:, seat] for seat in chosen])

    def _replace(self, name: str, new: Tensor) -> None:
        count = len(self.seeds)
        for k, seat in enumerate(self.learning_seats):
            self.tensors[name][:, seat - 1] = new[k * count : (k + 1) * count]

    def _mirror(self) -> None:
        for name, shape in (("policies", self.problem.policy), ("values", self.problem.value)):
            self.tensors[name][:, 1] = mirrored(shape, self.tensors[name][:, 0])

    def _play_at(self, s: int) -> adjoint.Play:
        """How the games of outer step s are played."""
        settings = self.settings
        rounds = settings.inner_steps + 1
        first = (self.epoch * settings.outer_steps + s) * rounds

        def games(k: int, weights: passes.Weights) -> adjoint.Played:
            u = self.draws(first + k, settings.rollout_len + 1, settings.batch_size)
            return play(self.game, self.seats, weights, u)

        return games

    def _optimisers(self, name: str, parts: dict[str, Tensor]) -> dict[str, torch.optim.Optimizer]:
        """Optimisers of policies and values, with the moments of the last epoch if they are kept."""
        kind = torch.optim.Adam if self.settings.optim == "adam" else torch.optim.SGD
        rates = {"policy": self.settings.lr_out, "value": self.settings.lr_v}
        made: dict[str, torch.optim.Optimizer]
        made = {part: kind([tensor], lr=rates[part]) for part, tensor in parts.items()}
        if not self.settings.reset_optimizer_each_epoch and name in self.moments:
            for part, optimiser in made.items():
                optimiser.load_state_dict(self.moments[name][part])
        return made

    def _keep(self, name: str, optimisers: dict[str, torch.optim.Optimizer]) -> None:
        if not self.settings.reset_optimizer_each_epoch:
            self.moments[name] = {part: optimiser.state_dict() for part, optimiser in optimisers.items()}

    def _fit_models(self, how: OpponentModels) -> tuple[Tensor, Tensor]:
        """Fit each player's model of its opponent to games of the true players; policies and values of the models."""
        settings = self.settings
        policy = self._of("model_policies", 0).clone().requires_grad_()
        value = self._of("model_values", 0).clone().requires_grad_()
        optimisers = self._optimisers("models", {"policy": policy, "value": value})
        true = torch.cat([self._of("policies", 0), self._of("policies", 1)])
        weights = passes.weights(self.problem.policy, self.game.observations, true)
        for batch in range(how.data_batches):
            number = self.epoch * how.data_batches + batch
            u = self.model_draws(number, settings.rollout_len + 1, settings.batch_size)
            games = play(self.game, self.seats, weights, u)
            fit_model(
                self.problem, self.game.observations, games, policy, value, optimisers, how.steps_per_batch
            )
        self._keep("models", optimisers)
        self._replace("model_policies", policy.detach())
        self._replace("model_values", value.detach())
        return policy.detach(), value.detach()

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        return {
            "epoch": self.epoch,
            "seeds": self.seeds,
            "tensors": dict(self.tensors),
            "moments": self.moments,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state over.

        Raises
        ------
        ValueError
            If it is one of other seeds, or its tensors have other shapes.
        """
        if list(state["seeds"]) != self.seeds:
            raise ValueError(f"seeds must be those of the state, {state['seeds']}, got {self.seeds}")
        for name, tensor in self.tensors.items():
            found = state["tensors"].get(name)
            if found is None or found.shape != tensor.shape:
                shape = None if found is None else tuple(found.shape)
                raise ValueError(f"the state's {name} must have shape {tuple(tensor.shape)}, got {shape}")
        self.tensors = {name: state["tensors"][name].to(self.device).clone() for name in self.tensors}
        self.epoch, self.moments = int(state["epoch"]), dict(state["moments"])


def _check_finite(step: OuterStep, epoch: int, s: int) -> None:
    """Stop before a gradient that is no number gets into the parameters."""
    for name in ("policy_gradient", "value_gradient"):
        gradient = getattr(step, name)
        if not bool(torch.isfinite(gradient).all()):
            bad = torch.nonzero(~torch.isfinite(gradient).all(-1)).flatten().tolist()
            raise FloatingPointError(
                f"the {name.replace('_', ' ')} of updates {bad} is not finite in outer step {s} of epoch {epoch}; "
                "smaller learning rates (lr_in, lr_out, lr_v) or larger outer_beta keep policies from breaking"
            )


def fit_model(
    problem: OuterProblem,
    observations: Tensor,
    games: adjoint.Played,
    policy: Tensor,
    value: Tensor,
    optimisers: Mapping[str, torch.optim.Optimizer],
    steps: int,
) -> None:
    """Improve models of the opponents on one batch of games, in place.

    Parameters
    ----------
    problem : OuterProblem
        Sizes and discount factor.
    observations : (S, D) tensor
        What is seen in each state.
    games : Played
        Of the true players.
    policy, value : (U, P), (U, V) tensors
        The models.
    optimisers : mapping
        Of `policy` and of `value`.
    steps : int
        Steps on this batch: the policy's by cross-entropy, the values' by their squared error, which takes the value
        after the last step from the model itself.
    """
    count = len(observations)
    acted = passes.Visits(games.states[:-1], 1, count)
    seen = passes.Visits(games.states, 1, count)
    horizon, _, batch = games.own_actions.shape
    engine = adjoint.engine_for(policy)
    for _ in range(steps):
        w = passes.weights(problem.policy, observations, policy.detach())
        a = engine.forward(w, acted)
        p = passes.read_out(w, a.after).softmax(-1)
        wrong = p - functional.one_hot(games.other_actions, p.shape[-1]).to(p.dtype)
        policy.grad = engine.pull_back(w, a, acted, wrong / (horizon * batch)).gradient
        w = passes.weights(problem.value, observations, value.detach())
        a = engine.forward(w, seen)
        guesses = passes.read_out(w, a.after)[..., 0]
        gap = value_targets(problem.objective.gamma, games.other_rewards, guesses[-1]) - guesses[:-1]
        d_out = (-2.0 / batch) * gap.unsqueeze(-1)
        value.grad = engine.pull_back(w, a.until(horizon), acted, d_out).gradient
        for optimiser in optimisers.values():
            optimiser.step()
