"""Rows 14 and 3: one replica is killed, another stops for fifteen seconds and goes on."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.eval.clients import Crowd, crowd, on_replica
from tests.eval.line import Line, at_most, shown
from tests.eval.stage import Plan, Stage, stage
from tests.fakes.stores import server

SLOTS, USERS = 2, 60
LEASE_S, STOPPED_S = 10.0, 15.0
CONFIG = {"queue": {"wait_s": {"default": 60}}}


async def measure() -> list[Line]:
    """Sixty users on three replicas; the first is killed, the second stopped, the third left."""
    with server() as store:
        async with stage(Plan(slots=SLOTS, config=CONFIG), store.url) as here:
            killed, stopped, _ = here.replicas
            async with crowd(here, USERS) as people:
                await asyncio.sleep(8)
                await _holds_a_slot(here, 0)
                killed_at = time.monotonic()
                killed.signal(signal.SIGKILL)
                await asyncio.sleep(14)
                await _holds_a_slot(here, 1)
                stopped_at = time.monotonic()
                stopped.signal(signal.SIGSTOP)
                await asyncio.sleep(STOPPED_S)
                going_on_at = time.monotonic()
                stopped.signal(signal.SIGCONT)
                await asyncio.sleep(12)
                steady_at = time.monotonic()
                await asyncio.sleep(6)
                end = time.monotonic()
            timeline = await here.timeline()
    back_s = timeline.first_full(killed_at + 0.25, SLOTS) - killed_at
    # What the stopped one had sent to the runner is over by then, its leases are not.
    alone_s = timeline.first_full(stopped_at + 1.5, SLOTS) - stopped_at
    twice = timeline.twice()
    until_stop = timeline.most_at_once(0, stopped_at + LEASE_S - 0.5) - SLOTS
    while_stopped = timeline.most_at_once(stopped_at, going_on_at + LEASE_S) - SLOTS
    served = sum(answer.served for answer in people.answers if answer.replica % 3)
    return [
        at_most("3", "above the slots until a stopped replica's leases end", 0, until_stop),
        at_most("3", "above the slots after that (it held at most 2)", SLOTS, while_stopped),
        at_most("3", "above the slots at last", 0, timeline.most_at_once(steady_at, end) - SLOTS),
        at_most("14", "slots back after SIGKILL, s", 11.0, back_s),
        at_most("14", "slots back after SIGSTOP, s", 11.0, alone_s),
        at_most("14", "requests on the survivors without an answer", 0, *_unanswered(people)),
        at_most("14", "requests dispatched twice", 0, len(twice), twice),
        shown("14", "answered on the survivors", served),
    ]


async def _holds_a_slot(here: Stage, replica: int) -> None:
    """Return in a moment in which it does: without one, nothing would have to come back."""
    ending = on_replica(replica)
    async with asyncio.timeout(30):
        while True:
            if any(name.endswith(ending) for name in (await here.timeline()).running()):
                return
            await asyncio.sleep(0.02)


def _unanswered(people: Crowd) -> tuple[int, list[str]]:
    """Requests to the two that live that got neither an answer nor a refusal."""
    bad = [
        f"{a.name} on {a.replica % 3}: {a.status} {a.error} after {a.ended - a.began:.1f} s"
        for a in people.answers
        if a.replica % 3 and (a.status not in (200, 429, 503) or (a.status == 200 and a.error))
    ]
    return len(bad) + people.under_way, bad
