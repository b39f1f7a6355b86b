"""How long a request will hold its slot."""

from __future__ import annotations

import math
import random

import pytest

from gateway.admission.base import UNKNOWN_COST_S
from gateway.admission.service_time import MOST_LEARNT, Fit, ServiceTimes


def test_what_is_not_known_yet_is_guessed() -> None:
    assert ServiceTimes().predict("m", "/chat/completions", 100, None) == UNKNOWN_COST_S


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_linear_service_time_is_found_and_kept_for_ever(noise: float) -> None:
    chance, fit = random.Random(1), Fit()

    def true_s(size: int, tokens: int) -> float:
        return 0.2 + size / 10_000 + tokens / 100

    worst = 0.0
    for n in range(100_000):
        size, tokens = chance.randint(100, 20_000), chance.randint(100, 300)
        fit.observe(size, tokens, true_s(size, tokens) * chance.uniform(1 - noise, 1 + noise))
        if n > 200 and n % 97 == 0:
            seen = fit.predict(5_000, 150)
            worst = max(worst, abs(seen / true_s(5_000, 150) - 1))
    assert worst < 0.25


@pytest.mark.parametrize(
    ("size", "tokens"), [(1_000, 100), (0, 0), (1, 10**12)], ids=["usual", "nothing", "absurd"]
)
def test_the_same_request_again_and_again_does_not_wear_the_fit_out(size: int, tokens: int) -> None:
    fit = Fit()
    for _ in range(60_000):
        fit.observe(size, tokens, 2.0)
    assert math.isclose(fit.predict(size, None), 2.0, rel_tol=0.05)


def test_what_cannot_be_true_is_got_over() -> None:
    fit = Fit()
    for held_s in (1.0, math.inf, math.nan, 1.0):
        fit.observe(1_000, 100, held_s)
    for _ in range(100):
        fit.observe(1_000, 100, 1.0)
    assert math.isfinite(fit.predict(1_000, 100))


def test_a_limit_on_the_answer_makes_the_prediction_shorter() -> None:
    fit = Fit()
    for n in range(200):
        fit.observe(1_000, 100 + n % 100, 1 + (100 + n % 100) / 100)
    assert fit.predict(1_000, 10) < fit.predict(1_000, None)


def test_no_more_is_learnt_at_a_time_than_the_requests_can_spare() -> None:
    times = ServiceTimes()
    for _ in range(10 * MOST_LEARNT):
        times.note("m", "o", 1_000, 100, 3.0)
    times.learn()
    assert times.predict("m", "o", 1_000, None) == pytest.approx(3.0, rel=0.05)
