"""What a caller is told whose request does not fit: which limit, whose, and when to come back."""

from __future__ import annotations

import math

from gateway.errors import RateLimited
from gateway.limits.bucket import Bucket, Kind
from gateway.limits.headers import Headers

LONGEST_RETRY_S = 60.0
"""Client libraries ignore longer waits (openai-node) or give up on them (openai-python)."""


def refusal(
    bucket: Bucket, *, wait_s: float, retry_after_s: float, headers: Headers
) -> RateLimited:
    """The error for a request that the bucket has no room for.

    `wait_s` is when the bucket has room, `retry_after_s` when it is this caller's turn. Who would
    have to wait for hours is told not to try again.
    """
    soon = wait_s <= LONGEST_RETRY_S or bucket.kind not in _OF_DAY
    when = f"in {_plain(retry_after_s if soon else wait_s)}"
    return RateLimited(
        f"{_owner(bucket)} {_used_up(bucket)}; try again {when}.",
        retry_after_s=retry_after_s if soon else None,
        headers=headers,
        bucket=bucket.label,
    )


def _owner(bucket: Bucket) -> str:
    return f"{bucket.owner.capitalize()} '{bucket.name}'" if bucket.name else "Everybody together"


def _used_up(bucket: Bucket) -> str:
    if bucket.kind is Kind.CONCURRENT:
        return f"has its limit of {_count(bucket.limit, 'request')} at once running"
    unit = "token" if bucket.kind.of_tokens else "request"
    window = "24 hours" if bucket.kind in _OF_DAY else "minute"
    each = "in" if bucket.kind in _OF_DAY else "a"
    shared = ", which all who call it share" if bucket.owner == "model" else ""
    return f"has used up its limit of {_count(bucket.limit, unit)} {each} {window}{shared}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(seconds: float) -> str:
    if seconds < 120:
        return f"{math.ceil(seconds * 10) / 10:g} s"
    minutes = math.ceil(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


_OF_DAY = (Kind.REQUESTS_PER_DAY, Kind.TOKENS_PER_DAY)
