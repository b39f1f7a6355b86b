"""The buckets in the store, which all replicas share: how its script is called."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import msgspec

from gateway.limits.recent import Recent
from gateway.store import Script, Store

logger = logging.getLogger(__name__)

PREFIX = b"{rl:default}"
"""One hash tag for all limits of a domain: see the head of the Lua."""
MOST_UNTOLD = 10_000
"""Corrections that are kept while the store is down; of more, the oldest stay at the estimate."""


def limits_text() -> str:
    """The operations of the limits, for a library of the store."""
    return (files("gateway.limits") / "lua" / "limits.lua").read_text("utf-8")


class SharedBuckets:
    """Calls the operations. Only a reservation is waited for."""

    def __init__(
        self, store: Store, script: Script, prefix: bytes, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._script = script
        self._prefix = prefix
        self._clock = clock
        self._untold: deque[tuple[Any, ...]] = deque(maxlen=MOST_UNTOLD)
        self._losses = Recent()

    def reserve(self, lease: str, tokens: int, buckets: msgspec.Raw) -> asyncio.Future[list[int]]:
        """Take from all buckets or none. The future yields the reply or raises `StoreDown`."""
        return self._store.call(self._script, self._prefix, ("reserve", lease, tokens, buckets))

    def correct(
        self, lease: str, buckets: msgspec.Raw, *, back: int, reserved: int, actual: int
    ) -> None:
        """Put `actual` tokens in place of `reserved` ones, give `back` 0 or 1 request, and end the
        lease; later, if the store is down. Never raises."""
        self._tell(("settle_limits", lease, back, reserved, actual, buckets))

    def catch_up(self) -> None:
        """The store is back: make the corrections that it could not be told."""
        untold, self._untold = self._untold, deque(maxlen=MOST_UNTOLD)
        for correction in untold:
            self._tell(correction)

    def touch(self, id: str, leases: list[str]) -> None:
        """These requests still run."""
        self._store.tell(self._script, self._prefix, ("touch_limits", id, *leases))

    def _tell(self, correction: tuple[Any, ...]) -> None:
        if not self._store.tell(self._script, self._prefix, correction):
            # One that was sent may have taken effect, and must not be sent again.
            self._untold.append(correction)
