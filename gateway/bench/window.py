"""The time in which a measurement sends requests, and the requests that fall into it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gateway.bench.timeline import Timeline


class Window:
    """Opens when made and closes once, when its time or its requests are used up.

    What a runner delivers after that, while the last answers run out and users stand idle, is not
    its throughput under the load; how long those answers took is still what their users felt.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        duration_s: float | None,
        requests: int | None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._on_close = on_close
        self.opened_at = clock()
        self.closes_at = inf if duration_s is None else self.opened_at + duration_s
        self.closed_at: float | None = None
        self.sent = 0
        self._requests = inf if requests is None else requests
        self._running: set[Timeline] = set()
        self.ended: list[Timeline] = []

    @property
    def seconds(self) -> float:
        """How long it has been open."""
        end = self._clock() if self.closed_at is None else self.closed_at
        return end - self.opened_at

    @property
    def in_flight(self) -> int:
        """Requests that have no outcome yet."""
        return len(self._running)

    @property
    def room(self) -> float:
        """How many more requests it takes; infinite while only time bounds it."""
        return max(0, self._requests - self.sent)

    def may_send(self) -> bool:
        """Whether one more request fits; the first that does not closes the window."""
        if self.closed_at is None and self.sent < self._requests and self._clock() < self.closes_at:
            return True
        self.close()
        return False

    def begin(self, user: int) -> Timeline:
        """Send one more."""
        timeline = Timeline(user, self._clock())
        self._running.add(timeline)
        self.sent += 1
        return timeline

    def end(self, timeline: Timeline) -> None:
        """It has an outcome."""
        self._running.discard(timeline)
        self.ended.append(timeline)

    def drop(self, timeline: Timeline) -> None:
        """It was given up by us, which says nothing about the target."""
        self._running.discard(timeline)
        self.sent -= 1

    def close(self) -> None:
        """Nothing more is sent; what has been delivered so far is the throughput. Idempotent."""
        if self.closed_at is None:
            self.closed_at = self._clock()
            for timeline in self._running:
                timeline.chunks_in_window = timeline.chunks
            self._on_close()
