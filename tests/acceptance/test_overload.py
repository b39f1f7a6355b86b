"""More than can be served: the line is bounded and in order, and refusals say when to return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import Answer, chat_body, get, post
from tests.acceptance.refusal import AT_ONCE_S, error_of
from tests.acceptance.users import Load, ask_all
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

Holder = asyncio.Task[Answer]


@asynccontextmanager
async def full(folder: Path, **model: Any) -> AsyncIterator[tuple[Here, FakeRunner, Holder]]:
    """A gateway whose only slot is taken by a request that does not end by itself."""
    async with FakeRunner("vllm") as runner:
        config = one_model("vllm", runner.url)
        config["models"]["demo"] |= model
        async with gateway_here(folder, config) as here:
            runner.script = Script(Fault.HANG)
            holding = asyncio.create_task(post(here.port, chat_body()))
            await fact(lambda: runner.in_flight == 1)
            runner.script = Script()
            yield here, runner, holding
            holding.cancel()


async def test_whoever_finds_the_line_full_is_refused_at_once(tmp_path: Path) -> None:
    async with full(tmp_path, max_waiting=3) as (here, runner, _):
        waiting = [asyncio.create_task(post(here.port, chat_body())) for _ in range(3)]
        await fact(lambda: here.waiting() == 3)
        refused = [await post(here.port, chat_body(stream=bool(n % 2))) for n in range(6)]
        for answer in refused:
            error = error_of(answer, 503)
            assert error["code"] == "overloaded"
            assert "'demo'" in error["message"]
            assert answer.took_s < AT_ONCE_S
        places = [int(answer.headers["retry-after"]) for answer in refused]
        # Each one is told a later place, so that they do not come back as a crowd.
        assert places == sorted(places)
        assert places[0] < places[-1] <= 60
        assert len(runner.inferences) == 1
        for task in waiting:
            task.cancel()
        await fact(lambda: here.waiting() == 0)


async def test_whoever_waits_too_long_is_refused_and_never_dispatched(tmp_path: Path) -> None:
    # More than a third of what a request is expected to take before any has been seen.
    async with full(tmp_path, timeouts={"queue_s": 1.0}) as (here, runner, _):
        answer = await post(here.port, chat_body())
        error = error_of(answer, 503)
        assert error["code"] == "overloaded"
        assert 0.95 < answer.took_s < 1.0 + AT_ONCE_S
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert len(runner.inferences) == 1
        assert here.waiting() == 0


async def test_the_line_is_served_in_the_order_of_arrival(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HANG)
        async with gateway_here(tmp_path, one_model("vllm", runner.url)) as here:
            holding = asyncio.create_task(post(here.port, chat_body()))
            await fact(lambda: len(runner.inferences) == 1)
            tasks: list[asyncio.Task[Answer]] = []
            for number in range(10):
                tasks.append(asyncio.create_task(post(here.port, chat_body(seed=number))))
                await fact(lambda: here.waiting() == len(tasks))
            runner.script = Script()
            holding.cancel()
            assert {answer.status for answer in await asyncio.gather(*tasks)} == {200}
        assert [seen.json["seed"] for seen in runner.inferences[1:]] == list(range(10))


async def test_a_burst_of_fifty_is_served_with_the_defaults(tmp_path: Path) -> None:
    async with FakeRunner("llamacpp", tokens_per_s=1000) as runner:
        async with gateway_here(tmp_path, one_model("llamacpp", runner.url)) as here:
            burst = Load(users=50, requests_each=1, max_tokens=5)
            outcomes = await ask_all(here.base_url, "demo", burst)
        assert all(outcome.complete for outcome in outcomes)
        assert (len(runner.inferences), runner.max_in_flight) == (50, 1)


async def test_the_openai_library_comes_back_by_itself_and_is_served(tmp_path: Path) -> None:
    async with full(tmp_path, max_waiting=1) as (here, runner, holder):
        waiting = asyncio.create_task(post(here.port, chat_body()))
        await fact(lambda: here.waiting() == 1)
        async with openai.AsyncOpenAI(base_url=here.base_url, api_key="x") as client:
            asking = asyncio.create_task(
                client.chat.completions.create(
                    model="demo", messages=[{"role": "user", "content": "Hi"}]
                )
            )
            await refusals(here, 1)
            # Everyone before it leaves; it does not know, and comes back when it was told to.
            waiting.cancel()
            await fact(lambda: here.waiting() == 0)
            holder.cancel()
            assert (await asking).choices[0].finish_reason
        assert len(runner.inferences) == 2


async def refusals(here: Here, count: int) -> None:
    """Wait until so many requests were refused."""
    async with asyncio.timeout(10):
        told = f'code="overloaded",model="demo"}} {count}.0'
        while told not in (await get(here.port, "/metrics")).body.decode():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
