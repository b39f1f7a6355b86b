"""What clients read of their limits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.bucket import Bucket, Kind
from gateway.limits.headers import go_duration, rate_headers


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000, "12ms"),
        (999_001, "1s"),
        (1_000_000, "1s"),
        (1_500_000, "1.5s"),
        (59_999_000, "59.999s"),
        (60_000_000, "1m0s"),
        (72_030_000, "1m12.03s"),
        (360_000_000, "6m0s"),
        (86_400_000_000, "24h0m0s"),
        (90_061_001_000, "25h1m1.001s"),
    ],
)
def test_times_are_written_as_go_does(us: int, text: str) -> None:
    assert go_duration(us) == text


@given(st.integers(0, 200_000_000_000))
def test_a_written_time_reads_back_as_no_less_and_at_most_a_millisecond_more(us: int) -> None:
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d{1,3})?)(ms|s)", go_duration(us))
    assert parts is not None
    hours, minutes, rest, unit = parts.groups()
    read = float(rest) * (1e3 if unit == "ms" else 1e6)
    read += int(hours or 0) * 3.6e9 + int(minutes or 0) * 6e7
    assert 0 <= round(read) - us < 1000


def test_the_headers_are_those_of_the_tightest_bucket_of_each_sort() -> None:
    buckets = [
        Bucket(Kind.REQUESTS_PER_MINUTE, 60, "key", "k", "1", True),
        Bucket(Kind.REQUESTS_PER_DAY, 500, "key", "k", "2", True),
        Bucket(Kind.TOKENS_PER_MINUTE, 90_000, "tenant", "t", "3", True),
    ]
    assert rate_headers(buckets, [0, 0, 2, 12, 3_600_000_000, 3, 89_700, 200_000]) == (
        (b"x-ratelimit-limit-requests", b"500"),
        (b"x-ratelimit-remaining-requests", b"12"),
        (b"x-ratelimit-reset-requests", b"1h0m0s"),
        (b"x-ratelimit-limit-tokens", b"90000"),
        (b"x-ratelimit-remaining-tokens", b"89700"),
        (b"x-ratelimit-reset-tokens", b"200ms"),
    )


def test_nothing_is_said_of_what_is_not_limited() -> None:
    assert rate_headers([], [0, 0, 0, 0, 0, 0, 0, 0]) == ()
