"""Each time budget strikes when it should, and only then."""

from __future__ import annotations

import asyncio
import math
import socket

import pytest

from backends.errors import Phase, RunnerTimeout
from backends.transport import Response, Timeouts
from tests.backends.transport.client import client, eventually, fetch, post
from tests.fakes.bad_peer import BadPeer, Wire, answer, answers, chunk, chunked_head, silence

pytestmark = pytest.mark.anyio


def budgets(**seconds: float) -> Timeouts:
    off = {"connect_s": math.inf, "first_byte_s": math.inf, "idle_s": math.inf, "total_s": math.inf}
    return Timeouts(**{**off, **seconds})


def struck(exc: RunnerTimeout, phase: Phase, budget_s: float) -> bool:
    return exc.phase == phase and exc.budget_s == budget_s and f"{budget_s:g} s" in str(exc)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_that_does_not_come_in_time(said: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(said)
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        with pytest.raises(RunnerTimeout, match=f"{peer.url} did not begin to answer") as late:
            await fetch(transport, timeouts=budgets(first_byte_s=0.1))
        assert struck(late.value, "first_byte", 0.1)
        assert late.value.reached
        await eventually(lambda: peer.open_connections == 0)


async def test_a_body_that_stalls() -> None:
    async with (
        BadPeer(answers(chunked_head() + chunk(b"some"))) as peer,
        client(peer.url) as transport,
    ):
        response = await post(transport, timeouts=budgets(idle_s=0.1))
        assert await response.chunk() == b"some"
        with pytest.raises(RunnerTimeout) as late:
            await response.chunk()
        assert struck(late.value, "idle", 0.1)
        response.close()
        await eventually(lambda: peer.open_connections == 0)


async def test_a_stall_is_timed_from_the_first_time_it_was_asked_about() -> None:
    async def ask_impatiently(response: Response) -> bytes:
        while True:
            asking = asyncio.create_task(response.chunk())
            await asyncio.wait([asking], timeout=0.05)
            if asking.done():
                return asking.result()
            asking.cancel()
            await asyncio.wait([asking])

    async with BadPeer(answers(chunked_head())) as peer, client(peer.url) as transport:
        response = await post(transport, timeouts=budgets(idle_s=0.3, total_s=5))
        with pytest.raises(RunnerTimeout) as late:
            await ask_impatiently(response)
        assert struck(late.value, "idle", 0.3)
        response.close()


async def test_a_caller_who_does_not_ask_is_not_the_runners_idling() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        await proceed.wait()
        await wire.send(chunk(b"here") + chunk(b""))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        response = await post(transport, timeouts=budgets(first_byte_s=0.1, idle_s=0.1))
        await past(0.3)
        asking = asyncio.create_task(response.read(10))
        proceed.set()
        assert await asking == b"here"
        response.close()
        assert transport.idle_connections == 1


async def test_an_endless_trickle_ends_with_the_total_budget() -> None:
    async def trickle(wire: Wire) -> None:
        await wire.request()
        await wire.send(chunked_head())
        while True:
            await wire.send(chunk(b"."))
            await asyncio.sleep(0.01)

    async with BadPeer(trickle) as peer, client(peer.url) as transport:
        response = await post(transport, timeouts=budgets(first_byte_s=5, idle_s=5, total_s=0.2))
        with pytest.raises(RunnerTimeout) as late:
            await response.read(10**6)
        assert struck(late.value, "total", 0.2)
        response.close()
        await eventually(lambda: peer.open_connections == 0)


async def test_the_total_budget_also_bounds_the_wait_for_the_head() -> None:
    async with BadPeer(silence) as peer, client(peer.url) as transport:
        with pytest.raises(RunnerTimeout) as late:
            await fetch(transport, timeouts=budgets(first_byte_s=5, total_s=0.1))
        assert struck(late.value, "total", 0.1)


async def test_a_response_that_nobody_closes_is_cut_by_the_total_budget() -> None:
    async with BadPeer(answers(chunked_head())) as peer, client(peer.url) as transport:
        response = await post(transport, timeouts=budgets(total_s=0.1))
        await eventually(lambda: transport.open_connections == 0)
        await eventually(lambda: peer.open_connections == 0)
        with pytest.raises(RunnerTimeout) as late:
            await response.chunk()
        assert struck(late.value, "total", 0.1)
        response.close()


async def test_a_whole_answer_is_not_cut_however_long_it_is_held() -> None:
    async with BadPeer(answers(answer(b"x"), answer(b"y"))) as peer, client(peer.url) as transport:
        response = await post(transport, timeouts=budgets(first_byte_s=0.1, total_s=0.1))
        await past(0.2)
        assert await response.read(10) == b"x"
        response.close()
        assert await fetch(transport) == b"y"
        assert len(peer.wires) == 1


async def test_the_budgets_of_one_request_do_not_strike_the_next() -> None:
    proceed = asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.request()
        await proceed.wait()
        await wire.send(answer(b"late"))
        await wire.gone()

    async with BadPeer(script) as peer, client(peer.url) as transport:
        await fetch(transport, timeouts=budgets(first_byte_s=0.1, total_s=0.15))
        asking = asyncio.create_task(fetch(transport, timeouts=budgets(first_byte_s=5)))
        await past(0.3)
        proceed.set()
        assert await asking == b"late"


async def test_no_budgets_make_no_timers() -> None:
    async with BadPeer(answers(answer(b"x"))) as peer, client(peer.url) as transport:
        assert await fetch(transport, timeouts=budgets()) == b"x"


async def test_connecting_takes_too_long() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        host, port = full.getsockname()
        with socket.create_connection((host, port)):
            async with client(f"http://{host}:{port}") as transport:
                with pytest.raises(RunnerTimeout, match="could not be connected to") as late:
                    await fetch(transport, timeouts=budgets(connect_s=0.1))
                assert struck(late.value, "connect", 0.1)
                assert not late.value.reached
                with pytest.raises(RunnerTimeout) as late:
                    await fetch(transport, timeouts=budgets(connect_s=5, total_s=0.1))
                assert struck(late.value, "total", 0.1)


async def past(seconds: float) -> None:
    """Let the event loop run until its clock has moved on by `seconds`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    await eventually(lambda: loop.time() > until)
