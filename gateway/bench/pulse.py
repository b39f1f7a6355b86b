"""Whether the generator itself kept up: how late its event loop ran, and how busy it was."""

from __future__ import annotations

import asyncio
import time
from array import array

from gateway.bench.statistics import distribution

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
        """Lateness of a timer on average: so late, too, are the times taken of chunks."""
        self.late_p99_s = 0.0

    def stop(self) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        wall = time.perf_counter() - self._wall
        self.cpu_share = (time.process_time() - self._cpu) / wall if wall > 0 else 0.0
        late = distribution(self._late)
        if late is not None:
            self.late_s, self.late_p99_s = late.mean, late.p99

    def _beat(self) -> None:
        now = time.perf_counter()
        self._late.append(max(0.0, now - self._due))
        self._due = now + EVERY_S
        self._timer = self._loop.call_later(EVERY_S, self._beat)
