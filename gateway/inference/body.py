"""Read a request body: bounded in size and time, decompressed, and nothing else."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zstandard
from starlette.types import Receive

from gateway.errors import InvalidRequest
from gateway.inference.direct import Direct


class ClientGone(Exception):
    """The client left before its request was complete."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a request body may be, before and after decompression, and how long it may take.

    A body that takes too long is noticed within a second.
    """

    bytes: int
    time_s: float


class BodyReader:
    """Reads request bodies on one event loop.

    Nearly every body is there when it is asked for. So no request has a timer of its own: those
    that do wait are written down, and one sweep a second looks for the ones that wait too long.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._sweeping = False

    async def read(
        self,
        receive: Receive,
        *,
        task: asyncio.Task[Any],
        declared: bytes | None,
        encoding: bytes | None,
        limits: BodyLimits,
        direct: Direct | None = None,
    ) -> bytes:
        """Return the decoded body of a request that `task`, the current task, serves.

        `declared` and `encoding` are the values of content-length and content-encoding. A server
        that is `direct` is asked before `receive`. Raises `InvalidRequest` (400, 408, 413, 415) and
        `ClientGone`.
        """
        limit = limits.bytes
        if declared is not None and not _fits(declared, limit):
            raise _too_large(limit)
        body = direct.whole_body() if direct is not None else None
        if body is None:
            body = await self._receive(receive, task, limits)
        elif len(body) > limit:
            raise _too_large(limit)
        return body if encoding is None else _decoded(body, encoding.strip().lower(), limit)

    async def _receive(
        self, receive: Receive, task: asyncio.Task[Any], limits: BodyLimits
    ) -> bytes:
        self._reading[task] = self._loop.time() + limits.time_s
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(1.0, self._sweep)
        try:
            return await _collect(receive, limits.bytes)
        except asyncio.CancelledError as cancelled:
            if not cancelled.args or cancelled.args[0] is not _SLOW:
                raise
            if task.uncancel():
                raise  # somebody else wants it to end too
            raise InvalidRequest(
                f"The request body did not arrive within {limits.time_s:g} s.",
                code="request_timeout",
                status=408,
                close=True,
            ) from None
        finally:
            self._reading.pop(task, None)

    def _sweep(self) -> None:
        now = self._loop.time()
        for task, deadline in list(self._reading.items()):
            if deadline <= now:
                del self._reading[task]
                task.cancel(_SLOW)
        self._sweeping = bool(self._reading)
        if self._sweeping:
            self._loop.call_later(1.0, self._sweep)


_SLOW = "the request body is too slow"


async def _collect(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _fits(declared: bytes, limit: int) -> bool:
    # Python refuses to read an integer of more than 4300 digits.
    return declared.isdigit() and len(declared) < 20 and int(declared) <= limit


def _decoded(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding in (b"", b"identity"):
        return body
    name = encoding.decode("latin-1")[:40]
    decompress = _DECOMPRESS.get(encoding)
    if decompress is None:
        raise InvalidRequest(
            f"Content-Encoding '{name}' is not supported. "
            "Send the body as it is, or with gzip or zstd.",
            code="unsupported_encoding",
            status=415,
        )
    try:
        data, complete = decompress(body, limit + 1)
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidRequest(
            f"The request body is not valid {name}.", code="invalid_body"
        ) from error
    if len(data) > limit:
        raise _too_large(limit)
    if not complete:
        raise InvalidRequest(
            f"The {name} request body is cut short, or goes on after its end.", code="invalid_body"
        )
    return data


def _gunzip(body: bytes, most: int) -> tuple[bytes, bool]:
    gunzip = zlib.decompressobj(wbits=31)
    data = gunzip.decompress(body, most)
    return data, gunzip.eof and not gunzip.unused_data


def _unzstd(body: bytes, most: int) -> tuple[bytes, bool]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    with decompressor.stream_reader(body) as reader:
        data = reader.read(most)
    if len(data) == most:
        return data, False
    # The reader cannot tell a cut body from a whole one. This can, but it knows no limit.
    whole = decompressor.decompressobj()
    whole.decompress(body)
    return data, whole.eof and not whole.unused_data


_DECOMPRESS: dict[bytes, Callable[[bytes, int], tuple[bytes, bool]]] = {
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"zstd": _unzstd,
}
"""Content coding to a function that returns at most so many bytes, and whether these are all."""
_ZSTD_WINDOW = 1 << 23
"""RFC 9659: no encoder may use more for this coding. It is memory that a small body can claim."""


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(
        f"The request body is larger than {limit / (1 << 20):g} MB "
        "(server.max_body_mb of the gateway).",
        code="request_too_large",
        status=413,
        close=True,
    )
