"""Looks at the gateway for whoever asks, however many ask at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from gateway import __version__
from gateway.admin.state import State
from gateway.admin.throughput import Throughput
from gateway.admin.view import MOST_FLOWS, MOST_RUNNERS, flow_shown, runners_shown
from gateway.app import Gateway

SAMPLE_S = 1.0
FRESH_S = 0.25
"""A look is shown to all who ask within this time: the store stands still during each."""


class Watch:
    """The state of one gateway, as JSON. `clock` is monotonic, in seconds."""

    def __init__(self, gateway: Gateway, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway = gateway
        self._clock = clock
        self._began = clock()
        self._throughput = Throughput()
        self._looking = asyncio.Lock()
        self._seen: bytes | None = None
        self._seen_at = 0.0

    @contextlib.asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        """Follow the totals while the block runs, so that the first look has rates already."""
        task = asyncio.create_task(self._sample(), name="admin samples")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def state(self) -> bytes:
        """What is known now, or was a moment ago. Does not fail when the store does."""
        async with self._looking:
            if self._seen is None or self._clock() - self._seen_at >= FRESH_S:
                self._seen = msgspec.json.encode(await self._look())
                self._seen_at = self._clock()
            return self._seen

    async def _look(self) -> State:
        gateway = self._gateway
        queue = await gateway.admission.snapshot()
        waiting = {each.name: gateway.admission.waiting(each.name) for each in gateway.runners}
        runners = runners_shown(gateway.runners, queue.runners, waiting)
        return State(
            version=__version__,
            replica=gateway.admission.replica,
            uptime_s=round(self._clock() - self._began, 1),
            draining=gateway.draining,
            store_up=gateway.store_up,
            degraded=queue.degraded,
            replicas=queue.replicas,
            predicted_wait_s=round(queue.predicted_wait_s, 3),
            waiting=queue.waiting,
            tokens_per_s=self._throughput.rates(self._clock(), gateway.tokens()),
            runners=tuple(runners[:MOST_RUNNERS]),
            runners_left_out=max(0, len(runners) - MOST_RUNNERS),
            flows=tuple(map(flow_shown, queue.flows[:MOST_FLOWS])),
        )

    async def _sample(self) -> None:
        while True:
            self._throughput.add(self._clock(), self._gateway.tokens())
            await asyncio.sleep(SAMPLE_S)
