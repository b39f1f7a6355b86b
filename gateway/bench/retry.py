"""When to send a request again, by the rules of the OpenAI client libraries. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from backends.errors import BackendError, ConnectFailed, ConnectionLost, RunnerTimeout

MOST_RETRIES = 2
LONGEST_WAIT_S = 120.0
"""A longer Retry-After ends it: nobody waits for so long."""
_STATUSES = frozenset({408, 409, 429})

Header = Callable[[bytes], bytes | None]


def retry_after_s(header: Header, now: float) -> float | None:
    """What the target asked for, in seconds from `now` (seconds since 1970); None = nothing.

    Never negative. What cannot be understood counts as nothing.
    """
    milliseconds = _number(header(b"retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = header(b"retry-after")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    if value is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(value.decode("latin-1")).timestamp() - now)
    except ValueError:
        return None


def should_retry_status(status: int, header: Header) -> bool:
    """Whether an answer with this status is worth a second try."""
    told = header(b"x-should-retry")
    if told in (b"true", b"false"):
        return told == b"true"
    return status in _STATUSES or status >= 500


def should_retry_fault(fault: BackendError) -> bool:
    """Whether a request that got no answer is worth a second try."""
    return isinstance(fault, ConnectFailed | ConnectionLost | RunnerTimeout)


def wait_s(attempt: int, asked_s: float | None, draw: random.Random) -> float | None:
    """How long to wait after the failed attempt number `attempt` (from 1); None = give up."""
    if attempt > MOST_RETRIES or (asked_s is not None and asked_s > LONGEST_WAIT_S):
        return None
    if asked_s:
        return asked_s
    longest: float = min(8.0, 0.5 * 2.0 ** (attempt - 1))
    return longest * (1 - 0.25 * draw.random())


def _number(value: bytes | None) -> float | None:
    try:
        number = None if value is None else float(value)
    except ValueError:
        return None
    return number if number is not None and abs(number) < 1e9 else None
