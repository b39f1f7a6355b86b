"""A tap in the line between gateway and runner: bytes pass unchanged, requests are counted.

It shows what no runner tells of itself: how many inference requests were on it at the same time.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from urllib.parse import urlsplit

import httptools


class Tap:
    """`async with Tap(url) as tap:` passes on what comes to `tap.url`."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.in_flight = 0
        """POST requests whose answer has not ended."""
        self.max_in_flight = 0
        self.answered = 0
        self.cut = 0
        """Requests whose connection ended before their answer did."""

    async def __aenter__(self) -> Tap:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def began(self) -> None:
        """A request is on its way to the runner."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def ended(self, *, whole: bool) -> None:
        """Its answer has ended, or its connection has."""
        self.in_flight -= 1
        self.answered += whole
        self.cut += not whole

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._address)
            line = _Line(self)
            try:
                ways = [
                    asyncio.ensure_future(_pass_on(reader, up_writer, line.requests)),
                    asyncio.ensure_future(_pass_on(up_reader, writer, line.answers)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                line.close()
                up_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # The runner is not there, or the test is over.
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


class _Line:
    """One connection; the requests on it follow one another."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._busy = False
        self.requests = httptools.HttpRequestParser(_Ends(self._request))
        self.answers = httptools.HttpResponseParser(_Ends(self._answer))

    def close(self) -> None:
        if self._busy:
            self._busy = False
            self._tap.ended(whole=False)

    def _request(self) -> None:
        if self.requests.get_method() == b"POST":
            self._busy = True
            self._tap.began()

    def _answer(self) -> None:
        if self._busy:
            self._busy = False
            self._tap.ended(whole=True)


class _Ends:
    """Listens for the ends of messages."""

    def __init__(self, on_end: object) -> None:
        self.on_message_complete = on_end


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser,
) -> None:
    while data := await reader.read(65536):
        # Counted before it is passed on: nobody can have reacted to it yet.
        parser.feed_data(data)
        writer.write(data)
        await writer.drain()
