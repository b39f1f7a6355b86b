"""The two kinds of load: users who wait for their answers, and arrivals that wait for nobody."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.bench.open_files import HOLDERS, connections
from gateway.bench.timeline import Timeline
from gateway.bench.window import Window

MOST_IN_FLIGHT = 10_000
"""Of an open loop. A target that is slower than its arrivals would else take all our memory."""
UNASKED_PAUSE_S = 1.0
"""How long a user whose request was not answered waits before the next, unless told how long."""
LONGEST_PAUSE_S = 60.0

Ask = Callable[[Timeline, bytes], Awaitable[None]]
NextBody = Callable[[], bytes]


class ClosedLoop:
    """So many users, each with one request at a time.

    A user who is refused comes back after Retry-After, one whose request failed after a second: a
    loop without a pause would measure how fast a target can say no.
    """

    def __init__(self, users: int, window: Window, closed: asyncio.Event) -> None:
        self._users = users
        self._window = window
        self._closed = closed

    async def run(self, ask: Ask, next_body: NextBody) -> None:
        """Return once all have their last answer. Cancelling it drops requests in flight."""
        # A user for whom no request is left would close the window before the first answer.
        most = min(self._users, self._window.room)
        async with asyncio.TaskGroup() as users:
            for number in range(int(most)):
                users.create_task(self._user(number, ask, next_body))

    async def _user(self, number: int, ask: Ask, next_body: NextBody) -> None:
        window = self._window
        while window.may_send():
            timeline = await _one(window, number, ask, next_body)
            if not timeline.completed:
                await self._pause(timeline.retry_after_s)

    async def _pause(self, asked_s: float | None) -> None:
        pause_s = UNASKED_PAUSE_S if asked_s is None else min(asked_s, LONGEST_PAUSE_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), pause_s)


class OpenLoop:
    """Requests that arrive at random, `rate` a second on average (Poisson)."""

    def __init__(
        self, rate: float, window: Window, closed: asyncio.Event, draw: random.Random
    ) -> None:
        self._rate = rate
        self._window = window
        self._closed = closed
        self._draw = draw
        self.left_out = 0
        """Arrivals that were not sent because as many as we can have were under way."""
        # A connection that finds no file would count as a failure of the target.
        self._most = min(MOST_IN_FLIGHT, connections() // HOLDERS)

    async def run(self, ask: Ask, next_body: NextBody) -> None:
        """Return once all have their answers. Cancelling it drops requests in flight."""
        window = self._window
        loop = asyncio.get_running_loop()
        due = loop.time()
        number = 0
        async with asyncio.TaskGroup() as arrivals:
            while True:
                # By the timetable and not by the last arrival, so that lateness does not add up.
                due += self._draw.expovariate(self._rate)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._closed.wait()
                if not window.may_send():
                    return
                if window.in_flight >= self._most:
                    self.left_out += 1
                    continue
                arrivals.create_task(_one(window, number, ask, next_body))
                number += 1


async def _one(window: Window, user: int, ask: Ask, next_body: NextBody) -> Timeline:
    timeline = window.begin(user)
    try:
        await ask(timeline, next_body())
    except asyncio.CancelledError:
        window.drop(timeline)
        raise
    window.end(timeline)
    return timeline
