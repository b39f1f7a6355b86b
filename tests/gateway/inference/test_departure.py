"""A client that leaves: noticed at once, cancelled once, and confused with nothing else."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.inference.body import ClientGone
from gateway.inference.departure import Departure
from tests.gateway.serving import Wire, connect, eventually, serve

pytestmark = pytest.mark.anyio

Message = dict[str, Any]
LEFT: Message = {"type": "http.disconnect"}
MORE: Message = {"type": "http.request", "body": b"more", "more_body": False}


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


class Peer:
    """A `receive` whose messages are given one after the other, as an ASGI server would."""

    def __init__(self, *messages: Message) -> None:
        self._messages = deque(messages)
        self._news = asyncio.Event()
        self.receiving = 0
        """Calls of `receive` that have not returned."""

    def give(self, message: Message) -> None:
        self._messages.append(message)
        self._news.set()

    async def receive(self) -> Message:
        self.receiving += 1
        try:
            while not self._messages:
                self._news.clear()
                await self._news.wait()
            return self._messages.popleft()
        finally:
            self.receiving -= 1


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


@contextmanager
def nothing_reported() -> Iterator[None]:
    """The loop's handler of stray errors is not called."""
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(before)
    assert not reported


async def test_a_departure_cancels_the_work_in_the_same_turn() -> None:
    peer = Peer()
    turns = 0

    async def depart() -> None:
        peer.give(LEFT)

    with nothing_reported():
        leaving = asyncio.create_task(depart())
        departure = Departure(peer.receive, current())
        with pytest.raises(ClientGone), departure:  # noqa: PT012  # it is the block that is tested
            while True:
                await asyncio.sleep(0)
                turns += 1
        assert departure.left
        await leaving
    assert turns <= 3
    assert current().cancelling() == 0
    assert peer.receiving == 0
    await asyncio.sleep(0)  # a cancellation that has leaked would strike here


async def test_the_task_can_be_cancelled_and_can_wait_after_a_departure() -> None:
    peer = Peer()

    async def work() -> str:
        with pytest.raises(ClientGone), Departure(peer.receive, current()):
            await forever()
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        return "went on"

    task = asyncio.create_task(work())
    await eventually(lambda: peer.receiving == 1)
    peer.give(LEFT)
    assert await task == "went on"


async def test_work_that_ends_in_time_is_not_disturbed() -> None:
    peer = Peer()
    with nothing_reported():
        with Departure(peer.receive, current()) as departure:
            await asyncio.sleep(0)
        peer.give(LEFT)
        for _ in range(5):
            await asyncio.sleep(0)
    assert not departure.left
    assert peer.receiving == 0
    assert current().cancelling() == 0


async def test_a_departure_in_the_turn_in_which_the_work_ends_changes_nothing() -> None:
    peer = Peer()
    with nothing_reported():
        with Departure(peer.receive, current()):
            await asyncio.sleep(0)
            peer.give(LEFT)
        for _ in range(5):
            await asyncio.sleep(0)
    assert current().cancelling() == 0


async def test_a_client_that_had_left_before_is_noticed_without_waiting() -> None:
    peer = Peer(LEFT)
    begun = False
    with pytest.raises(ClientGone), Departure(peer.receive, current()):
        begun = True
    assert not begun
    assert current().cancelling() == 0
    await asyncio.sleep(0)


async def test_a_receive_that_never_suspends_is_fine() -> None:
    peer = Peer(MORE, MORE, MORE, LEFT)
    with pytest.raises(ClientGone), Departure(peer.receive, current()):
        await forever()
    assert current().cancelling() == 0


async def test_a_server_that_repeats_itself_without_end_does_not_stop_the_loop() -> None:
    async def receive() -> Message:
        return MORE

    with Departure(receive, current()):
        for _ in range(100):
            await asyncio.sleep(0)


async def test_request_messages_after_the_body_are_dropped() -> None:
    peer = Peer()

    async def go_on(departure: Departure) -> None:
        for _ in range(3):
            peer.give(MORE)
            await asyncio.sleep(0.001)
            assert peer.receiving == 1
            assert not departure.left
        peer.give(LEFT)
        await forever()

    with pytest.raises(ClientGone), Departure(peer.receive, current()) as departure:
        await go_on(departure)


async def test_a_receive_that_yields_without_a_future_is_stepped_on() -> None:
    async def receive() -> Message:
        for _ in range(3):
            await asyncio.sleep(0)
        return LEFT

    with pytest.raises(ClientGone), Departure(receive, current()):
        await forever()


async def test_a_receive_that_waits_many_times_is_stepped_on() -> None:
    steps = [asyncio.Event() for _ in range(3)]

    async def receive() -> Message:
        for step in steps:
            await step.wait()
        return LEFT

    task = current()

    async def walk() -> None:
        for step in steps:
            assert task.cancelling() == 0
            step.set()
            await asyncio.sleep(0.001)

    walking = asyncio.create_task(walk())
    with pytest.raises(ClientGone), Departure(receive, task):
        await forever()
    await walking


async def test_a_cancellation_from_outside_stays_one() -> None:
    peer = Peer()

    async def work() -> None:
        with Departure(peer.receive, current()):
            await forever()

    task = asyncio.create_task(work())
    await eventually(lambda: peer.receiving == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert peer.receiving == 0


@pytest.mark.parametrize("outer_first", [True, False])
async def test_a_cancellation_from_outside_wins_over_a_departure(outer_first: bool) -> None:
    peer = Peer()

    async def work() -> None:
        with Departure(peer.receive, current()):
            try:
                await forever()
            finally:
                # Whatever came first, both have come before this block is left.
                if outer_first:
                    peer.give(LEFT)
                    await eventually(lambda: peer.receiving == 0)
                else:
                    current().cancel()

    task = asyncio.create_task(work())
    await eventually(lambda: peer.receiving == 1)
    if outer_first:
        task.cancel()
    else:
        peer.give(LEFT)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_error_of_the_work_is_not_replaced_by_the_departure() -> None:
    peer = Peer()

    async def work() -> None:
        with Departure(peer.receive, current()):
            try:
                await forever()
            except asyncio.CancelledError:
                raise LookupError from None

    task = asyncio.create_task(work())
    await eventually(lambda: peer.receiving == 1)
    peer.give(LEFT)
    with pytest.raises(LookupError):
        await task


async def test_time_outs_inside_and_outside_of_the_block_still_work() -> None:
    peer = Peer()

    async def too_slow() -> None:
        async with asyncio.timeout(0.001):
            await forever()

    async def watched_and_too_slow() -> None:
        async with asyncio.timeout(0.001):
            with Departure(peer.receive, current()):
                await forever()

    with Departure(peer.receive, current()), pytest.raises(TimeoutError):
        await too_slow()
    with pytest.raises(TimeoutError):
        await watched_and_too_slow()
    assert current().cancelling() == 0


# Under real servers

servers = pytest.mark.parametrize("server", [{}, {"http": "httptools"}], ids=["ours", "uvicorn's"])

BODY = b'{"hello": "world"}'
REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Watched:
    """An application that reads its body and then does `work` under a `Departure`."""

    def __init__(self, work: Callable[[Send], Awaitable[None]]) -> None:
        self._work = work
        self.working = 0
        self.ends: list[str] = []
        self.leaked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        self.working += 1
        try:
            with Departure(receive, current()):
                await self._work(send)
        except ClientGone:
            self.ends.append("gone")
        except BaseException as error:
            self.ends.append(type(error).__name__)
            raise
        else:
            self.ends.append("done")
        finally:
            self.leaked += current().cancelling()
            self.working -= 1


async def reply(send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


async def slow(send: Send) -> None:
    await forever()


async def stream_without_end(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0)


@servers
@pytest.mark.parametrize("go", [Wire.leave, Wire.reset])
@pytest.mark.parametrize("work", [slow, stream_without_end])
async def test_a_client_that_leaves_is_noticed_at_once(
    work: Callable[[Send], Awaitable[None]], go: Callable[[Wire], None], server: dict[str, Any]
) -> None:
    app = Watched(work)
    with nothing_reported():
        async with serve(app, **server) as served, connect(served.port) as wire:
            await wire.send(REQUEST)
            await eventually(lambda: app.working == 1)
            go(wire)
            await eventually(lambda: app.working == 0, within_s=1.0)
    assert app.ends == ["gone"]
    assert app.leaked == 0


async def test_a_client_that_does_not_read_is_noticed_when_it_leaves() -> None:
    app = Watched(stream_without_end)
    async with serve(app) as served, connect(served.port) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(REQUEST)
        await eventually(lambda: app.working == 1)
        await eventually(lambda: any(each.outflow.full is not None for each in served.connections))
        wire.reset()
        await eventually(lambda: app.working == 0)
    assert app.ends == ["gone"]


@servers
async def test_answers_on_a_kept_connection_are_no_departures(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        for _ in range(3):
            await wire.send(REQUEST)
            assert (await wire.answer()).body == b"ok"
    assert app.ends == ["done"] * 3


@servers
async def test_a_body_in_pieces_is_no_departure(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"5\r\nhello\r\n", b"1\r\n!\r\n", b"0\r\n\r\n"):
            await wire.send(piece)
            await asyncio.sleep(0.01)
        assert (await wire.answer()).status == 200
    assert app.ends == ["done"]


@servers
async def test_a_large_body_that_paused_the_connection_does_not_hide_a_departure(
    server: dict[str, Any],
) -> None:
    app = Watched(slow)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n")
        await wire.send(b"x" * 3_000_000)
        await eventually(lambda: app.working == 1)
        wire.leave()
        await eventually(lambda: app.working == 0)
    assert app.ends == ["gone"]


@servers
async def test_a_pipelined_request_is_no_departure_and_gets_its_answer(
    server: dict[str, Any],
) -> None:
    app = Watched(reply)
    async with serve(app, **server) as served, connect(served.port) as wire:
        await wire.send(REQUEST * 3)
        for _ in range(3):
            assert (await wire.answer()).status == 200
    assert app.ends == ["done"] * 3
