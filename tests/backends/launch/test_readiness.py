from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backends.launch.port import free_port
from backends.launch.readiness import wait_until_ready

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that gives these answers in turn, the last one again and again."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers[min(len(requests), len(answers)) - 1])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], requests


@pytest.fixture
async def exited() -> asyncio.Future[int]:
    """The fate of a runner that runs."""
    return asyncio.get_running_loop().create_future()


async def test_a_runner_that_loads_is_waited_for(exited: asyncio.Future[int]) -> None:
    loading, ready = b"HTTP/1.1 503 Loading\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    async with answering(b"", b"garbage\r\n", b"x" * 100_000, loading, ready) as (port, requests):
        outcome = await wait_until_ready(port, "/health", exited, limit_s=10, on_tick=print)
    assert outcome == "ready"
    assert len(requests) == 5
    assert requests[0].startswith(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_an_exit_ends_the_waiting(exited: asyncio.Future[int]) -> None:
    asyncio.get_running_loop().call_later(0.05, exited.set_result, 3)
    outcome = await wait_until_ready(free_port(), "/", exited, limit_s=10, on_tick=print)
    assert outcome == "exited"


async def test_somebody_elses_answer_does_not_make_an_exited_runner_ready(
    exited: asyncio.Future[int],
) -> None:
    exited.set_result(1)
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        outcome = await wait_until_ready(port, "/", exited, limit_s=10, on_tick=print)
    assert outcome == "exited"


async def test_a_silent_port_is_given_up_at_the_limit_with_ticks_about_a_second_apart(
    exited: asyncio.Future[int],
) -> None:
    ticks: list[float] = []
    outcome = await wait_until_ready(free_port(), "/", exited, limit_s=2.3, on_tick=ticks.append)
    assert outcome == "late"
    assert 1 <= len(ticks) <= 2
    assert all(later - earlier >= 1.0 for earlier, later in zip([0.0, *ticks], ticks, strict=False))
