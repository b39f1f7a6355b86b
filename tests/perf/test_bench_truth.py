"""The load generator of `sluicegate bench` against a runner whose service times are known.

The runner is a process of its own, as is everything that is ever measured.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.bench.asker import Asker
from gateway.bench.figures import figures
from gateway.bench.measure import measure
from gateway.bench.plan import Bounds, Load, Measurement, Target
from gateway.bench.prompts import fixed_prompt, supply
from gateway.bench.result import Distribution, Figures
from gateway.bench.run import bodies
from gateway.bench.statistics import distribution
from tests.fakes.timed_runner import CYCLE_S, TOKENS, drawn

USERS = 50
CYCLES = 2
WINDOW_S = CYCLES * CYCLE_S + 0.3
"""So long that the last tokens of both cycles are in it for sure, and none of the third."""
WITHIN = 0.02
SEED = 20


@asynccontextmanager
async def timed_runner() -> AsyncIterator[str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.timed_runner", "--seed", str(SEED)),
        stdin=pipe,
        stdout=pipe,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
            process.stdin.close()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def measured(url: str) -> Figures:
    target = Target(name="timed", group="timed", url=url, model="timed", kind="vllm")
    prompts = fixed_prompt("How long?", TOKENS, exact=True)
    load = Load(users=USERS)
    async with Asker(target, timeout_s=60, connections=USERS, retry=None) as asker:
        seen = await measure(
            Measurement(load, target, 0, 1),
            asker,
            supply(bodies(target, prompts), "truth"),
            Bounds(duration_s=WINDOW_S, requests=None),
            stop=asyncio.Event(),
            tick=lambda window: None,
        )
    return figures([seen], None, users=USERS)


@dataclass(frozen=True)
class Truth:
    """What the seed says, for all requests that were sent in the window."""

    ttft_s: Distribution
    itl_s: Distribution
    tokens_per_s: float


def truth() -> Truth:
    services = drawn(SEED, USERS * (CYCLES + 1))
    ttft = distribution(service.ttft_s for service in services)
    itl = distribution(gap for service in services for gap in service.gaps_s)
    assert ttft is not None
    assert itl is not None
    return Truth(ttft, itl, USERS * CYCLES * TOKENS / WINDOW_S)


@pytest.mark.slow
@pytest.mark.anyio
async def test_times_and_throughput_are_within_two_percent_of_the_truth_at_fifty_users() -> None:
    async with timed_runner() as url:
        seen = await measured(url)
    told = truth()
    assert (seen.sent, seen.completed) == (USERS * (CYCLES + 1), USERS * (CYCLES + 1))
    assert seen.output_tokens == seen.completed * TOKENS
    assert seen.output_tokens_per_s == pytest.approx(told.tokens_per_s, rel=WITHIN)
    assert seen.ttft_s is not None
    assert seen.itl_s is not None
    assert (seen.ttft_s.count, seen.itl_s.count) == (told.ttft_s.count, told.itl_s.count)
    for quantile in ("mean", "p50", "p90", "p99"):
        for got, right in ((seen.ttft_s, told.ttft_s), (seen.itl_s, told.itl_s)):
            expected = pytest.approx(getattr(right, quantile), rel=WITHIN)
            assert getattr(got, quantile) == expected, quantile
    assert seen.e2e_s is not None
    assert seen.e2e_s.p50 == pytest.approx(CYCLE_S, rel=WITHIN)
    assert seen.fairness == pytest.approx(1)
