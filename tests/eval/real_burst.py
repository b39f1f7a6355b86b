"""Row 7 with the real OpenAI library: fifty requests at once, default retries, two slots."""

from __future__ import annotations

import asyncio
import random
import time

import httpx2
import openai

from tests.eval.burst import CV, REQUESTS, SLOTS, WITHIN_US
from tests.eval.line import Line, at_least, at_most, shown
from tests.eval.service import SECOND
from tests.eval.stage import Plan, Stage, stage
from tests.fakes.stores import server

MEAN_S, WAIT_S = 0.8, 6.0
"""A tenth of the times of the simulated burst."""
PATIENCE_S = 90.0


async def measure() -> list[Line]:
    """After a few requests in peace, from which each replica learns how long they take."""
    config = {"queue": {"wait_s": {"default": WAIT_S}}}
    plan = Plan(slots=SLOTS, mean_s=MEAN_S, cv=CV, config=config)
    with server() as store:
        async with stage(plan, store.url) as here:
            await _learn(here)
            began = time.monotonic()
            outcomes, attempts = await _burst(here)
            took_s = time.monotonic() - began
    done = sum(outcome == "answered" for outcome in outcomes)
    return [
        at_least("7", "burst of 50, OpenAI library: answered", 0.95, done / REQUESTS, outcomes),
        at_most("7", "burst of 50, OpenAI library: attempts / request", 1.8, attempts / REQUESTS),
        at_most("7", "burst of 50, OpenAI library: no answer", 0, outcomes.count("nothing")),
        shown("7", "seconds until the last answer", took_s),
    ]


async def _learn(here: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        for replica in range(len(here.replicas)):
            group.create_task(_in_peace(here, replica))


async def _in_peace(here: Stage, replica: int) -> None:
    client = openai.AsyncOpenAI(base_url=here.base_url(replica), api_key="none", max_retries=5)
    async with client:
        for number in range(9):
            await _ask(client, f"peace {replica} {number}")


async def _burst(here: Stage) -> tuple[list[str], int]:
    attempts = 0

    async def count(_: httpx2.Request) -> None:
        nonlocal attempts
        attempts += 1

    source = random.Random(1)
    async with httpx2.AsyncClient(
        timeout=PATIENCE_S,
        limits=httpx2.Limits(max_connections=None),
        event_hooks={"request": [count]},
    ) as wire:
        clients = [
            openai.AsyncOpenAI(base_url=here.base_url(n), api_key="none", http_client=wire)
            for n in range(len(here.replicas))
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_one(clients[n % len(clients)], n, source.random()))
                for n in range(REQUESTS)
            ]
    return [task.result() for task in tasks], attempts


async def _one(client: openai.AsyncOpenAI, number: int, at: float) -> str:
    await asyncio.sleep(at * WITHIN_US / SECOND)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await _ask(client, f"burst {number}")
    except openai.APIStatusError as error:
        return f"refused: {error.status_code}"
    except (openai.APIConnectionError, TimeoutError):
        return "nothing"


async def _ask(client: openai.AsyncOpenAI, text: str) -> str:
    reply = await client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": text}], max_tokens=4
    )
    return "answered" if reply.choices[0].finish_reason == "stop" else "cut"
