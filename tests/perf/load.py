"""The load generator: a closed loop over kept-alive connections, every answer checked.

A wrong status, a changed byte, a missing chunk or a missing `[DONE]` ends the run with `LoadError`,
so that errors cannot pass for speed.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from tests.perf.wire import API_KEY, DONE, LAST_CHUNK, Call

_OK = b"HTTP/1.1 200 "
_EVENT = b"data: {"
_STOP = b'"finish_reason":"stop"'


class LoadError(Exception):
    """An answer was not what it must be, or did not come."""


@dataclass(slots=True)
class Tally:
    """What one run of the load saw."""

    calls: int = 0
    chunks: int = 0
    reads: int = 0  # of streamed bytes, the heads left out
    read_bytes: int = 0
    wall_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)


def probe(port: int, call: Call, *, timeout_s: float = 10.0) -> bytes:
    """Make `call` once through an ordinary client, read the answer closely, return its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.putrequest("POST", "/v1/chat/completions")
        body = call.raw.split(b"\r\n\r\n", 1)[1]
        connection.putheader("Authorization", f"Bearer {API_KEY}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        payload = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise LoadError(f"port {port} answered {response.status}: {payload[:300]!r}")
    _check_payload(payload, call)
    return payload


def _check_payload(payload: bytes, call: Call) -> None:
    if not call.chunks:
        models = {json.loads(payload)["model"]}
    else:
        events = [line[6:] for line in payload.split(b"\n") if line.startswith(b"data: ")]
        chunks = [json.loads(event) for event in events[:-1]]
        models = {chunk["model"] for chunk in chunks}
        last = chunks[-1]["choices"]
        if events[-1] != b"[DONE]" or not last or last[0]["finish_reason"] != "stop":
            raise LoadError(f"a stream did not end as it must: {payload[-300:]!r}")
        if len(chunks) != call.chunks:
            raise LoadError(f"a stream of {call.chunks} chunks arrived as {len(chunks)}")
    if models != {call.model}:
        raise LoadError(f"asked for model {call.model!r}, was answered as {sorted(models)}")


class Client(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._end = b""
        self._done: asyncio.Future[None] | None = None
        self._first_read: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(LoadError(f"connection lost before the answer ended: {exc}"))

    def data_received(self, data: bytes) -> None:
        opening = not self._parts
        self._parts.append(data)
        if self._first_read is not None and not self._first_read.done():
            self._first_read.set_result(None)
        if self._done is None or self._done.done():
            return
        if opening and not data.startswith(_OK):
            self._done.set_exception(LoadError(f"answered {data[:400]!r}"))
        elif data.endswith(self._end) or self._ends_in_pieces(data):
            self._done.set_result(None)

    def _ends_in_pieces(self, last: bytes) -> bool:
        if len(last) >= len(self._end):
            return False
        return b"".join(self._parts[-8:]).endswith(self._end)

    async def exchange(self, call: Call, expected: bytes, tally: Tally) -> None:
        """Make `call` and check its answer; `expected` is the body that `probe` returned."""
        self._parts.clear()
        self._end = LAST_CHUNK if call.chunks else expected
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(call.raw)
        await self._done
        self._done = None
        tally.calls += 1
        if call.chunks:
            self._check_stream(call, tally)

    def _check_stream(self, call: Call, tally: Tally) -> None:
        raw = b"".join(self._parts)
        events = raw.count(_EVENT)
        if events != call.chunks or raw.count(_STOP) != 1 or DONE not in raw[-64:]:
            raise LoadError(f"a stream of {call.chunks} chunks had {events}, end {raw[-80:]!r}")
        head_bytes = raw.index(b"\r\n\r\n") + 4
        alone = len(self._parts[0]) == head_bytes  # the head came in a read of its own
        tally.chunks += events
        tally.reads += len(self._parts) - alone
        tally.read_bytes += len(raw) - head_bytes

    async def leave(self, call: Call, *, after_first_read: bool) -> None:
        """Make `call` and hang up, at once or when the first bytes of the answer have come."""
        self._parts.clear()
        self._first_read = asyncio.get_running_loop().create_future()
        self._transport.write(call.raw)
        await (self._first_read if after_first_read else asyncio.sleep(0))
        self._transport.abort()

    def close(self) -> None:
        self._transport.abort()


async def connect(port: int) -> Client:
    """Open one connection."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, "127.0.0.1", port)
    return client


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send calls, and the body of the right answer."""

    port: int
    call: Call
    expected: bytes


async def closed_loop(
    target: Target, total: int, *, concurrency: int, timeout_s: float = 120.0, timed: bool = False
) -> Tally:
    """Make `total` calls, `concurrency` at a time; the latency of each one is kept if `timed`."""
    tally = Tally()
    clients = [await connect(target.port) for _ in range(concurrency)]
    tickets = iter(range(total))
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as workers:
            for client in clients:
                workers.create_task(_work(client, target, tickets, tally, timed))
    except TimeoutError as exc:
        raise LoadError(f"{tally.calls} of {total} calls answered in {timeout_s:.0f} s") from exc
    finally:
        tally.wall_s = time.perf_counter() - started
        for client in clients:
            client.close()
    return tally


async def _work(
    client: Client, target: Target, tickets: Iterator[int], tally: Tally, timed: bool
) -> None:
    for _ in tickets:
        sent = time.perf_counter()
        await client.exchange(target.call, target.expected, tally)
        if timed:
            tally.latencies_s.append(time.perf_counter() - sent)
