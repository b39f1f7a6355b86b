"""Which process a runner is, so that all replicas and names that mean it share its slots."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

from gateway.settings import RunnerSettings

_LOOPBACK = ("localhost", "127.", "::1")
_PORTS = {"http": 80, "https": 443}


def identity_of(name: str, settings: RunnerSettings) -> str:
    """The same for the same process, and for no other one.

    An address of this machine means another process on every machine, and a runner that the gateway
    starts is its own.
    """
    host = socket.gethostname()
    if settings.url is None:
        return f"started by {host} {os.getpid()} as {name}"
    parts = urlsplit(settings.url)
    peer = (parts.hostname or "").lower()
    port = parts.port or _PORTS[parts.scheme]
    where = f"{peer}:{port}{parts.path.rstrip('/')}"
    return f"{host} {port}{parts.path.rstrip('/')}" if peer.startswith(_LOOPBACK) else where
