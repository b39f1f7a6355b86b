"""Memory of the gateway, idle and after a long mixed load in which some clients leave early."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import psutil

from tests.perf.contender import BenchError, Contender, get
from tests.perf.cpu import target_of
from tests.perf.load import LoadError, Tally, Target, connect
from tests.perf.row import Row, grouped
from tests.perf.scale import CONCURRENCY

IDLE_BUDGET_MB = 120.0
GROWTH_BUDGET_MB = 5.0
_SHORT_STREAM_CHUNKS = 8

_SLICES = 10
"""Memory is read after each, so that a leak can be told from a plateau."""

# One turn of the mix: c a call, s a stream, L leaves mid-stream, l leaves before any answer.
_MIX = "cccscccccsccclcccsLc"


async def mixed_load(gateway: Contender, total: int, *, timeout_s: float) -> int:
    """Make `total` calls of the mix; returns how many of the clients left early."""
    call = target_of(gateway)
    short = target_of(gateway, chunks=_SHORT_STREAM_CHUNKS)
    long = target_of(gateway, chunks=200)
    kinds = (_MIX[i % len(_MIX)] for i in range(total))
    try:
        async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as workers:
            tasks = [
                workers.create_task(_work(kinds, {"c": call, "s": short, "L": long, "l": call}))
                for _ in range(CONCURRENCY)
            ]
    except TimeoutError as exc:
        raise LoadError(f"{total} mixed calls were not done in {timeout_s:.0f} s") from exc
    return sum(task.result() for task in tasks)


async def _work(kinds: Iterator[str], targets: dict[str, Target]) -> int:
    left = 0
    tally = Tally()
    port = targets["c"].port
    client = await connect(port)
    for kind in kinds:
        target = targets[kind]
        if kind in "cs":
            await client.exchange(target.call, target.expected, tally)
            continue
        await client.leave(target.call, after_first_read=kind == "L")
        left += 1
        client = await connect(port)
    client.close()
    return left


async def memory_rows(
    gateway: Contender, stub: Contender, *, warm_up: int, calls: int
) -> list[Row]:
    """Idle memory of a fresh gateway, then what it grew by over `calls` after `warm_up`."""
    await asyncio.sleep(2.0)  # what a start leaves behind is given back, and probes have run
    idle = gateway.rss_mb()
    await mixed_load(gateway, warm_up, timeout_s=120)
    await _settle(stub)
    warm = gateway.rss_mb()
    left, course = 0, [warm]
    for _ in range(_SLICES):
        left += await mixed_load(gateway, calls // _SLICES, timeout_s=120 + calls / 250)
        await _settle(stub)
        course.append(gateway.rss_mb())
    grown = course[-1] - warm
    detail: dict[str, object] = {"idle_mb": idle, "course_mb": course, "grown_mb": grown}
    detail |= {"calls": calls, "left_early": left}
    detail["store_mb"] = sum(psutil.Process(p).memory_info().rss for p in gateway.store_pids) / 1e6
    return [
        Row(
            "memory_idle",
            "memory, idle",
            f"<= {IDLE_BUDGET_MB:g} MB",
            f"{idle:.0f} MB",
            passed=idle <= IDLE_BUDGET_MB,
            detail=detail,
        ),
        Row(
            "memory_growth",
            f"memory, added by {grouped(calls)} mixed calls",
            f"<= +{GROWTH_BUDGET_MB:g} MB",
            f"{grown:+.1f} MB to {course[-1]:.0f}; {grouped(left)} clients left early",
            passed=grown <= GROWTH_BUDGET_MB,
            detail=detail,
        ),
    ]


async def _settle(stub: Contender) -> None:
    """Wait until no stream is open at the runner: those that clients left must have been closed."""
    for _ in range(100):
        counts = json.loads(get(stub.port, "/stub")[1])
        if not counts["streams"]:
            break
        await asyncio.sleep(0.05)
    else:
        raise BenchError(f"{counts['streams']} streams stayed open 5 s after their clients left")
    await asyncio.sleep(0.5)
