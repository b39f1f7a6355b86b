"""Row 15: the store is stopped for ten seconds, is emptied, and fails over to its replica."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.eval.clients import Crowd, crowd
from tests.eval.line import Line, at_least, at_most
from tests.eval.stage import Plan, Stage, stage
from tests.eval.timeline import Timeline
from tests.fakes.store_sets import MASTER, watched
from tests.fakes.stores import Server, server

SLOTS, USERS, DOWN_S = 2, 12, 10.0
FORGOTTEN_S = 15.0
"""Everybody waits 5 s for an answer of 1 s; this is longer than any disaster excuses."""


async def measure() -> list[Line]:
    """Three disasters, each with a stage of its own."""
    return [*await _down(), *await _flushed(), *await _failed_over()]


async def _down() -> list[Line]:
    with server("valkey", "--appendonly", "yes") as store, ExitStack() as later:
        async with stage(Plan(slots=SLOTS), store.url) as here, crowd(here, USERS) as people:
            await asyncio.sleep(5)
            down_at = time.monotonic()
            store.process.terminate()
            store.process.wait()
            await asyncio.sleep(DOWN_S)
            later.callback(_start_again(store))
            up_at = time.monotonic()
            await asyncio.sleep(10)
            timeline = await here.timeline()
    most = timeline.most_at_once(down_at, up_at + 10)
    return [
        *_success("store down 10 s", people, down_at, up_at + 10),
        at_most("15", "store down 10 s: in flight / max(slots, replicas)", 1.0, most / 3),
        at_most("15", "store down 10 s: s until normal", 5.0, _normal(timeline, up_at, up_at + 10)),
        *_lost("store down 10 s", people),
    ]


def _start_again(store: Server) -> Callable[[], None]:
    """With what it had written to its file; the result ends it."""
    process = subprocess.Popen(store.process.args, stdout=subprocess.DEVNULL)

    def end() -> None:
        process.kill()
        process.wait()

    return end


async def _flushed() -> list[Line]:
    with server() as store:
        async with stage(Plan(slots=SLOTS), store.url) as here, crowd(here, USERS) as people:
            await asyncio.sleep(5)
            at = time.monotonic()
            store.ask("FLUSHALL")
            await asyncio.sleep(10)
            timeline = await here.timeline()
    lines = await _judge("FLUSHALL", here, people, timeline, at)
    return [*lines, *_lost("FLUSHALL", people)]


async def _failed_over() -> list[Line]:
    with watched() as three:
        url = f"redis+sentinel://127.0.0.1:{three.sentinel_port}/{MASTER}"
        async with stage(Plan(slots=SLOTS), url) as here, crowd(here, USERS) as people:
            await asyncio.sleep(5)
            at = time.monotonic()
            await asyncio.to_thread(three.fail_over)
            await asyncio.sleep(10)
            timeline = await here.timeline()
    lines = await _judge("failover", here, people, timeline, at)
    return [*lines, *_lost("failover", people)]


async def _judge(
    what: str, here: Stage, people: Crowd, timeline: Timeline, at: float
) -> list[Line]:
    most = timeline.most_at_once(at, at + 10) / max(SLOTS, len(here.replicas))
    return [
        *_success(what, people, at, at + 10),
        at_most("15", f"{what}: in flight / max(slots, replicas)", 1.0, most),
        at_most("15", f"{what}: s until normal", 5.0, _normal(timeline, at, at + 10)),
    ]


def _success(what: str, people: Crowd, begin: float, end: float) -> list[Line]:
    """Of those that were not refused."""
    asked = [a for a in people.answers if a.ended >= begin and a.began < end]
    kept = [a for a in asked if a.status not in (429, 503)]
    bad = [f"{a.status} {a.error}" for a in kept if not a.served]
    share = (len(kept) - len(bad)) / max(1, len(kept))
    refused = len(asked) - len(kept)
    return [
        at_least("15", f"{what}: success ({refused} of {len(asked)} refused)", 0.99, share, bad)
    ]


def _lost(what: str, people: Crowd) -> list[Line]:
    """Tickets that were refused for it, or that nobody thought of for a long time."""
    lost = [a.name for a in people.answers if not a.served or a.ended - a.began > FORGOTTEN_S]
    return [at_most("15", f"{what}: tickets lost", 0, len(lost) + people.under_way, lost)]


def _normal(timeline: Timeline, after: float, end: float) -> float:
    """Seconds until no more than the slots run, and all of them are busy, to the end."""
    step, bad = 0.25, after
    at = after
    while at + 1 < end:
        full = timeline.busy(at, at + 1, SLOTS) >= 0.9
        if not full or timeline.most_at_once(at, at + 1) > SLOTS:
            bad = at + step
        at += step
    return bad - after
