"""A runner that costs next to nothing: vLLM's wire, prebuilt bytes, one protocol on uvloop.

`python -m tests.perf.stub_runner --step-ms 5` prints its port and serves until it is terminated.
`max_tokens` is the number of chunks of a stream. All open streams advance together, one chunk a
step, as those of a batching engine do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import cast

import uvloop

from tests.perf.wire import UPSTREAM_MODEL, answer, chat_answer, stream_frames

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MAX_TOKENS = re.compile(rb'"max_tokens": *(\d+)')
_MODEL = re.compile(rb'"model": *"%s"' % UPSTREAM_MODEL.encode())
_STREAM = re.compile(rb'"stream": *true')
_USAGE = re.compile(rb'"include_usage": *true')
_NOT_FOUND = (
    b'{"error":{"message":"The model does not exist.","type":"NotFoundError",'
    b'"param":"model","code":404}}'
)


@dataclass(slots=True)
class Stub:
    """What the connections share: the step of the streams, and counts for the harness to read."""

    step_s: float
    streams: dict[StubConnection, int] = field(default_factory=dict)
    calls: int = 0
    cut: int = 0
    connections: int = 0
    _ticking: bool = False

    def start(self, connection: StubConnection) -> None:
        """Let the stream of `connection` advance with the others."""
        self.streams[connection] = 1
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(self.step_s, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + self.step_s
        for connection, position in list(self.streams.items()):
            if connection.advance(position):
                self.streams[connection] = position + 1
            else:
                self.streams.pop(connection, None)
        self._ticking = bool(self.streams)
        if self._ticking:
            loop.call_at(due, self._tick)

    def pages(self) -> dict[bytes, bytes]:
        """The answers to GET, by path."""
        model: dict[str, object] = {"id": UPSTREAM_MODEL, "object": "model", "created": 1795204879}
        model |= {"owned_by": "vllm", "root": UPSTREAM_MODEL, "parent": None}
        model |= {"max_model_len": 8192, "permission": []}
        return {
            b"/health": b"",
            b"/metrics": b"",
            b"/version": b'{"version":"0.32.0"}',
            b"/v1/models": json.dumps({"object": "list", "data": [model]}).encode(),
        }

    def counts(self) -> bytes:
        """The stub's own page: what it has served, and what is open now."""
        counts = {"calls": self.calls, "cut": self.cut, "connections": self.connections}
        return json.dumps(counts | {"streams": len(self.streams)}).encode()


class StubConnection(asyncio.Protocol):
    """One kept-alive connection; requests are answered in order, never pipelined."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._buffer = b""
        self._frames: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._stub.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._stub.connections -= 1
        if self._stub.streams.pop(self, None) is not None:
            self._stub.cut += 1

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head_end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head_end) if head_end >= 0 else None
        size = head_end + 4 + (int(length[1]) if length else 0)
        if head_end < 0 or len(data) < size:
            self._buffer = data
            return
        self._buffer = data[size:]
        if data.startswith(b"POST /v1/chat/completions "):
            self._chat(data[head_end + 4 : size])
        else:
            self._page(data.split(b" ", 2)[1])

    def advance(self, position: int) -> bool:
        """Send the frame at `position`; false once it was the last."""
        self._transport.write(self._frames[position])
        return position + 1 < len(self._frames)

    def _chat(self, body: bytes) -> None:
        self._stub.calls += 1
        if not _MODEL.search(body):
            self._transport.write(answer(_NOT_FOUND, status="404 Not Found"))
        elif not _STREAM.search(body):
            self._transport.write(chat_answer())
        else:
            tokens = _MAX_TOKENS.search(body)
            chunks = int(tokens[1]) if tokens else 16
            self._frames = stream_frames(chunks, usage=bool(_USAGE.search(body)))
            self._transport.write(self._frames[0])
            self._stub.start(self)

    def _page(self, path: bytes) -> None:
        pages = self._stub.pages() | {b"/stub": self._stub.counts()}
        found = pages.get(path)
        self._transport.write(
            answer(b'{"detail":"Not Found"}', status="404 Not Found")
            if found is None
            else answer(found)
        )


async def serve(step_s: float) -> None:
    """Serve on a free port of the loopback interface, and print it."""
    stub = Stub(step_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StubConnection(stub), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step-ms", type=float, default=5.0)
    uvloop.run(serve(parser.parse_args().step_ms / 1000))
