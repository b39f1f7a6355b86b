"""Durations and moments as people write them."""

from __future__ import annotations

import time

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.moment import duration_option, duration_s, moment_option, shown_moment

CONTEXT = click.Context(click.Command("x"))
PARAMETER = click.Option(["--x"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("45s", 45),
        ("30m", 1800),
        ("24h", 86_400),
        (" 90D ", 7_776_000),
        ("2w", 1_209_600),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert duration_s(text) == seconds
    assert duration_option(CONTEXT, PARAMETER, text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "h", "-1h", "1.5h", "1y", "1h30m", "99999999w", "٣h", "1h\n2"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 30m, 24h, 7d or 0"):
        duration_option(CONTEXT, PARAMETER, text)


def test_a_moment_is_a_duration_from_now_or_a_date() -> None:
    before = time.time()
    moment = moment_option(CONTEXT, PARAMETER, "90d")
    assert moment is not None
    assert before + 7_776_000 <= moment <= time.time() + 7_776_000
    assert moment_option(CONTEXT, PARAMETER, "2098-01-31") == 4041964800.0
    assert moment_option(CONTEXT, PARAMETER, "2098-01-31T01:00:00+01:00") == 4041964800.0
    assert moment_option(CONTEXT, PARAMETER, None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "is no moment; give a duration such as 90d"),
        ("2098-02-30", "is no moment"),
        ("", "is no moment"),
        ("2020-01-01", "is past"),
        ("0", "is past"),
        ("0001-01-01", "is past"),
        ("9999-12-31", "a century away"),
        ("9999w", "a century away"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text: str, message: str) -> None:
    with pytest.raises(click.BadParameter, match=message):
        moment_option(CONTEXT, PARAMETER, text)


@given(st.text(max_size=12))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    for option in (moment_option, duration_option):
        try:
            value = option(CONTEXT, PARAMETER, text)
        except click.BadParameter:
            continue
        assert isinstance(value, int | float)


def test_moments_are_shown_in_utc() -> None:
    assert shown_moment(4041964800.9) == "2098-01-31T00:00:00Z"
    assert shown_moment(None) is None
