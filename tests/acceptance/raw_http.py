"""An HTTP client that sends exactly the bytes it is given, however wrong, and reads what comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    took_s: float
    """From the last byte sent."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    method: str,
    path: str,
    body: bytes | Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    version: str = "1.1",
) -> bytes:
    """The bytes of a well-formed request; a mapping is sent as JSON."""
    if isinstance(body, Mapping):
        body = json.dumps(body).encode()
    lines = {"host": "gateway"} | dict(headers or {})
    if body is not None:
        lines = {"content-type": "application/json", "content-length": str(len(body))} | lines
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/{version}\r\n{head}\r\n".encode() + (body or b"")


def head(*lines: str, method: str = "POST", path: str = CHAT) -> bytes:
    """A request head with these header lines, whatever they are."""
    first = (f"{method} {path} HTTP/1.1", "host: gateway")
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


def chat_body(model: str = "demo", **fields: Any) -> dict[str, Any]:
    """A small chat request."""
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}]} | fields


class Connection:
    """One connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._sent = time.monotonic()
        self._method = "GET"

    async def send(self, data: bytes) -> None:
        """Write, and wait while the other side does not read."""
        self._method = data.split(b" ", 1)[0].decode("latin-1")
        await self.write(data)

    async def write(self, data: bytes) -> None:
        """Write more of what `send` began."""
        self._writer.write(data)
        await self._writer.drain()
        self._sent = time.monotonic()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.rstrip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def answer(self) -> Answer:
        """The next whole answer. Raises `asyncio.IncompleteReadError` when it is cut short."""
        status, headers = await self.head()
        if self._method == "HEAD":
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b"".join([piece async for piece in self.pieces()])
        elif "content-length" in headers:
            body = await self._reader.readexactly(int(headers["content-length"]))
        else:
            body = await self._reader.read()
        return Answer(status, headers, body, time.monotonic() - self._sent)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The chunks of a chunked answer whose head was read."""
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            piece = (await self._reader.readexactly(size + 2))[:-2]
            if not size:
                return
            yield piece

    async def closed(self) -> None:
        """Wait for the other side to close, whatever else it still sends."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            return

    def abort(self) -> None:
        """Leave without a word."""
        cast(asyncio.Transport, self._writer.transport).abort()


@asynccontextmanager
async def connection(port: int, *, within_s: float = 20) -> AsyncIterator[Connection]:
    """Connect; what is done with the connection must be done within `within_s`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    opened = Connection(reader, writer)
    try:
        async with asyncio.timeout(within_s):
            yield opened
    finally:
        opened.abort()


async def ask(port: int, data: bytes, *, within_s: float = 20) -> Answer:
    """Send these bytes on a connection of their own and return the answer."""
    async with connection(port, within_s=within_s) as opened:
        await opened.send(data)
        return await opened.answer()


async def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """GET a page."""
    return await ask(port, request("GET", path, headers=headers))


async def post(
    port: int, body: bytes | Mapping[str, Any], *, path: str = CHAT, **headers: str
) -> Answer:
    """POST a body; underscores in the names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(port, request("POST", path, body, named))
