"""`x-ratelimit-…`: what is left of the tightest limit of requests, and of that of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway.limits.bucket import Bucket

Headers = tuple[tuple[bytes, bytes], ...]


def rate_headers(buckets: Sequence[Bucket], reply: Sequence[int]) -> Headers:
    """The headers that the reply of a reservation amounts to."""
    return _of(buckets, reply[2:5], _REQUESTS) + _of(buckets, reply[5:8], _TOKENS)


def rate_lines(buckets: Sequence[Bucket], reply: Sequence[int]) -> str:
    """The same as lines of a response head: at half the cost, for every answer has them."""
    lines = ""
    if place := reply[2]:
        limit, left, reset = buckets[place - 1].limit, reply[3], go_duration(reply[4])
        lines = (
            f"x-ratelimit-limit-requests: {limit}\r\nx-ratelimit-remaining-requests: {left}\r\n"
            f"x-ratelimit-reset-requests: {reset}\r\n"
        )
    if place := reply[5]:
        limit, left, reset = buckets[place - 1].limit, reply[6], go_duration(reply[7])
        lines += (
            f"x-ratelimit-limit-tokens: {limit}\r\nx-ratelimit-remaining-tokens: {left}\r\n"
            f"x-ratelimit-reset-tokens: {reset}\r\n"
        )
    return lines


def go_duration(us: int) -> str:
    """A time as Go writes it, which clients parse: `12ms`, `1.5s`, `6m0s`. Rounded up to 1 ms."""
    return _of_ms(-(-us // 1000))


@lru_cache(maxsize=8192)
def _of_ms(ms: int) -> str:
    if 0 < ms < 1000:
        return f"{ms}ms"
    seconds, ms = divmod(ms, 1000)
    text = f"{seconds % 60}.{ms:03}".rstrip("0").rstrip(".") if ms else f"{seconds % 60}"
    if seconds < 60:
        return f"{text}s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m{text}s"
    return f"{minutes // 60}h{minutes % 60}m{text}s"


def _of(buckets: Sequence[Bucket], rest: Sequence[int], names: tuple[bytes, ...]) -> Headers:
    place, remaining, reset_us = rest
    if not place:
        return ()
    limit, left, reset = names
    return (
        (limit, b"%d" % buckets[place - 1].limit),
        (left, b"%d" % remaining),
        (reset, go_duration(reset_us).encode("ascii")),
    )


def _names(of: bytes) -> tuple[bytes, ...]:
    return tuple(b"x-ratelimit-%b-%b" % (part, of) for part in (b"limit", b"remaining", b"reset"))


_REQUESTS = _names(b"requests")
_TOKENS = _names(b"tokens")
