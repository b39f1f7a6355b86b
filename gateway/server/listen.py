"""Bind the port, with a remedy when that fails."""

from __future__ import annotations

import errno
import socket

from gateway.errors import CannotStart

NEXT_PORTS = 10


def bind(host: str, port: int, *, may_move: bool, section: str = "server") -> socket.socket:
    """Return a bound socket. With `may_move`, a port in use makes it try the next few.

    `section` is where the address is configured. Raises `CannotStart`.
    """
    variable = f"SLUICEGATE_{section.upper()}__PORT"
    ports = range(port, port + NEXT_PORTS) if may_move and port else (port,)
    for candidate in ports:
        try:
            return _bind(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(
                    f"Cannot listen on {host}:{candidate}: {error.strerror}. "
                    f"Set {section}.host and {section}.port ({variable})."
                ) from error
    raise CannotStart(f"Port {port} on {host} is in use. Choose another one: {variable}={port + 1}")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
