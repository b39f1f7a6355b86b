"""The load generator must not take an error for speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.perf.load import LoadError, Target, closed_loop, probe
from tests.perf.stub_runner import Stub, StubConnection
from tests.perf.wire import CALL_BODY_BYTES, UPSTREAM_MODEL, Call, chat_call

CHUNKS = 12


class Answering(asyncio.Protocol):
    """A server that answers whatever it is asked with the same bytes, and hangs up if told to."""

    def __init__(self, answer: bytes, hang_up: bool) -> None:
        self._answer, self._hang_up = answer, hang_up

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)
        if self._hang_up:
            self._transport.close()


@asynccontextmanager
async def listening(protocol: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def stub() -> AsyncIterator[int]:
    shared = Stub(step_s=0.001)
    async with listening(lambda: StubConnection(shared)) as port:
        yield port


async def target(port: int, call: Call) -> Target:
    return Target(port, call, await asyncio.to_thread(probe, port, call))


def test_a_call_has_the_size_it_is_said_to_have() -> None:
    body = chat_call(80, UPSTREAM_MODEL).raw.split(b"\r\n\r\n", 1)[1]
    assert len(body) == CALL_BODY_BYTES


@pytest.mark.parametrize("chunks", [0, CHUNKS])
@pytest.mark.anyio
async def test_right_answers_are_counted(chunks: int) -> None:
    async with stub() as port:
        aim = await target(port, chat_call(port, UPSTREAM_MODEL, chunks=chunks))
        tally = await closed_loop(aim, 20, concurrency=4, timed=True)
    assert (tally.calls, tally.chunks, len(tally.latencies_s)) == (20, 20 * chunks, 20)


@pytest.mark.anyio
async def test_every_chunk_arrives_in_a_read_of_its_own() -> None:
    async with stub() as port:
        aim = await target(port, chat_call(port, UPSTREAM_MODEL, chunks=CHUNKS))
        tally = await closed_loop(aim, 4, concurrency=1)
    assert tally.reads == 4 * (CHUNKS + 1)  # [DONE] is the one more


@pytest.mark.anyio
async def test_an_error_status_ends_the_probe() -> None:
    async with stub() as port:
        with pytest.raises(LoadError, match="404"):
            await target(port, chat_call(port, "some-other-model"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy", "503"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nxx", "connection lost"),
    ],
)
@pytest.mark.anyio
async def test_a_wrong_answer_under_load_ends_the_run(answer: bytes, said: str) -> None:
    async with listening(lambda: Answering(answer, hang_up=said != "503")) as port:
        aim = Target(port, chat_call(port, UPSTREAM_MODEL), expected=b"yes")
        with pytest.raises(ExceptionGroup) as caught:
            await closed_loop(aim, 8, concurrency=2)
    assert caught.group_contains(LoadError, match=said)


@pytest.mark.anyio
async def test_a_stream_that_lacks_a_chunk_ends_the_run() -> None:
    async with stub() as port:
        short = chat_call(port, UPSTREAM_MODEL, chunks=CHUNKS)
        aim = Target(port, Call(short.raw, UPSTREAM_MODEL, CHUNKS + 1), expected=b"")
        with pytest.raises(ExceptionGroup) as caught:
            await closed_loop(aim, 1, concurrency=1)
    assert caught.group_contains(LoadError, match=f"had {CHUNKS}")


@pytest.mark.anyio
async def test_an_answer_that_never_comes_is_an_error() -> None:
    async with listening(lambda: Answering(b"", hang_up=False)) as port:
        aim = Target(port, chat_call(port, UPSTREAM_MODEL), expected=b"x")
        with pytest.raises(LoadError, match="0 of 1 calls"):
            await closed_loop(aim, 1, concurrency=1, timeout_s=0.05)
