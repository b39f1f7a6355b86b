"""Read a request body: bounded in size and time, decompressed, and nothing else."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import zstandard
from starlette.types import Receive

from gateway.errors import InvalidRequest


class ClientGone(Exception):
    """The client left before its request was complete."""


async def read_body(
    receive: Receive, *, declared: bytes | None, encoding: bytes | None, limit: int, time_s: float
) -> bytes:
    """Return the decoded body of a request.

    `declared` and `encoding` are the values of content-length and content-encoding; `limit` is in
    bytes and holds before and after decompression. Raises `InvalidRequest` (400, 408, 413, 415)
    and `ClientGone`.
    """
    if declared is not None and (not declared.isdigit() or int(declared) > limit):
        raise _too_large(limit)
    # A small body usually came with the head; only a sender that is still sending needs a timer.
    timer = asyncio.get_running_loop().call_later(time_s, _interrupt, asyncio.current_task())
    try:
        body = await _collect(receive, limit)
    except asyncio.CancelledError as cancelled:
        if cancelled.args and cancelled.args[0] is _SLOW:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            raise InvalidRequest(
                f"The request body did not arrive within {time_s:g} s.",
                code="request_timeout",
                status=408,
                close=True,
            ) from None
        raise
    finally:
        timer.cancel()
    if encoding is None or encoding == b"identity":
        return body
    return _decompress(body, encoding.strip().lower(), limit)


_SLOW = "the request body is too slow"


def _interrupt(task: asyncio.Task[Any] | None) -> None:
    if task is not None:
        task.cancel(_SLOW)


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


def _decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    try:
        if encoding in (b"gzip", b"x-gzip"):
            gunzip = zlib.decompressobj(wbits=31)
            data = gunzip.decompress(body, limit + 1)
            complete = gunzip.eof or len(data) > limit
        elif encoding == b"zstd":
            with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body) as reader:
                data = reader.read(limit + 1)
            complete = bool(data)
        else:
            raise InvalidRequest(
                f"Content-Encoding '{encoding.decode('latin-1')[:40]}' is not supported. "
                "Send the body as it is, or with gzip or zstd.",
                code="unsupported_encoding",
                status=415,
            )
    except (zlib.error, zstandard.ZstdError) as error:
        raise InvalidRequest(
            f"The request body is not valid {encoding.decode('latin-1')}.", code="invalid_body"
        ) from error
    if len(data) > limit:
        raise _too_large(limit)
    if not complete:
        raise InvalidRequest("The compressed request body ends too early.", code="invalid_body")
    return data


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(
        f"The request body is larger than {limit / (1 << 20):g} MB "
        "(server.max_body_mb of the gateway).",
        code="request_too_large",
        status=413,
        close=True,
    )
