from __future__ import annotations

import pytest

from backends.launch.restarts import CrashRow, RestartPolicy


def test_waits_double_up_to_the_longest() -> None:
    row = CrashRow(RestartPolicy(first_s=0.5, most_s=30.0, crashes=100))
    waits = []
    for _ in range(9):
        row = row.after_crash(0.0)
        waits.append(row.delay_s)
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_the_fifth_crash_in_a_row_is_the_last() -> None:
    row = CrashRow(RestartPolicy())
    seen = []
    for _ in range(5):
        row = row.after_crash(59.9)
        seen.append(row.exhausted)
    assert seen == [False, False, False, False, True]


def test_a_healthy_life_ends_the_row() -> None:
    row = CrashRow(RestartPolicy(), crashes=4).after_crash(60.0)
    assert (row.crashes, row.delay_s, row.exhausted) == (1, 0.5, False)


def test_a_row_without_end_does_not_overflow() -> None:
    assert CrashRow(RestartPolicy(), crashes=10**6).delay_s == pytest.approx(30.0)
