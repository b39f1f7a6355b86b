"""What comes before a measurement is cut off by a stop; a measurement heeds it by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway.bench.measure import Measured
from gateway.bench.plan import Measurement
from gateway.bench.run import Watcher
from gateway.bench.window import Window

Found = TypeVar("Found")


class _Noting:
    """Passes on what it is told, and notes whether it has come to measuring."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.measuring = False

    def begin(self, measurement: Measurement) -> None:
        self.measuring = True
        self._watcher.begin(measurement)

    def tick(self, window: Window) -> None:
        self._watcher.tick(window)

    def end(self, measurement: Measurement, measured: Measured) -> None:
        self._watcher.end(measurement, measured)


async def unless_stopped(
    work: Callable[[Watcher], Coroutine[Any, Any, Found]], watcher: Watcher, stop: asyncio.Event
) -> Found | None:
    """What `work` returns; None if `stop` was set before it began to measure: it is cancelled then.

    Starting an engine and trying it out take minutes and leave nothing to keep. Once `work` has
    begun to measure it has to look at `stop` itself. Raises what `work` raises. Cancelling this
    cancels `work`; it has ended when this returns.
    """
    noting = _Noting(watcher)
    running = asyncio.ensure_future(work(noting))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not noting.measuring:
            running.cancel()
        await asyncio.wait({running})
    except asyncio.CancelledError:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise
    finally:
        stopping.cancel()
    return None if running.cancelled() else running.result()
