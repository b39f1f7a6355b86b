"""The running requests of this process that count towards a limit of requests at once."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator

from gateway.limits.bucket import Bucket

AT_ONCE = 1000
"""Leases that one call of the store's script extends."""


class HeldLeases:
    """Which leases of which buckets are held. A lease is named once over all replicas."""

    def __init__(self) -> None:
        self._held: dict[str, set[str]] = {}
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count()

    def name(self) -> str:
        """A new lease's name."""
        return f"{self._process}-{next(self._numbers):x}"

    def add(self, lease: str, buckets: tuple[Bucket, ...]) -> None:
        """The lease is held now."""
        for bucket in buckets:
            self._held.setdefault(bucket.id, set()).add(lease)

    def drop(self, lease: str, buckets: tuple[Bucket, ...]) -> None:
        """The lease is no longer held."""
        for bucket in buckets:
            leases = self._held.get(bucket.id)
            if leases is not None:
                leases.discard(lease)
                if not leases:
                    del self._held[bucket.id]

    def chunks(self) -> Iterator[tuple[str, list[str]]]:
        """All leases that are held: the id of a bucket, and some of its leases."""
        for id, leases in self._held.items():
            each = iter(leases)
            while chunk := list(itertools.islice(each, AT_ONCE)):
                yield id, chunk
