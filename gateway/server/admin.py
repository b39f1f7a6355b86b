"""The admin listener: beside the one that clients use, never on its port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

from gateway.admin.application import AdminApplication
from gateway.admin.watch import Watch
from gateway.app import Gateway
from gateway.server.http_server import HttpServer
from gateway.server.limits import ConnectionLimits
from gateway.server.listen import bind
from gateway.settings import AdminSettings

logger = logging.getLogger(__name__)

_LIMITS = ConnectionLimits(head_s=5.0, connections=32)


def admin_socket(settings: AdminSettings) -> socket.socket | None:
    """The listening socket, None where there is to be no listener. Raises `CannotStart`."""
    if not settings.enabled:
        return None
    listener = bind(settings.host, settings.port, may_move=False, section="admin")
    listener.listen(_LIMITS.connections)
    return listener


@contextlib.asynccontextmanager
async def admin_listener(
    gateway: Gateway, settings: AdminSettings, listener: socket.socket | None
) -> AsyncIterator[None]:
    """Serve while the block runs: also while the gateway starts and drains."""
    if listener is None or settings.token is None:
        yield
        return
    watch = Watch(gateway)
    application = AdminApplication(watch.state, token=settings.token.get_secret_value())
    server = HttpServer(application, _LIMITS)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="admin")
    host, port = listener.getsockname()[:2]
    logger.info("admin at http://%s:%d", f"[{host}]" if ":" in host else host, port)
    try:
        async with watch.sampling():
            yield
    finally:
        server.should_exit = True
        await serving
