"""Tokens a second, from totals at different times."""

from __future__ import annotations

from gateway.admin.throughput import WINDOW_S, Throughput


def test_without_a_past_there_is_no_rate() -> None:
    rates = Throughput().rates(100.0, (500, 700))
    assert (rates.prompt, rates.answer) == (0, 0)


def test_the_rate_is_the_mean_since_the_first_look() -> None:
    seen = Throughput()
    seen.add(100.0, (500, 700))
    rates = seen.rates(104.0, (540, 900))
    assert (rates.prompt, rates.answer, rates.over_s) == (10, 50, 4)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    seen = Throughput()
    for second in range(60):
        seen.add(100.0 + second, (0, min(second, 30) * 1000))
    rates = seen.rates(160.0, (0, 30_000))
    assert rates.answer == 0
    assert WINDOW_S <= rates.over_s <= WINDOW_S + 1


def test_a_burst_within_a_moment_is_no_endless_rate() -> None:
    seen = Throughput()
    seen.add(100.0, (0, 0))
    assert seen.rates(100.0, (0, 80)).answer == 80


def test_memory_is_bounded_however_often_it_is_told() -> None:
    seen = Throughput()
    for step in range(10_000):
        seen.add(step / 1000, (step, step))
    assert len(seen._seen) <= 64
