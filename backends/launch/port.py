"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import socket

from backends.launch.commands.base import HOST


def free_port() -> int:
    """A port that is free now; somebody else may take it before the runner does."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a runner could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As the runners do: connections of a dead predecessor in TIME_WAIT are no obstacle.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
        return True
