"""One function finds the fixed points of every kind of dynamics, and each point knows whether it is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pycrld_econ.agents import (
    FAQ,
    InattentiveLearners,
    MixedPopulation,
    POStrategyActorCritic,
    POStrategySARSA,
    StrategyActorCritic,
    StrategyQLearning,
    StrategySARSA,
    ValueQLearning,
    ValueSARSA,
    multiagent_softmax_strategy,
    replicator,
)
from pycrld_econ.analysis import Proof, certify, fixed_points
from pycrld_econ.environments import ExchangeablePublicGood, SocialDilemma, TensorGame, random_game

HUNT = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
SADDLE = np.tile([5 / 7, 2 / 7], (2, 1, 1))


class Stranger:
    """A dynamics that offers no more than the protocol."""

    def __init__(self, learners: Any) -> None:
        self.point_shape, self.step, self.trajectory = (
            learners.point_shape,
            learners.step,
            learners.trajectory,
        )
        self.to_coordinates, self.from_coordinates = learners.to_coordinates, learners.from_coordinates


def guess_the_state() -> TensorGame:
    "One agent, two states that come with 0.7 and 0.3 whatever it does, and a reward for naming the state"
    T = np.broadcast_to([0.7, 0.3], (2, 2, 2)).copy()
    R = np.broadcast_to(np.eye(2)[None, :, :, None], (1, 2, 2, 2)).copy()
    return TensorGame(T, R)


def every_kind() -> dict[str, Any]:
    softmax = multiagent_softmax_strategy(2.0, 2)
    crowd = ExchangeablePublicGood(N=3, f=2.0)
    found = {
        "actor-critic": StrategyActorCritic(HUNT, 0.1, 0.9),
        "SARSA": StrategySARSA(HUNT, 0.1, 0.9, 20.0),
        "Q": StrategyQLearning(HUNT, 0.1, 0.0, 20.0),
        "Q, historical": StrategyQLearning(HUNT, 0.1, 0.9, 2.0, q_continuation="policy_average"),
        "mixed": MixedPopulation(HUNT, [StrategyActorCritic, StrategySARSA], 0.1, 0.9, 20.0),
        "counted": StrategyActorCritic(crowd, 0.1, 0.0),
        "observing": POStrategyActorCritic(HUNT, 0.1, 0.9),
        "observing, forgetting": POStrategySARSA(HUNT, 0.1, 0.0, 20.0),
        "values, SARSA": ValueSARSA(HUNT, 0.1, 0.0, softmax),
        "values, Q": ValueQLearning(HUNT, 0.1, 0.5, softmax),
        "replicator": replicator(HUNT, time_step=0.1),
        "logit": FAQ(HUNT, choice_intensities=20.0, time_step=0.1),
        "inattentive": InattentiveLearners(guess_the_state(), 0.2, 0.0, 0.8),
        "protocol alone": Stranger(StrategySARSA(HUNT, 0.1, 0.0, 2.0)),
    }
    shaping = pytest.importorskip("pycrld_econ.shaping")
    found["shaping"] = shaping.OpponentShaping(shaping.matching_pennies(), shaping.LOLA(0.1, 0.5))
    return found


KINDS = every_kind()


@pytest.mark.parametrize("name", KINDS)
def test_points_stay_where_they_are_and_certificates_have_a_verdict(name: str) -> None:
    dynamics = KINDS[name]
    found = fixed_points(dynamics, starts=4)
    assert len(found) >= 1, found.message
    for point in found:
        after = dynamics.step(point.X)[0]
        assert np.linalg.norm(after - point.X) < 1e-8 and point.residual < 1e-8
        assert point.certificate.proved or point.certificate.reason
        assert point.certificate.message in repr(point) and point.kind in repr(point)
    assert found[0].certificate is found[0].certificate  # made once
    assert len(found.table().splitlines()) == len(found) + 1


@pytest.mark.parametrize("name", ["actor-critic", "observing", "replicator"])
def test_the_saddle_is_found_whoever_looks(name: str) -> None:
    found = fixed_points(KINDS[name], starts=4)
    (mixed,) = (point for point in found if not point.is_pure)
    np.testing.assert_allclose(mixed.X, SADDLE, atol=1e-9)
    assert sorted(found.classes) == ["saddle", "sink", "sink", "source", "source"]


def test_multipliers_on_charts_are_those_of_the_closed_form() -> None:
    closed, charts = (fixed_points(KINDS[name], starts=4) for name in ("actor-critic", "observing"))
    for point in closed:
        (other,) = (k for k in charts if np.abs(k.X - point.X).max() < 1e-7)
        assert other.kind == point.kind
        np.testing.assert_allclose(np.sort(other.transversal), np.sort(point.transversal), rtol=1e-9)
        np.testing.assert_allclose(
            np.sort(other.multipliers.real), np.sort(point.multipliers.real), rtol=1e-8
        )


def test_an_absent_action_grows_as_the_flow_says() -> None:
    """At mutual cooperation defection pays 0.2 less: over a time of 0.1 it shrinks by e^(-0.02)."""
    found = fixed_points(KINDS["replicator"], starts=4)
    (corner,) = (point for point in found if (point.X[:, 0, 0] == 1).all())
    np.testing.assert_allclose(corner.transversal, np.exp(-0.02), rtol=1e-12)


def test_inattentive_learners_rest_where_information_is_bought_optimally() -> None:
    (point,) = fixed_points(KINDS["inattentive"], starts=6)
    learners = KINDS["inattentive"]
    p = learners.average_strategy(point.X)[0]
    posterior = p * np.exp(np.eye(2) / 0.8)  # X(a|s) = p(a) exp(u(s, a) / price), normalised
    np.testing.assert_allclose(point.X[0], posterior / posterior.sum(-1, keepdims=True), atol=1e-8)


def test_what_is_proved_and_what_is_not() -> None:
    proofs = {
        name: fixed_points(KINDS[name], starts=4) for name in ("actor-critic", "SARSA", "logit", "mixed")
    }
    for found in proofs.values():
        assert all(point.certificate.proved for point in found)
        assert any("unique within" in point.certificate.message for point in found)
    pure = next(point for point in proofs["actor-critic"] if point.is_pure)
    assert pure.certificate.proof is Proof.PURE
    for name, word in (
        ("Q", "smooth map"),
        ("values, SARSA", "strategy learners"),
        ("counted", "joint actions"),
    ):
        point = next(point for point in fixed_points(KINDS[name], starts=4))
        assert (
            word in point.certificate.message and "could not be proved, because" in point.certificate.message
        )
    large = StrategySARSA(
        random_game(N=2, M=4, Z=4, rng=0), 0.1, 0.0
    )  # too large to be certified for a table
    assert "not asked for" in repr(fixed_points(large, starts=1))


def test_no_proof_for_corners_of_learners_that_forget_nor_for_those_who_do_not_learn() -> None:
    corner = np.tile([1.0, 0.0], (2, 1, 1))
    with pytest.raises(ValueError, match="do not rest on faces"):
        certify(StrategySARSA(HUNT, 0.1, 0.0), corner)
    with pytest.raises(ValueError, match="agents that all learn"):
        certify(StrategyActorCritic(HUNT, [0.1, 0.0], 0.0), SADDLE)
