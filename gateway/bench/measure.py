"""One measurement: a load on a target until its window has closed and its last answer is in."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.bench.asker import Asker
from gateway.bench.load import ClosedLoop, OpenLoop
from gateway.bench.plan import Bounds, Measurement
from gateway.bench.pulse import Pulse
from gateway.bench.timeline import Timeline
from gateway.bench.window import Window

_TICK_S = 0.2

Tick = Callable[[Window], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a measurement saw, before anything is counted."""

    opened_at: float
    window_s: float
    timelines: tuple[Timeline, ...]
    left_out: int
    """Arrivals that the generator did not send."""
    cpu_share: float
    late_s: float
    late_p99_s: float
    interrupted: bool


async def measure(
    measurement: Measurement,
    asker: Asker,
    next_body: Callable[[], bytes],
    bounds: Bounds,
    *,
    stop: asyncio.Event,
    tick: Tick,
) -> Measured:
    """Run it. Once `stop` is set, requests in flight are cut and what is known is returned.

    `tick` is called a few times a second, for people who watch.
    """
    gc.collect()
    gc.disable()  # a collection stops the clock that chunks are timed by; we make no cycles
    closed = asyncio.Event()
    pulse = Pulse()

    def on_close() -> None:
        pulse.stop()
        closed.set()

    window = Window(
        time.perf_counter,
        duration_s=bounds.duration_s,
        requests=bounds.requests,
        on_close=on_close,
    )
    load = _load(measurement, window, closed)
    closing = _close_in(bounds.duration_s, window)
    running = asyncio.ensure_future(load.run(asker.ask, next_body))
    try:
        await _until_done(running, stop, lambda: tick(window))
    finally:
        window.close()
        if closing is not None:
            closing.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        gc.enable()
    return Measured(
        opened_at=window.opened_at,
        window_s=window.seconds,
        timelines=tuple(window.ended),
        left_out=load.left_out if isinstance(load, OpenLoop) else 0,
        cpu_share=pulse.cpu_share,
        late_s=pulse.late_s,
        late_p99_s=pulse.late_p99_s,
        interrupted=stop.is_set(),
    )


def _load(measurement: Measurement, window: Window, closed: asyncio.Event) -> ClosedLoop | OpenLoop:
    load = measurement.load
    if load.users is not None:
        return ClosedLoop(load.users, window, closed)
    assert load.rate is not None, "a load has users or a rate"
    return OpenLoop(load.rate, window, closed, random.Random(measurement.seed))


def _close_in(duration_s: float | None, window: Window) -> asyncio.TimerHandle | None:
    if duration_s is None:
        return None
    return asyncio.get_running_loop().call_later(duration_s, window.close)


async def _until_done(
    running: asyncio.Future[Any], stop: asyncio.Event, tick: Callable[[], None]
) -> None:
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    try:
        while not running.done() and not stop.is_set():
            await asyncio.wait(
                {running, stopping}, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED
            )
            tick()
        if running.done():
            running.result()
    finally:
        stopping.cancel()
