"""Senders that never finish: each is given up in time, and none gains any by dripping."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.acceptance.raw_http import (
    Answer,
    Connection,
    chat_body,
    connection,
    head,
)
from tests.acceptance.refusal import AT_ONCE_S, error_of
from tests.acceptance.stand import Stand, stand
from tests.backends.launch.processes import eventually

pytestmark = pytest.mark.anyio

LATE_S = 1.0
"""Time-out of a request head, and of a body."""

BODY = json.dumps(chat_body()).encode()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    folder = tmp_path_factory.mktemp("gateway")
    async with stand(folder, header_timeout_s=LATE_S, body_timeout_s=LATE_S) as built:
        yield built


async def test_a_head_that_never_ends_is_given_up(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-a: ")
            answer = await wire.answer()
            await wire.closed()
    error_of(answer, 408)
    assert LATE_S * 0.9 < answer.took_s < LATE_S + AT_ONCE_S


async def test_a_head_that_drips_in_gains_no_time_by_that(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(b"GET /health HTTP/1.1\r\n")
            answer = await dripping(wire, b"x-a: b\r\n")
            await wire.closed()
    error_of(answer, 408)


async def test_a_body_that_never_ends_is_given_up(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(head(f"content-length: {len(BODY)}") + BODY[:-1])
            answer = await wire.answer()
            await wire.closed()
    error_of(answer, 408)
    # Bodies are looked at once a second.
    assert LATE_S * 0.9 < answer.took_s < LATE_S + 1 + AT_ONCE_S


async def test_a_body_that_drips_in_gains_no_time_by_that(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(head("transfer-encoding: chunked"))
            answer = await dripping(wire, b"1\r\n \r\n")
            await wire.closed()
    error_of(answer, 408)


async def dripping(wire: Connection, drop: bytes) -> Answer:
    """Send a drop every tenth of a second until an answer comes."""
    answering = asyncio.ensure_future(wire.answer())
    while not answering.done():
        await wire.write(drop)
        await asyncio.wait({answering}, timeout=0.1)
    return await answering


async def test_a_client_that_leaves_in_its_body_leaves_nothing(
    on: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    with on.untouched(caplog):
        async with connection(on.port) as wire:
            await wire.send(head(f"content-length: {len(BODY)}") + BODY[:-1])
            await eventually(lambda: on.gateway.gateway.handler.active == 1)
            wire.abort()
            await eventually(lambda: on.gateway.gateway.handler.active == 0)
