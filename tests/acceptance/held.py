"""What a gateway holds, as its store tells: slots, tickets, and what callers were charged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.limits.bucket import Kind, buckets_of
from gateway.principal import Limits, Principal
from tests.fakes.stores import Server

KEPT = re.compile(rb"\{sg:[a-z0-9-]+\}:(lease:|t$|dead$|line:|work|at:|count|load$|ready:)")
"""Keys of the queue that are empty, and so do not exist, while nobody waits and nothing runs."""


def held(server: Server) -> dict[str, int]:
    """What of slots and tickets there is in any domain, by key; empty when all was given back."""
    found = {}
    with server.client() as store:
        for key in keys(server):
            if KEPT.match(key):
                found[key.decode()] = _size(store, key)
            elif b":limit:" in key and store.type(key) == b"zset":
                # A bucket of requests at once: each member is one that runs.
                found[key.decode()] = store.zcard(key)
    return found


def keys(server: Server) -> Iterator[bytes]:
    """Every key of the store."""
    with server.client() as store:
        yield from store.scan_iter(count=1000)


def leases(server: Server) -> int:
    """Slots that the store counts as taken."""
    found = held(server)
    return sum(size for key, size in found.items() if ":lease:" in key)


@dataclass(frozen=True, slots=True)
class Charged:
    """What a key has been charged today."""

    requests: int
    tokens: int


def charged(server: Server, key: str, *, domain: str = "default") -> Charged:
    """What the key of that name in the configuration has been charged, which needs limits a day."""
    limits = Limits(requests_per_day=1, tokens_per_day=1)
    principal = Principal(name=key, tenant="", key_id=f"config:{key}", limits=limits)
    ids = {bucket.kind: bucket.id for bucket in buckets_of(principal, "", Limits())}
    with server.client() as store:

        def used(kind: Kind) -> int:
            # Midnight may have passed since.
            current, before = store.hmget(f"{{sg:{domain}}}:limit:{ids[kind]}", "c", "p")
            return int(current or 0) + int(before or 0)

        return Charged(used(Kind.REQUESTS_PER_DAY), used(Kind.TOKENS_PER_DAY))


def _size(store: Any, key: bytes) -> int:
    kind = store.type(key)
    return int(store.zcard(key) if kind == b"zset" else store.hlen(key))
