"""Ask the store for one key that is not in memory: it may have been made a moment ago.

Strangers can make up well-formed keys as fast as they like, so how often the store is asked is
bounded, and so is what is remembered of those it does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.errors import Unavailable
from gateway.keys.keyring import Keyring
from gateway.keys.table import KeyTable, KnownKey
from gateway.store import StoreDown

PER_S = 50.0
BURST = 100.0
UNKNOWN_S = 10.0
"""How long a key that the store does not know is refused without asking it again. One that is
made meanwhile is learnt from the watcher."""
MOST_UNKNOWN = 4096
RETRY_S = 2.0


class KeyLookup:
    """Finds keys in the store, as often as that is affordable. `clock` is monotonic, in seconds."""

    def __init__(
        self, keyring: Keyring, table: KeyTable, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keyring = keyring
        self._table = table
        self._clock = clock
        self._unknown: dict[bytes, float] = {}
        self._tokens = BURST
        self._refilled = clock()

    async def find(self, digest: bytes) -> KnownKey | None:
        """The key with this digest, which is in the table from then on; None if there is none.

        Raises `Unavailable` while the store does not answer: who is asking is then not known,
        which is no reason to turn them away for good. Holds nothing, and may be cancelled.
        """
        if not self._keyring.up:
            raise _unavailable()
        now = self._clock()
        if self._unknown.get(digest, 0.0) > now or not self._take(now):
            # In a flood the table stands for the store: it is at most a second behind.
            return None
        try:
            found = await self._keyring.holder(digest)
        except StoreDown as error:
            raise _unavailable() from error
        if found is None:
            self._remember(digest, now + UNKNOWN_S)
            return None
        self._table.update({found[0]: found[1]})
        return self._table.find(digest)

    def _take(self, now: float) -> bool:
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * PER_S)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _remember(self, digest: bytes, until: float) -> None:
        if len(self._unknown) >= MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]  # the oldest
        self._unknown[digest] = until


def _unavailable() -> Unavailable:
    return Unavailable(
        "The store that knows this key cannot be reached now. Try again.",
        code="store_unavailable",
        retry_after_s=RETRY_S,
    )
