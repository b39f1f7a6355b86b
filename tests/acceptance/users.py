"""People at their desks: each asks, reads the whole streamed answer, and asks again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx2
import openai

QUESTIONS = (
    "What is Sluicegate?",
    "Why do requests wait in a queue?",
    "What is a slot?",
    "How do I add a runner?",
)


@dataclass(frozen=True, slots=True)
class Load:
    """How many people ask how often, for a model of how many tokens at most."""

    users: int = 15
    requests_each: int = 4
    max_tokens: int = 24
    timeout_s: float = 120.0

    @property
    def total(self) -> int:
        return self.users * self.requests_each


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one of them got."""

    text: str = ""
    finish_reason: str | None = None
    done: bool = False
    """The stream ended in [DONE]."""
    error: str | None = None
    first_token_s: float | None = None
    total_s: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether it is an answer from its beginning to its end."""
        return bool(self.text and self.finish_reason and self.done and self.error is None)


async def ask_all(base_url: str, model: str, load: Load) -> list[Outcome]:
    """Let them all ask at once; return every outcome."""
    users = (_user(base_url, model, load, number) for number in range(load.users))
    return [outcome for outcomes in await asyncio.gather(*users) for outcome in outcomes]


async def _user(base_url: str, model: str, load: Load, number: int) -> list[Outcome]:
    tee = _Tee()
    async with openai.AsyncOpenAI(
        base_url=base_url,
        api_key="none",
        max_retries=0,
        timeout=load.timeout_s,
        http_client=httpx2.AsyncClient(transport=tee, timeout=load.timeout_s),
    ) as client:
        return [
            await _ask(client, tee, model, QUESTIONS[(number + at) % len(QUESTIONS)], load)
            for at in range(load.requests_each)
        ]


async def _ask(
    client: openai.AsyncOpenAI, tee: _Tee, model: str, question: str, load: Load
) -> Outcome:
    asked = time.perf_counter()
    text, reason, first = "", None, None
    messages: Any = [{"role": "user", "content": question}]
    try:
        stream = await client.chat.completions.create(
            model=model,
            messages=messages,
            max_tokens=load.max_tokens,
            temperature=0,
            stream=True,
        )
        async for chunk in stream:
            for choice in chunk.choices:
                first = first or (time.perf_counter() - asked if choice.delta.content else None)
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
    except openai.OpenAIError as error:
        told = f"{type(error).__name__}: {error}"
        return Outcome(text, reason, False, told, first, time.perf_counter() - asked)
    done = b"data: [DONE]" in tee.last
    return Outcome(text, reason, done, None, first, time.perf_counter() - asked)


class _Tee(httpx2.AsyncBaseTransport):
    """Keeps the end of what came, because the library hides whether [DONE] was there."""

    def __init__(self) -> None:
        self._wire = httpx2.AsyncHTTPTransport(verify=False)
        self.last = b""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._wire.handle_async_request(request)
        self.last = b""
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Kept(self, response.stream)
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._wire.aclose()

    async def aclose(self) -> None:
        await self._wire.aclose()


class _Kept(httpx2.AsyncByteStream):
    def __init__(self, tee: _Tee, stream: httpx2.AsyncByteStream) -> None:
        self._tee = tee
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._tee.last = (self._tee.last + data)[-64:]
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


def complete(outcomes: Sequence[Outcome]) -> int:
    """How many of them are whole answers."""
    return sum(outcome.complete for outcome in outcomes)
