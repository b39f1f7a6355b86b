"""The HTTP/1.1 client that talks to runners: pooled, bounded in memory and in time."""

from __future__ import annotations

from backends.transport.response import Response
from backends.transport.timeouts import Timeouts
from backends.transport.tls import Tls
from backends.transport.transport import Transport

__all__ = ["Response", "Timeouts", "Tls", "Transport"]
