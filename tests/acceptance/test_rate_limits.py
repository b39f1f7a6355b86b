"""Limits as callers meet them: what is left, which limit refused them, and when to come again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.callers import bearer, listed, listed_key, text_of
from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.endpoints import FORMS
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import Answer, ask, get
from tests.acceptance.refusal import error_of
from tests.acceptance.scripted import Actor, runner_that, says, says_and_stalls

pytestmark = pytest.mark.anyio

CHAT = FORMS[0]
ESTIMATE = CHAT.size() // 4 + 256
"""Tokens that a request is taken for until it is answered."""


@asynccontextmanager
async def limited(
    folder: Path, *, tenant: Any = None, model: Any = None, **limits: Any
) -> AsyncIterator[tuple[Here, Actor]]:
    """A gateway whose key `ann` of tenant `team` has these limits; its runner can be told."""
    actor = Actor()
    actor.script = says(CHAT.whole())
    async with runner_that(actor) as peer:
        config = one_model("openai", peer.url, slots=4)
        config["models"]["demo"] |= {"limits": model or {}}
        config["auth"] = listed(listed_key("ann", tenant="team", limits=limits), listed_key("bob"))
        config["limits"] = {"tenants": {"team": tenant or {}}}
        async with gateway_here(folder, config) as here:
            yield here, actor


async def say(here: Here, key: str = "ann") -> Answer:
    return await ask(here.port, CHAT.asked(authorization=bearer(key)))


async def refusals(here: Here) -> int:
    """How many requests a limit has refused, as the metrics tell."""
    page = (await get(here.port, "/metrics")).body.decode()
    found = re.findall(r'code="rate_limit_exceeded",model="demo"\} (\d+)', page)
    return sum(map(int, found))


def left(answer: Answer, of: str) -> tuple[int, int]:
    """The limit and what is left of it."""
    headers = answer.headers
    return int(headers[f"x-ratelimit-limit-{of}"]), int(headers[f"x-ratelimit-remaining-{of}"])


async def test_every_answer_says_what_is_left(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=10, tokens_per_day=10_000) as (here, _):
        first, second = await say(here), await say(here)
        assert (left(first, "requests"), left(second, "requests")) == ((10, 9), (10, 8))
        assert left(first, "tokens") == (10_000, 10_000 - ESTIMATE)
        # What the first was taken for has been put right by then.
        assert left(second, "tokens") == (10_000, 10_000 - CHAT.tokens - ESTIMATE)
        for answer, seconds in ((first, 6), (second, 12)):
            reset = re.fullmatch(r"(\d+(?:\.\d+)?)s", answer.headers["x-ratelimit-reset-requests"])
            assert reset is not None
            assert seconds - 2 < float(reset[1]) <= seconds
        assert not any(name.startswith("x-ratelimit") for name in (await say(here, "bob")).headers)


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"requests_per_minute": 2}, "Key 'ann' has used up its limit of 2 requests a minute"),
        (
            {"requests_per_minute": 9, "tenant": {"requests_per_minute": 2}},
            "Tenant 'team' has used up its limit of 2 requests a minute",
        ),
        (
            {"requests_per_minute": 9, "model": {"requests_per_minute": 2}},
            "Model 'demo' has used up its limit of 2 requests a minute",
        ),
        (
            {"tokens_per_minute": 2 * ESTIMATE + 5},
            f"Key 'ann' has used up its limit of {2 * ESTIMATE + 5} tokens a minute",
        ),
    ],
    ids=["key", "tenant", "model", "tokens"],
)
async def test_a_refusal_names_the_limit_that_was_met(
    tmp_path: Path, limits: dict[str, Any], named: str
) -> None:
    async with limited(tmp_path, **limits) as (here, actor):
        actor.script = says_and_stalls(b"")
        running = [asyncio.create_task(say(here)) for _ in range(2)]
        await fact(lambda: here.in_flight() == 2)
        refused = await say(here)
        error = error_of(refused, 429)
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert error["message"].startswith(named)
        of = "tokens" if "tokens" in named else "requests"
        assert left(refused, of)[1] < (ESTIMATE if of == "tokens" else 1)
        retry_ms = int(refused.headers["retry-after-ms"])
        assert 0 < retry_ms <= 60_000
        assert int(refused.headers["retry-after"]) == -(-retry_ms // 1000)
        assert here.in_flight() == 2
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await fact(lambda: here.in_flight() == 0)


async def test_the_openai_library_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=60) as (here, _):
        spent = [await say(here) for _ in range(60)]
        assert {answer.status for answer in spent} == {200}
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with openai.AsyncOpenAI(base_url=here.base_url, api_key=text_of("ann")) as client:
            raw = await client.chat.completions.with_raw_response.create(
                model="demo", messages=[{"role": "user", "content": "Hi"}]
            )
        assert raw.parse().choices[0].message.content == "Yes."
        # One a second comes free: it was told so, and came once.
        assert raw.retries_taken == 1
        assert 0.1 < loop.time() - began < 3
        assert raw.headers["x-ratelimit-remaining-requests"] == "0"


async def test_who_would_have_to_wait_for_hours_is_told_not_to_come_again(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_day=1) as (here, _):
        await say(here)
        refused = await say(here)
        assert "1 request in 24 hours" in error_of(refused, 429)["message"]
        assert "retry-after" not in refused.headers
        async with openai.AsyncOpenAI(base_url=here.base_url, api_key=text_of("ann")) as client:
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(
                    model="demo", messages=[{"role": "user", "content": "Hi"}]
                )
        assert await refusals(here) == 2


async def test_what_a_runner_failed_to_answer_counts_for_nothing(tmp_path: Path) -> None:
    limits = {"requests_per_day": 3, "tokens_per_day": 10_000}
    async with limited(tmp_path, **limits) as (here, actor):
        actor.script = says(b"")
        assert [(await say(here)).status for _ in range(6)] == [502] * 6
        actor.script = says(CHAT.whole())
        answers = [await say(here) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert left(answers[0], "tokens") == (10_000, 10_000 - ESTIMATE)


async def test_a_limit_that_is_only_logged_refuses_nobody_and_is_counted(tmp_path: Path) -> None:
    async with limited(tmp_path, requests_per_minute=1, log_only=True) as (here, _):
        answers = [await say(here) for _ in range(3)]
        assert [answer.status for answer in answers] == [200] * 3
        page = (await get(here.port, "/metrics")).body.decode()
        assert re.search(r'would_refuse\w*\{[^}]*"key.requests_per_minute"\} 2.0', page)


async def test_requests_at_once_are_counted_until_they_end(tmp_path: Path) -> None:
    async with limited(tmp_path, concurrent=2) as (here, actor):
        actor.script = says_and_stalls(b"")
        running = [asyncio.create_task(say(here)) for _ in range(2)]
        await fact(lambda: here.in_flight() == 2)
        refused = error_of(await say(here), 429)
        assert refused["message"].startswith("Key 'ann' has its limit of 2 requests at once")
        running[0].cancel()
        await fact(lambda: here.in_flight() == 1)
        actor.script = says(CHAT.whole())
        assert (await say(here)).status == 200
        running[1].cancel()
