"""Many at once: a greedy caller costs the others little, and a burst is served by and by."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.callers import bearer, listed, listed_key, text_of
from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import CHAT, Answer, ask, chat_body, request
from tests.fakes.runner import FakeRunner

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SLOTS = 2
SERVICE_S = 0.3
TOKENS = 6
LIGHT = ("ann", "bob", "eve", "joe")
KEYS = listed(*(listed_key(name) for name in (*LIGHT, "greedy")))
GREEDY = 200
ROUNDS = 4
BURST = 50


@asynccontextmanager
async def serving(folder: Path, **more: Any) -> AsyncIterator[tuple[Here, FakeRunner]]:
    """A gateway with two slots before a runner whose answers all take `SERVICE_S`."""
    async with FakeRunner("vllm", tokens_per_s=TOKENS / SERVICE_S) as runner:
        config = one_model("vllm", runner.url, slots=SLOTS) | {"auth": KEYS} | more
        async with gateway_here(folder, config) as here:
            for _ in range(6):  # so that the service time is known
                await asyncio.gather(*(say(here, "ann") for _ in range(SLOTS)))
            # What was learnt is worked off once a second.
            learnt = here.gateway._times
            await fact(lambda: not learnt._noted)
            yield here, runner


async def light_waits(here: Here) -> list[float]:
    """How long each of four callers waits who ask one thing after the other."""

    async def caller(name: str) -> list[float]:
        waits = []
        for _ in range(ROUNDS):
            answer = await say(here, name)
            assert answer.status == 200
            waits.append(int(answer.headers["x-sluicegate-queue-ms"]) / 1000)
        return waits

    return [wait for waits in await asyncio.gather(*map(caller, LIGHT)) for wait in waits]


async def say(here: Here, key: str) -> Answer:
    data = request("POST", CHAT, chat_body(max_tokens=TOKENS), {"authorization": bearer(key)})
    return await ask(here.port, data, within_s=120)


async def test_a_greedy_caller_costs_the_others_little(tmp_path: Path) -> None:
    async with serving(tmp_path) as (here, _):
        alone = statistics.median(await light_waits(here))
        greedy = [asyncio.create_task(say(here, "greedy")) for _ in range(GREEDY)]
        await fact(lambda: here.waiting() == GREEDY - SLOTS)
        beside = statistics.median(await light_waits(here))
        assert sum(not each.done() for each in greedy) > SLOTS
        for each in greedy:
            each.cancel()
        await asyncio.gather(*greedy, return_exceptions=True)
        await fact(lambda: here.waiting() == here.in_flight() == 0)
    # Who comes finds a slot in the middle of somebody's service, on the mean.
    residual_s = SERVICE_S / 2
    assert beside - residual_s <= 2 * alone, (beside, alone)


async def test_a_burst_through_the_openai_library_is_answered(tmp_path: Path) -> None:
    half_s = BURST / 2 * SERVICE_S / SLOTS
    waits = dict.fromkeys(("critical", "interactive", "default"), half_s)
    async with serving(tmp_path, queue={"wait_s": waits}) as (here, runner):
        before = len(runner.inferences)
        began = time.monotonic()
        retries = await asyncio.gather(*(_burst(here, number) for number in range(BURST)))
        answered = [taken for taken in retries if taken is not None]
        assert len(answered) >= 0.95 * BURST
        # About half of them were refused first.
        assert sum(taken > 0 for taken in answered) >= BURST / 4
        assert sum(taken + 1 for taken in answered) <= 1.8 * BURST
        assert len(runner.inferences) - before == len(answered)
        assert runner.max_in_flight == SLOTS
        assert time.monotonic() - began < 3 * BURST * SERVICE_S / SLOTS


async def _burst(here: Here, number: int) -> int | None:
    """Ask through the library with its defaults: how often it came again; None if in vain."""
    key = text_of(LIGHT[number % len(LIGHT)])
    async with openai.AsyncOpenAI(base_url=here.base_url, api_key=key) as client:
        try:
            raw = await client.chat.completions.with_raw_response.create(
                model="demo",
                messages=[{"role": "user", "content": f"Hi, I am number {number}."}],
                max_tokens=TOKENS,
            )
        except openai.APIStatusError:
            return None
    assert raw.parse().choices[0].message.content
    return raw.retries_taken
