"""Rows 1, 2, 3, 6 and 16 on real replicas: are the slots used, handed on, and kept to?"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import httpx2

from tests.eval.clients import NullTimer, ask, crowd
from tests.eval.line import Line, at_least, at_most, shown
from tests.eval.stage import Plan, Stage, runner_alone, stage
from tests.eval.timeline import quantile
from tests.fakes.stores import Server, server

SLOTS, USERS, WINDOWS, WINDOW_S = 2, 12, 5, 8.0
QUIET_S = 0.02
"""A window in which this process itself woke later than that (p99) says nothing of the gateway."""
LIMITS = {"requests_per_minute": 600_000, "tokens_per_minute": 100_000_000}
_TOP = frozenset(("cmdstat_fcall", "cmdstat_evalsha", "cmdstat_xread"))
UPKEEP_PER_S = 1.5
"""Calls a second of a replica whatever happens: row 16 does not count them."""


async def measure() -> list[Line]:
    """Rows 1, 2, 3 and the time to an immediate refusal; then row 16 with short requests."""
    with server() as store:
        async with stage(Plan(slots=SLOTS), store.url) as here:
            lines = await _steady(here)
    direct = quantile(await _direct(), 0.5)
    lines.append(shown("2", "without a gateway, a client that asks again at once, ms, p50", direct))
    with server() as store:
        plan = Plan(slots=4, mean_s=0.02, config={"models": {"demo": {"limits": LIMITS}}})
        async with stage(plan, store.url) as here:
            return [*lines, *await _cost(here, store)]


async def _direct() -> list[float]:
    """Gaps, in ms, where each slot has a user of its own who asks again at once."""
    with runner_alone(Plan(slots=SLOTS)) as here:
        async with crowd(here, SLOTS):
            await asyncio.sleep(10)
        timeline = await here.timeline()
    first, last = timeline.spans[0][0], timeline.spans[-1][0]
    return [gap * 1000 for gap in timeline.gaps(first, last - 0.5, SLOTS)]


async def _steady(here: Stage) -> list[Line]:
    timer, refusals = NullTimer(), list[float]()
    async with crowd(here, USERS), asyncio.TaskGroup() as beside:
        tasks = [beside.create_task(timer.run()), beside.create_task(_refused(here, refusals))]
        await asyncio.sleep(4)
        begin = time.monotonic()
        await asyncio.sleep(WINDOWS * WINDOW_S)
        for task in tasks:
            task.cancel()
    timeline = await here.timeline()
    windows = [(begin + n * WINDOW_S, begin + (n + 1) * WINDOW_S) for n in range(WINDOWS)]
    noise = [quantile(timer.late(*window), 0.99) for window in windows]
    quiet = [w for w, late in zip(windows, noise, strict=True) if late <= QUIET_S] or windows
    busy = [timeline.busy(*window, SLOTS) for window in quiet]
    gaps = [gap * 1000 for window in quiet for gap in timeline.gaps(*window, SLOTS)]
    most = timeline.most_at_once(0, windows[-1][1])
    late = f"{len(quiet)} of {WINDOWS} windows quiet enough"
    return [
        at_least("1", f"busy while backlogged, {late}", 0.99, statistics.median(busy), busy),
        at_most("2", "slot hand-off gap, ms, p50", 3.0, quantile(gaps, 0.5), gaps),
        at_most("2", "slot hand-off gap, ms, p99", 25.0, quantile(gaps, 0.99)),
        shown("2", "p99 lateness of a timer beside it, ms", max(noise) * 1000),
        at_most("3", "in flight above the slots, steady", 0, most - SLOTS),
        at_most("6", "time to an immediate 503, ms, p99", 50.0, quantile(refusals, 0.99), refusals),
    ]


async def _refused(here: Stage, took_ms: list[float]) -> None:
    """Requests that cannot be served in the time they give, among the others."""
    headers = {"x-request-timeout-ms": "1"}
    async with httpx2.AsyncClient(timeout=30) as client:
        for number in range(10**6):
            answer = await ask(client, here, number, headers=headers)
            if answer.status == 503:
                took_ms.append((answer.ended - answer.began) * 1000)
            await asyncio.sleep(0.1)


async def _cost(here: Stage, store: Server) -> list[Line]:
    async with crowd(here, 24) as people:
        await asyncio.sleep(2)
        store.ask("CONFIG", "RESETSTAT")
        before, began, cpu_s = len(people.answers), time.monotonic(), _cpu_s(store)
        await asyncio.sleep(10)
        stats, took_s, cpu_s = _stats(store), time.monotonic() - began, _cpu_s(store) - cpu_s
        requests = len(people.answers) - before
    upkeep = UPKEEP_PER_S * len(here.replicas) * took_s
    calls = (stats["cmdstat_fcall"]["calls"] - upkeep) / requests
    # What scripts call is counted in theirs as well.
    us = {name: stats[name]["usec"] / requests for name in stats if name in _TOP}
    what = f"limits on, {requests / took_s:.0f} requests/s"
    return [
        at_most("16", f"script calls per request, {what}", 4.0, calls),
        at_most("16", f"store time per request, us, {what}", 250.0, sum(us.values()), us),
        shown(
            "16", "CPU of the store's process per request, us, all in all", cpu_s / requests * 1e6
        ),
    ]


def _cpu_s(store: Server) -> float:
    with store.client() as client:
        cpu = client.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


def _stats(store: Server) -> dict[str, Any]:
    with store.client() as client:
        return {k.lower(): v for k, v in client.info("commandstats").items()}
