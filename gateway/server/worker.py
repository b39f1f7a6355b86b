"""One of several workers: a replica on a socket that it shares, ended together with its supervisor.

The supervisor says where the runners are, when to read the configuration again, and whose metrics
are wanted. When it is gone the worker stops at once: somebody will start the gateway again, and
that one needs the port.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from gateway.app import Gateway
from gateway.errors import CannotStart, Unavailable
from gateway.server.admin import admin_listener
from gateway.server.channel import Channel
from gateway.server.run import Reload, Replica
from gateway.server.runner_news import RunnerNews, part_of_worker
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.opening import opened
from gateway.telemetry.fleet import snapshot_of

logger = logging.getLogger(__name__)

GATHER_S = 2.0
"""How long a scrape may take, over all workers."""

LAST_S = 5
"""What a worker may take to end without a supervisor."""

Build = Callable[[Settings, Store, Callable[[], Awaitable[bytes]]], Gateway]
"""Makes the gateway on an open store, given how it gets the metrics of all workers."""


class Worker:
    """Serves until its supervisor says otherwise. `describe` says what a person is shown; `admin`
    is the socket of the admin listener, in the one worker that has it."""

    def __init__(
        self,
        settings: Settings,
        *,
        build: Build,
        reload: Reload,
        describe: Callable[[Gateway], str],
        admin: socket.socket | None = None,
    ) -> None:
        self._base = settings
        self._build = build
        self._read_again = reload
        self._describe = describe
        self._admin = admin
        self._news: dict[str, RunnerNews] = {}
        self._stale = False
        self._scrapes: dict[int, asyncio.Future[bytes]] = {}
        self._scraped = 0

    async def run(self, listener: socket.socket, end: socket.socket) -> None:
        """Serve. Raises `CannotStart`."""
        self._channel = channel = await Channel.over(end)
        try:
            first = await channel.receive()
            if first is None:
                raise CannotStart("The supervisor of this worker has gone.")
            self._news = _news(first[1])
            settings = part_of_worker(self._base, self._news)
            async with opened(settings.store, patient=True) as store:
                self._gateway = self._build(settings, store, self._gathered)
                async with admin_listener(self._gateway, settings.admin, self._admin):
                    await self._serve(settings, listener)
        finally:
            await channel.aclose()

    async def _serve(self, settings: Settings, listener: socket.socket) -> None:
        channel, gateway = self._channel, self._gateway
        replica = Replica(gateway, settings, self._reload)

        async def ready() -> None:
            channel.send("ready", self._describe(gateway))

        channel.send("hello")
        listening = asyncio.create_task(self._listen(replica), name="supervisor")
        try:
            await replica.run(listener, on_ready=ready)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            # What it counted must outlive it.
            channel.send("counted", snapshot_of(gateway.collect_metrics()))

    async def _listen(self, replica: Replica) -> None:
        while (message := await self._channel.receive()) is not None:
            about, payload = message
            if about == "runners":
                self._news = _news(payload)
                replica.reload()
            elif about == "reload":
                self._stale, self._news = True, _news(payload)
                replica.reload()
            elif about == "count":
                counted = snapshot_of(self._gateway.collect_metrics())
                self._channel.send("counted", counted)
            elif about == "metrics":
                self._scraped_by_all(*payload)
        logger.error("the supervisor has gone; this worker stops")
        if hasattr(signal, "alarm"):
            signal.alarm(LAST_S)
        replica.stop()
        await asyncio.sleep(0)
        replica.stop()

    def _reload(self) -> Settings | None:
        if self._stale:
            self._stale = False
            read = self._read_again()
            if read is None:
                return None
            self._base = read
        return part_of_worker(self._base, self._news)

    async def _gathered(self) -> bytes:
        """The metrics of all workers. Raises `Unavailable`."""
        self._scraped += 1
        number, answer = self._scraped, asyncio.get_running_loop().create_future()
        self._scrapes[number] = answer
        self._channel.send("metrics", number)
        try:
            async with asyncio.timeout(GATHER_S):
                return bytes(await answer)
        except TimeoutError as error:
            raise Unavailable(
                "The metrics of all workers could not be gathered in time.",
                code="metrics_unavailable",
                retry_after_s=5,
            ) from error
        finally:
            del self._scrapes[number]

    def _scraped_by_all(self, number: int, text: bytes) -> None:
        answer = self._scrapes.get(number)
        if answer is not None and not answer.done():
            answer.set_result(text)


def _news(payload: Any) -> dict[str, RunnerNews]:
    return msgspec.convert(payload, dict[str, RunnerNews])
