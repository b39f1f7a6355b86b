"""How many connections this process may hold: each is an open file, and those are limited."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

SPARE = 64
"""Files that are no connections to a target: our own, and second tries of a dial."""
HOLDERS = 2
"""Targets with open connections at once, by turns: the one that is asked, and the one before it,
which keeps its own for some seconds."""


def limit() -> int:
    """Files that may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def connections() -> int:
    """Connections that may be open at once."""
    return max(0, limit() - SPARE)


def make_room(wanted: int) -> None:
    """Raise the limit for `wanted` connections, or as far as anybody may raise their own.

    No further than that: what is started later inherits it.
    """
    files = wanted + SPARE
    if files <= limit():
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some kernels allow less than the hard limit says
        most = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
