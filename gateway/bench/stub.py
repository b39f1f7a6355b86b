"""A target that costs next to nothing, to find out what the generator itself can do.

`python -m gateway.bench.stub` prints its port and serves until it is terminated or its standard
input is closed. `max_tokens` is the number of chunks of a stream; all open streams advance
together, a chunk a step, so that each chunk is a read of its own.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

STEP_S = 0.001
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MAX_TOKENS = re.compile(rb'"max_tokens": *(\d+)')
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _frame(data: bytes) -> bytes:
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def _chunk(choice: bytes) -> bytes:
    return _frame(
        b'{"id":"chatcmpl-0","object":"chat.completion.chunk","created":1795204879,"model":"stub",'
        b'"choices":[{"index":0,%b}],"usage":null}' % choice
    )


_ROLE = _chunk(b'"delta":{"role":"assistant","content":""},"finish_reason":null')
_TEXT = _chunk(b'"delta":{"content":" word"},"finish_reason":null')
_END = _chunk(b'"delta":{},"finish_reason":"length"') + _frame(b"[DONE]") + b"0\r\n\r\n"


class Streams:
    """The streams that are open, and the clock that moves them on."""

    def __init__(self) -> None:
        self._left: dict[StubConnection, int] = {}
        self._ticking = False

    def start(self, connection: StubConnection, chunks: int) -> None:
        """Give `connection` so many chunks, one a step."""
        self._left[connection] = chunks
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(STEP_S, self._tick)

    def drop(self, connection: StubConnection) -> None:
        """Its client has left."""
        self._left.pop(connection, None)

    def _tick(self) -> None:
        for connection, left in list(self._left.items()):
            if left:
                connection.write(_TEXT)
                self._left[connection] = left - 1
            else:
                connection.write(_END)
                del self._left[connection]
        self._ticking = bool(self._left)
        if self._ticking:
            asyncio.get_running_loop().call_later(STEP_S, self._tick)


class StubConnection(asyncio.Protocol):
    """One kept-alive connection; requests are answered in order, never pipelined."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.drop(self)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        head_end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head_end) if head_end >= 0 else None
        size = head_end + 4 + (int(length[1]) if length else 0)
        if head_end < 0 or len(data) < size:
            self._buffer = data
            return
        self._buffer = data[size:]
        tokens = _MAX_TOKENS.search(data)
        chunks = int(tokens[1]) if tokens else 1
        if chunks == 1:  # a whole answer in one write: this is about requests
            self.write(_HEAD + _ROLE + _TEXT + _END)
        else:
            self.write(_HEAD + _ROLE)
            self._streams.start(self, chunks)


async def serve() -> None:
    """Serve on a free port of the loopback interface, and print it."""
    loop = asyncio.get_running_loop()
    streams = Streams()
    server = await loop.create_server(lambda: StubConnection(streams), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        # Its parent holds the other end: when that is gone, nobody is left to be served.
        await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve())
