"""Whether the generator itself kept up: how late its event loop ran, and how busy it was."""

from __future__ import annotations

import asyncio
import time
from array import array

from gateway.bench.statistics import quantile

EVERY_S = 0.02


class Pulse:
    """Beats while requests are being sent. `stop` is idempotent and freezes the figures."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late = array("f")
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        self._due = self._wall + EVERY_S
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(EVERY_S, self._beat)
        self.cpu_share = 0.0
        """Share of one core that this process took."""
        self.late_s = 0.0
        """Lateness of a timer, 99th percentile: so late, too, is a time taken of a chunk."""

    def stop(self) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        wall = time.perf_counter() - self._wall
        self.cpu_share = (time.process_time() - self._cpu) / wall if wall > 0 else 0.0
        self.late_s = quantile(self._late, 0.99) or 0.0

    def _beat(self) -> None:
        now = time.perf_counter()
        self._late.append(max(0.0, now - self._due))
        self._due = now + EVERY_S
        self._timer = self._loop.call_later(EVERY_S, self._beat)
