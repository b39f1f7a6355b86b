"""Why the store did not answer."""

from __future__ import annotations


class StoreDown(Exception):
    """The store cannot be used now: not reached, too slow, read-only, or out of memory.

    Whether the command took effect is not known.
    """


class StoreUnfit(StoreDown):
    """It answers, but cannot be used as it is configured; the message says what to change."""
