"""Row 17: what three replicas let through in a minute, of requests and of tokens."""

from __future__ import annotations

import asyncio
import time

import httpx2

from tests.eval.clients import ask
from tests.eval.line import Line, within
from tests.eval.sim_runner import PROMPT_TOKENS
from tests.eval.stage import Plan, Stage, stage
from tests.fakes.stores import server

REQUESTS, TOKENS, ANSWER = 600, 6000, 10
"""A minute's worth of each, and the tokens of an answer."""
WINDOW_S = 60.0
CONFIG = {
    "models": {
        "demo": {"limits": {"requests_per_minute": REQUESTS}},
        "other": {"limits": {"tokens_per_minute": TOKENS}},
    }
}


async def measure() -> list[Line]:
    """Use up the burst that a full minute allows; then count for a minute, asking for too much."""
    plan = Plan(slots=8, mean_s=0.01, tokens=ANSWER, config=CONFIG, unlimited=True)
    with server() as store:
        async with stage(plan, store.url) as here:
            requests, tokens = await asyncio.gather(
                _let_through(here, "demo", REQUESTS / 60), _let_through(here, "other", 5)
            )
    used = tokens * (PROMPT_TOKENS + ANSWER)
    return [
        within("17", "requests let through / limit, 60 s", (0.99, 1.01), requests / REQUESTS),
        within("17", "tokens let through / limit, 60 s", (0.99, 1.01), used / TOKENS),
    ]


async def _let_through(here: Stage, model: str, rate: float) -> int:
    """How many were served in the minute after the first refusals."""
    served: list[float] = []
    refused_at: list[float] = []
    limits = httpx2.Limits(max_connections=None)

    async def one(client: httpx2.AsyncClient, replica: int) -> None:
        answer = await ask(client, here, replica, model=model, stream=False)
        (served if answer.served else refused_at).append(answer.ended)

    async def offer(client: httpx2.AsyncClient, pause_s: float, until: float | None) -> None:
        """At a steady pace, round the replicas; with no end given, until many are refused."""
        number, due = 0, time.monotonic()
        async with asyncio.TaskGroup() as group:
            while len(refused_at) < 20 if until is None else time.monotonic() < until:
                group.create_task(one(client, number))
                number, due = number + 1, due + pause_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async with httpx2.AsyncClient(timeout=30, limits=limits) as client:
        await offer(client, 0.012, None)
        begin = time.monotonic()
        await offer(client, 1 / (2.5 * rate), begin + WINDOW_S + 2)
    return sum(begin <= at < begin + WINDOW_S for at in served)
