from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.bench.engines.until_measuring import unless_stopped
from gateway.bench.plan import Load, Measurement, Target
from gateway.bench.run import Watcher
from tests.gateway.bench.test_run import Watching

pytestmark = pytest.mark.anyio

TARGET = Target(name="raw", group="g", url="http://127.0.0.1:1", model="m")


class Work:
    """Begins to measure if it shall, and waits for ever; notes how it ended."""

    def __init__(self, *, measures: bool, ends_slowly: bool = False) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = ""
        self._measures = measures
        self._ends_slowly = ends_slowly

    async def __call__(self, watcher: Watcher) -> str:
        if self._measures:
            watcher.begin(Measurement(Load(users=1), TARGET, 0, 1))
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            if self._ends_slowly:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            self.ended = "cancelled"
            raise
        self.ended = "returned"
        return "found"


async def test_what_is_found_is_returned_and_the_watcher_told() -> None:
    work, watching = Work(measures=True), Watching()
    work.go_on.set()
    assert await unless_stopped(work, watching, asyncio.Event()) == "found"
    assert watching.order == ["1 user raw"]


async def test_a_stop_before_the_first_measurement_cuts_it_off() -> None:
    work, stop = Work(measures=False), asyncio.Event()
    running = asyncio.create_task(unless_stopped(work, Watching(), stop))
    await work.begun.wait()
    stop.set()
    assert await asyncio.wait_for(running, 5) is None
    assert work.ended == "cancelled"


async def test_a_measurement_is_left_to_heed_the_stop_itself() -> None:
    work, stop = Work(measures=True), asyncio.Event()
    running = asyncio.create_task(unless_stopped(work, Watching(), stop))
    await work.begun.wait()
    stop.set()
    done, _ = await asyncio.wait({running}, timeout=0.05)
    assert not done
    work.go_on.set()
    assert await running == "found"


async def test_a_fault_is_raised() -> None:
    async def broken(watcher: Watcher) -> str:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await unless_stopped(broken, Watching(), asyncio.Event())


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "being-cut-off"])
async def test_whoever_gives_up_ends_it_first(stopped: bool) -> None:
    work, stop = Work(measures=False, ends_slowly=stopped), asyncio.Event()
    running = asyncio.create_task(unless_stopped(work, Watching(), stop))
    await work.begun.wait()
    if stopped:
        stop.set()
        done, _ = await asyncio.wait({running}, timeout=0.05)
        assert not done
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert work.ended == "cancelled"
