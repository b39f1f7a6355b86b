"""Answers that take a second and more, and requests that wait behind them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.acceptance.gateway_process import GatewayProcess
from tests.acceptance.raw_http import CHAT, Connection, chat_body, get, request
from tests.fakes.runner import FakeRunner

LONG: dict[str, Any] = {"stream": True, "max_tokens": 40}
"""A stream of a second and a bit, with the runners below."""


def slow() -> FakeRunner:
    return FakeRunner("vllm", tokens_per_s=30)


async def begin_stream(wire: Connection) -> None:
    """Ask for a long answer and read its head."""
    await wire.send(request("POST", CHAT, chat_body(**LONG)))
    assert (await wire.head())[0] == 200


async def rest_of_stream(wire: Connection) -> bytes:
    """What is left of it. Raises when it is cut short."""
    return b"".join([piece async for piece in wire.pieces()])


async def in_line(it: GatewayProcess, count: int) -> None:
    """Wait until so many requests are in line, as the metrics tell."""
    async with asyncio.timeout(10):
        told = f'sluicegate_waiting{{runner="box"}} {count}.0'
        while told not in await metrics(it):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def metrics(it: GatewayProcess) -> str:
    return (await get(it.port, "/metrics")).body.decode()
