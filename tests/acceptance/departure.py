"""Clients that leave, at every stage of a request, and how long the gateway takes to notice.

One slot, a caller on it who leaves, and a caller in line behind. Two facts are timed from the
moment the connection of the first is cut: its upstream connection is closed, as the runner sees it;
and its slot is free, as the request of the next one shows that arrives at the runner.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.acceptance.raw_http import CHAT, Connection, chat_body, connection, request
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner

WITHIN_S = 0.1
"""What a departure may take."""


class Stage(StrEnum):
    """How far a request has come when its client leaves."""

    QUEUED = "queued"
    WAITING = "before the first byte"
    STREAMING = "mid-stream"


@dataclass(frozen=True, slots=True)
class Scene:
    """The two sides of a gateway with one slot, and a look at its queue."""

    port: int
    runner: FakeRunner
    """Slow enough that a long answer does not end by itself."""
    waiting: Callable[[], Awaitable[int]]
    """How many requests are in line."""


@dataclass(frozen=True, slots=True)
class Departed:
    """How long it took, in seconds from the cut."""

    upstream_s: float
    """Until the runner saw its connection closed; 0 where there was none."""
    slot_s: float
    """Until the slot, or the place in line, was free."""


async def depart(scene: Scene, stage: Stage, *, stream: bool) -> Departed:
    """Play it once. Fails if the one who has left is served, or the one behind is not."""
    if stage is Stage.QUEUED:
        return await _leave_the_line(scene, stream=stream)
    return await _leave_the_slot(scene, stage, stream=stream)


async def _leave_the_slot(scene: Scene, stage: Stage, *, stream: bool) -> Departed:
    runner = scene.runner
    await fact(lambda: runner.in_flight == 0)
    runner.script = Script(Fault.HANG) if stage is Stage.WAITING else Script()
    seen = len(runner.inferences)
    async with connection(scene.port) as leaver, connection(scene.port) as waiter:
        await leaver.send(_chat(stream=stream, max_tokens=1000))
        await fact(lambda: runner.in_flight == 1)
        if stage is Stage.STREAMING:
            await _first_text(leaver)
        runner.script = Script()
        await waiter.send(_chat(stream=False, max_tokens=1))
        await _in_line(scene, 1)
        cut = time.perf_counter()
        leaver.abort()
        upstream, slot = await asyncio.gather(
            _when(lambda: runner.inferences[seen].cut),
            _when(lambda: len(runner.inferences) == seen + 2),
        )
        assert (await waiter.answer()).status == 200
    assert len(runner.inferences) == seen + 2
    return Departed(upstream - cut, slot - cut)


async def _leave_the_line(scene: Scene, *, stream: bool) -> Departed:
    runner = scene.runner
    await fact(lambda: runner.in_flight == 0)
    runner.script = Script(Fault.HANG)
    seen = len(runner.inferences)
    async with connection(scene.port) as holder, connection(scene.port) as leaver:
        await holder.send(_chat(stream=stream, max_tokens=1000))
        await fact(lambda: runner.in_flight == 1)
        await leaver.send(_chat(stream=stream, max_tokens=1))
        await _in_line(scene, 1)
        cut = time.perf_counter()
        leaver.abort()
        await _in_line(scene, 0)
        gone = time.perf_counter()
        holder.abort()
        await fact(lambda: runner.inferences[seen].cut)
    # Whoever has left the line is never sent to the runner.
    assert len(runner.inferences) == seen + 1
    return Departed(0.0, gone - cut)


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


async def fact(holds: Callable[[], bool], *, within_s: float = 10) -> None:
    """Wait until it holds, looking every millisecond."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


async def _when(holds: Callable[[], bool]) -> float:
    await fact(holds)
    return time.perf_counter()


async def _in_line(scene: Scene, count: int) -> None:
    async with asyncio.timeout(10):
        while await scene.waiting() != count:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


async def _first_text(leaver: Connection) -> None:
    status, _ = await leaver.head()
    assert status == 200
    async for piece in leaver.pieces():
        if b'"content":"' in piece and b'"content":""' not in piece:
            return


def _chat(*, stream: bool, max_tokens: int) -> bytes:
    return request("POST", CHAT, chat_body(stream=stream, max_tokens=max_tokens))
