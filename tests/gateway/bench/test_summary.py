"""The table that ends a run, and figures as people read them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.bench.summary import notes, table
from gateway.bench.units import counts, number, percent, seconds
from tests.gateway.bench.made import measured, result, step, timeline

MANY = [timeline(n % 2) for n in range(200)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.00999, "10 ms"),
        (0.21, "210 ms"),
        (0.9996, "1.00 s"),
        (1.316, "1.32 s"),
        (12.34, "12.3 s"),
        (99.96, "100 s"),
    ],
)
def test_times_have_three_digits_at_most(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (0.5, "0.5"), (7.126, "7.13"), (50.0, "50"), (1234.6, "1235")],
)
def test_numbers_have_three_digits_or_are_whole(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1, "100 %")],
)
def test_a_share_that_is_not_all_never_looks_so(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_counts_are_told_by_their_kind() -> None:
    assert counts({}) == "0"
    assert counts({"503": 4}) == "4 (503)"
    assert counts({"connect": 1, "http 500": 2}) == "3 (connect 1, http 500 2)"


def test_columns_that_have_nothing_to_say_are_left_out() -> None:
    header, rows = table([step("raw", 1, measured(*MANY[:1]))])
    assert header[-1] == "DONE"
    assert rows == [
        (
            "1 user",
            "raw",
            "1.1",
            "5.5",
            "1.00 s / 1.00 s",
            "100 ms / 100 ms",
            "2.00 s / 2.00 s",
            "1",
        )
    ]
    broken = step("raw", 2, measured(*MANY, timeline(pieces=0, refused=503)))
    header, rows = table([broken])
    assert dict(zip(header, rows[0], strict=True))["REFUSED"] == "1 (503)"


def test_a_load_is_named_once_for_all_its_targets() -> None:
    steps = [step(name, 2, measured(*MANY)) for name in ("raw", "gateway")]
    assert [row[:2] for row in table(steps)[1]] == [("2 users", "raw"), ("", "gateway")]


def test_a_void_step_shows_no_number_but_its_counts() -> None:
    void = step("raw", 2, measured(*MANY, cpu_share=0.95))
    header, (row,) = table([void])
    cells = dict(zip(header, row, strict=True))
    assert (cells["TOKENS/S"], cells["TTFT p50/p99"], cells["DONE"]) == ("void", "-", "200")
    said = notes(result(void))
    assert any(line.startswith("void: 2 users, raw: the generator was") for line in said)
    assert any(line.startswith("remedy: give the generator a core") for line in said)


def test_a_remedy_is_said_once_for_all_steps() -> None:
    steps = [step(name, 2, measured(*MANY, cpu_share=0.95)) for name in ("raw", "gateway")]
    said = notes(result(*steps))
    assert sum(line.startswith("void") for line in said) == 2
    assert sum(line.startswith("remedy") for line in said) == 1


def test_what_the_figures_rest_on_is_said() -> None:
    counted = [timeline(n % 2, output_tokens=11) for n in range(200)]
    assert notes(result(step("raw", 2, measured(*counted)))) == [
        "note: every request got its whole answer: none refused, failed, cut or late"
    ]
    said = notes(replace(result(step("raw", 2, measured(timeline()))), interrupted=True))
    assert any("raw did not count tokens" in line for line in said)
    assert any("1 of 1 steps completed fewer than 100" in line for line in said)
    assert any("interrupted" in line for line in said)
