"""A client that leaves: noticed at once, cancelled once, and confused with nothing else."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator

import pytest

from gateway.inference.body import ClientGone
from gateway.inference.departure import Departure
from tests.fakes.garbage import only_new_objects
from tests.gateway.inference.peer import (
    LEFT,
    MORE,
    Message,
    Peer,
    current,
    forever,
    nothing_reported,
)
from tests.gateway.serving import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    with only_new_objects(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


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
