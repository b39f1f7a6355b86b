"""Run one replica from start to stop.

Life: bind, serve at once (not ready), look at the runners, ready. SIGTERM or SIGINT: not ready,
refuse new requests with 503 while the port stays open, let running ones finish until the deadline,
stop. A second one stops at once. SIGHUP: read the configuration again and swap it in as a whole, or
keep the old one if the new is wrong. What a running gateway cannot take over is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator

from gateway.app import Gateway
from gateway.errors import CannotStart
from gateway.server.http_server import HttpServer
from gateway.server.limits import ConnectionLimits
from gateway.settings import Settings

logger = logging.getLogger(__name__)

Reload = Callable[[], Settings | None]
"""Reads the configuration again; None when it is wrong, having said why."""


class Replica:
    """A gateway and the server it listens with."""

    def __init__(self, gateway: Gateway, settings: Settings, reload: Reload) -> None:
        self._gateway = gateway
        self._settings = settings
        self._reload = reload
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        self._reload_asked = False
        self._failure: Exception | None = None
        limits = ConnectionLimits(
            head_s=settings.server.header_timeout_s, connections=settings.server.max_connections
        )
        self._server = HttpServer(gateway.asgi, limits)

    async def run(
        self, listener: socket.socket, *, on_ready: Callable[[], Awaitable[None]]
    ) -> None:
        """Serve until a signal. `on_ready` is awaited once the runners were looked at."""
        with self._signals():
            serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="serve")
            starting = asyncio.create_task(self._start(on_ready), name="start")
            stopping = asyncio.create_task(self._stop.wait(), name="stop")
            try:
                await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
                await self._shut_down(serving)
            finally:
                for task in (starting, stopping, self._reloading, serving):
                    if task is not None:
                        task.cancel()
                        await asyncio.wait([task])
                await self._gateway.aclose()
        if self._failure is not None:
            raise CannotStart("The gateway could not start; its log says why.") from self._failure

    def stop(self) -> None:
        """Drain and stop, as SIGTERM does; called again, stop at once."""
        self._stop.set()

    async def _start(self, on_ready: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._gateway.start()
            await on_ready()
            _settle_memory()
        except Exception as error:
            logger.critical("the gateway could not start", exc_info=True)
            self._failure = error
            self._stop.set()

    async def _shut_down(self, serving: asyncio.Task[None]) -> None:
        if not serving.done():
            logger.info(
                "draining: %d requests may take up to %g s",
                self._gateway.handler.active,
                self._settings.server.drain_s,
            )
            self._stop.clear()
            again = asyncio.create_task(self._stop.wait())
            drain = asyncio.create_task(self._gateway.drain(self._settings.server.drain_s))
            await asyncio.wait({again, drain}, return_when=asyncio.FIRST_COMPLETED)
            for task in (again, drain):
                task.cancel()
            self._server.should_exit = True
        await serving

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
        }
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = self.reload
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def reload(self) -> None:
        """Read the configuration again and take it over, as SIGHUP does. Returns at once."""
        self._reload_asked = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload_while_asked(), name="reload")

    async def _reload_while_asked(self) -> None:
        while self._reload_asked:
            self._reload_asked = False
            try:
                await self._apply_reload()
            except Exception:
                logger.exception("the configuration could not be taken over")

    async def _apply_reload(self) -> None:
        settings = self._reload()
        if settings is None:
            logger.error("the configuration stays as it was")
            return
        for name in _only_at_the_start(self._settings, settings):
            logger.warning("what changed under '%s' takes effect at the next start", name)
        self._settings = settings
        await self._gateway.apply(settings)
        logger.info("the configuration was reloaded")


_LIVE = {"max_body_mb", "body_timeout_s", "drain_s"}
"""What is taken over at once of the settings under `server`."""


def _only_at_the_start(old: Settings, new: Settings) -> Iterator[str]:
    """What differs and is not taken over by a running gateway: sections, or single settings."""
    if old.server.model_dump(exclude=_LIVE) != new.server.model_dump(exclude=_LIVE):
        yield "server"
    wait = {"wait_s"}
    if old.queue.model_dump(exclude=wait) != new.queue.model_dump(exclude=wait):
        yield "queue"
    for name in ("store", "log", "metrics", "tracing", "admin"):
        if getattr(old, name) != getattr(new, name):
            yield name
    if old.limits.when_store_down != new.limits.when_store_down:
        yield "limits.when_store_down"


def _settle_memory() -> None:
    """Tell the garbage collector that what exists now stays.

    Everything that was imported would otherwise be looked through again and again: measured, that
    took a fifth of the time of a proxied request. What a request or a connection makes holds no
    cycles, so looking less often costs no memory.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 50)
