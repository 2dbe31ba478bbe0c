"""Information from samples against its closed forms, and what its price does to payments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pycrld_econ.agents.rational_inattention import correlation_information, mixture_information  # noqa: E402
from pycrld_econ.environments.principal_agent import PaymentProblem, outcome, random_payments  # noqa: E402
from pycrld_econ.validation.learners.inattention import (  # noqa: E402
    PaymentSampler,
    PaymentTraining,
    estimate_information,
    train_payments,
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def normal_pair(correlation: float) -> Callable:
    def draw(samples: int, generator):
        x, noise = torch.randn(2, samples, 1, generator=generator)
        return x, correlation * x + (1 - correlation**2) ** 0.5 * noise

    return draw


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_information_of_normal_pairs(correlation: float) -> None:
    found = estimate_information(normal_pair(correlation), steps=600, batch=1024, learning_rate=4e-3, seed=1)
    exact = float(correlation_information(correlation))
    assert abs(found - exact) < 0.1 * exact + 0.02


def test_payments_respond_as_the_exact_problem_says() -> None:
    problem, rng = PaymentProblem(), np.random.default_rng(0)
    mean, deviation = rng.uniform(0.1, 1, (3, 10)), rng.uniform(0.05, 0.5, (3, 10))
    pay, enjoyed = random_payments(problem, mean, deviation)
    expected = outcome(problem, pay, enjoyed)
    sampler = PaymentSampler(problem)
    rows = [torch.tensor(values, dtype=torch.float32) for values in (mean, deviation)]
    drawn = sampler.payments(*rows, 20_000, torch.Generator().manual_seed(0))
    outputs, profit = sampler.respond(drawn.mean(0), sampler.utility(drawn).mean(0))
    np.testing.assert_allclose(outputs, expected.outputs, atol=0.01)
    np.testing.assert_allclose(profit, expected.profit, atol=0.03)


def trained(price: float):
    how = PaymentTraining(
        price=price,
        rounds=250,
        batch=48,
        draws=40,
        pairs=48,
        learning_rate=0.03,
        pretraining=100,
        spread=-1.0,
    )
    return train_payments(PaymentProblem(), how)


def test_price_of_information_makes_payments_simpler_and_profits_smaller() -> None:
    problem, found = PaymentProblem(), {}
    for price in (0.0, 2.0):
        result = trained(price)
        ended = outcome(problem, *random_payments(problem, result.mean, result.deviation))
        information = mixture_information(result.mean, result.deviation, ended.outputs)
        found[price] = information, float(ended.profit)
        assert result.profit[-20:].mean() > result.profit[:20].mean() + 0.5
    assert found[2.0][0] < found[0.0][0] - 0.2
    assert found[2.0][1] < found[0.0][1]


def test_training_replays_from_its_seed() -> None:
    how = PaymentTraining(price=1.0, rounds=5, batch=8, draws=5, pairs=8, pretraining=3)
    first, again = (train_payments(PaymentProblem(), how) for _ in range(2))
    np.testing.assert_array_equal(first.mean, again.mean)
    np.testing.assert_array_equal(first.information, again.information)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="price must be in"):
        PaymentTraining(price=-1.0)
    with pytest.raises(ValueError, match="information must be"):
        PaymentTraining(information="guess")
