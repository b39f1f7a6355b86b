"""uvicorn with our protocol: one server for one application and one listening socket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from gateway.server.connection import client_connection
from gateway.server.limits import ConnectionLimits


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: ours drain first."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=client_connection(limits),
                proxy_headers=False,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                backlog=2048,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See `uvicorn.Server`."""
        yield
