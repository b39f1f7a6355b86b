"""The deadline reads the loop's clock, so a loop whose clock is turned by hand serves here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from backends.transport.deadline import Deadline


class HandTurnedLoop(asyncio.SelectorEventLoop):
    """Its timers are counted, and fire when `turn_to` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], object], asyncio.TimerHandle]] = []
        self.timers_made = 0

    def time(self) -> float:
        return self.now

    def call_at(  # type: ignore[override]  # only what a deadline asks of it
        self, when: float, callback: Callable[[], object]
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), self)
        self.timers.append((when, callback, handle))
        self.timers_made += 1
        return handle

    def turn_to(self, now: float) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer[0] <= now]
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, callback, handle in due:
            if not handle.cancelled():
                callback()

    @property
    def waiting(self) -> int:
        return sum(not handle.cancelled() for _, _, handle in self.timers)


def make() -> tuple[HandTurnedLoop, list[float], Deadline]:
    loop = HandTurnedLoop()
    fired: list[float] = []
    deadline = Deadline(loop, lambda: fired.append(loop.now))
    loop.close()
    return loop, fired, deadline


def test_it_fires_once_when_its_time_has_come() -> None:
    loop, fired, deadline = make()
    deadline.move(10)
    loop.turn_to(9.9)
    assert fired == []
    loop.turn_to(10)
    loop.turn_to(100)
    assert fired == [10]


def test_moving_it_away_again_and_again_makes_one_timer_per_budget() -> None:
    loop, fired, deadline = make()
    for now in range(100):
        loop.turn_to(now)
        deadline.move(now + 10)
    assert fired == []
    assert loop.timers_made <= 11
    loop.turn_to(109)
    assert fired == [109]


def test_moving_it_nearer_counts_at_once() -> None:
    loop, fired, deadline = make()
    deadline.move(100)
    deadline.move(5)
    loop.turn_to(5)
    assert fired == [5]


def test_no_deadline_makes_no_timer() -> None:
    loop, fired, deadline = make()
    deadline.move(inf)
    assert loop.timers_made == 0
    deadline.move(3)
    deadline.move(inf)
    loop.turn_to(1000)
    assert fired == []
    assert loop.waiting == 0


def test_once_stopped_it_never_fires_and_leaves_no_timer() -> None:
    loop, fired, deadline = make()
    deadline.move(3)
    deadline.stop()
    deadline.stop()
    assert loop.waiting == 0
    deadline.move(4)
    loop.turn_to(1000)
    assert fired == []
