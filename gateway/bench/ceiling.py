"""What the generator can do on one core, measured against a stub in a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec

from gateway.bench.asker import Asker
from gateway.bench.dialects import DIALECTS
from gateway.bench.measure import Measured, measure
from gateway.bench.plan import Bounds, Load, Measurement, Target
from gateway.bench.prompts import LEAD, supply, user_prompt

USERS = 64
STREAMS = 16
"""So few that the generator keeps up: else several chunks come in one read, which is cheaper."""
CHUNKS = 256
_START_S = 20.0


class StubFailed(Exception):
    """The stub did not start or did not answer; nothing was measured."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Counted per second of this process's CPU time, so that neighbours do not lower it."""

    requests_per_s: float
    chunks_per_s: float


async def measure_ceiling(seconds: float) -> Ceiling:
    """Measure both, `seconds` each. Raises `StubFailed`. The stub ends with the call."""
    async with _stub() as url:
        requests, requests_cpu_s = await _measured(url, USERS, 1, seconds)
        streams, streams_cpu_s = await _measured(url, STREAMS, CHUNKS, seconds)
    return Ceiling(
        requests_per_s=len(requests.timelines) / requests_cpu_s,
        chunks_per_s=sum(timeline.chunks for timeline in streams.timelines) / streams_cpu_s,
    )


async def _measured(url: str, users: int, chunks: int, seconds: float) -> tuple[Measured, float]:
    """What was seen, the last answers included, and the CPU time that it took."""
    target = Target(name="stub", group="stub", url=url, model="stub")
    dialect = DIALECTS[target.dialect]
    prompt = user_prompt(f"{LEAD} and so on", chunks)
    body = msgspec.json.encode(dialect.body(target.model, prompt, exact_for=None))
    async with Asker(target, timeout_s=60.0, connections=users, retry=None) as asker:
        began = time.process_time()
        seen = await measure(
            Measurement(Load(users=users), target, 0, 1),
            asker,
            supply((body,), "ceiling"),
            Bounds(duration_s=seconds, requests=None),
            stop=asyncio.Event(),
            tick=lambda window: None,
        )
        cpu_s = time.process_time() - began
    if not seen.timelines or not all(timeline.completed for timeline in seen.timelines):
        raise StubFailed(
            "the stub did not complete every request: is this machine short of memory?"
        )
    return seen, cpu_s


@asynccontextmanager
async def _stub() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.bench.stub",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            port = (await process.stdout.readline()).strip()
        if not port.isdigit():
            raise StubFailed("the stub did not start: 'python -m gateway.bench.stub' shows why")
        yield f"http://127.0.0.1:{int(port)}"
    except TimeoutError as error:
        raise StubFailed(f"the stub did not start within {_START_S:.0f} s") from error
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()
