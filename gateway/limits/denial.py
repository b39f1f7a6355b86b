"""From a reply that denies to what the caller is told; and again, while it is certain to hold."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import RateLimited
from gateway.limits import gcra
from gateway.limits.bucket import Bucket, Kind
from gateway.limits.headers import rate_headers
from gateway.limits.plan import Block, Plan
from gateway.limits.recent import Recent
from gateway.limits.refusal import refusal

LONGEST_BLOCK_S = 0.25
"""How long a refusal is repeated without asking: what others give back is noticed after that."""


def denial(plan: Plan, tokens: int, reply: Sequence[int], now: float) -> RateLimited:
    """The error that a denying reply amounts to; the plan remembers it for a moment."""
    place = reply[0] - 1
    bucket, recent = plan.buckets[place], plan.recents[place]
    headers = rate_headers(plan.buckets, reply)
    wait_s = reply[1] / 1e6
    if bucket.kind is Kind.CONCURRENT:
        wait_s = _interval_s(bucket, recent, tokens)
    else:
        plan.block = Block(
            place,
            until=now + min(wait_s, LONGEST_BLOCK_S),
            free_at=now + wait_s,
            tokens=tokens if bucket.kind.of_tokens else 0,
            headers=headers,
        )
    retry_s = recent.book(now, wait_s=wait_s, interval_s=_interval_s(bucket, recent, tokens))
    return refusal(bucket, wait_s=wait_s, retry_after_s=retry_s, headers=headers)


def repeated_denial(plan: Plan, block: Block, tokens: int, now: float) -> RateLimited | None:
    """The same once more, if what was denied a moment ago is certain to be denied again."""
    if now >= block.until:
        plan.block = None
        return None
    if tokens < block.tokens:
        return None
    bucket, recent = plan.buckets[block.place], plan.recents[block.place]
    wait_s = block.free_at - now
    retry_s = recent.book(now, wait_s=wait_s, interval_s=_interval_s(bucket, recent, tokens))
    return refusal(bucket, wait_s=wait_s, retry_after_s=retry_s, headers=block.headers)


def _interval_s(bucket: Bucket, recent: Recent, tokens: int) -> float:
    """How far apart callers can be let in whom one bucket has refused."""
    if bucket.kind is Kind.CONCURRENT:
        return recent.held_s / bucket.limit
    if bucket.kind is Kind.REQUESTS_PER_MINUTE:
        return gcra.cost_us(1, bucket.limit) / 1e6
    if bucket.kind is Kind.TOKENS_PER_MINUTE:
        return gcra.cost_us(min(tokens, bucket.limit), bucket.limit) / 1e6
    return 0.0
