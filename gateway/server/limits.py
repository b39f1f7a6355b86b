"""Bounds on what a client may hold of the server."""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEAD_BYTES = 1 << 16
"""Request line and headers together."""

READ_AHEAD_BYTES = 1 << 16
"""Body bytes kept for an application that does not read them yet."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How long a client may take for a request head, and how many may be connected."""

    head_s: float
    connections: int
    idle_s: float = 75.0
    """For a connection without a request, and for a client that does not read its answer. Idle
    connections are kept longer than most load balancers keep theirs, so that it is they who close,
    and no request is lost to the race."""
    linger_s: float = 2.0
    """How long a client that was refused may go on sending before it is cut off."""
