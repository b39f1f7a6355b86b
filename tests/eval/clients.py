"""Clients over real sockets, and how late this process itself is."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from tests.eval.stage import Stage

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got. Status 0: none, for the reason that `error` gives."""

    name: str
    began: float
    ended: float
    status: int
    replica: int
    error: str = ""
    retry_after_s: float = 1.0

    @property
    def served(self) -> bool:
        """A whole answer."""
        return self.status == 200 and not self.error


def on_replica(number: int) -> str:
    """How the names of the requests to that replica end."""
    return f"-on-{number}"


async def ask(
    client: httpx2.AsyncClient,
    stage: Stage,
    replica: int,
    *,
    model: str = "demo",
    headers: Mapping[str, str] | None = None,
    stream: bool = True,
) -> Answer:
    """One request, read to its end."""
    at = replica % max(1, len(stage.replicas))
    name, began = f"request-{next(_numbers)}{on_replica(at)}", time.monotonic()
    body = {"model": model, "user": name, "stream": stream, "max_tokens": 4}
    body["messages"] = [{"role": "user", "content": name}]
    url = f"{stage.base_url(replica)}/chat/completions"
    try:
        reply = await client.post(url, json=body, headers=headers)
    except httpx2.HTTPError as error:
        return Answer(name, began, time.monotonic(), 0, replica, type(error).__name__)
    ended = time.monotonic()
    cut = reply.status_code == 200 and stream and "data: [DONE]" not in reply.text
    broken = "the stream was cut" if cut or '"error"' in reply.text else ""
    after = float(reply.headers.get("retry-after-ms", 1000)) / 1000
    return Answer(name, began, ended, reply.status_code, replica, broken, after)


@dataclass(slots=True)
class Crowd:
    """Closed-loop users: each asks again as soon as it has its answer."""

    stage: Stage
    answers: list[Answer] = field(default_factory=list)
    under_way: int = 0
    stopping: bool = False

    async def user(self, client: httpx2.AsyncClient, replica: int) -> None:
        """Until told to stop, or its replica is gone."""
        while not self.stopping:
            self.under_way += 1
            try:
                answer = await ask(client, self.stage, replica)
            finally:
                self.under_way -= 1
            self.answers.append(answer)
            if answer.status == 0:
                await asyncio.sleep(0.5)
            elif not answer.served:
                await asyncio.sleep(min(2.0, answer.retry_after_s))


@asynccontextmanager
async def crowd(stage: Stage, users: int, *, patience_s: float = 120.0) -> AsyncIterator[Crowd]:
    """Let them ask while the block runs; then every request that is under way gets its answer."""
    people = Crowd(stage)
    limits = httpx2.Limits(max_connections=None)
    client = httpx2.AsyncClient(timeout=patience_s, limits=limits)
    async with client, asyncio.TaskGroup() as group:
        for number in range(users):
            group.create_task(people.user(client, number))
        try:
            yield people
        finally:
            people.stopping = True


class NullTimer:
    """A task that wants to wake every 10 ms and notes how late it is: the noise of the machine."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            due = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            now = time.monotonic()
            self._late.append((now, now - due))

    def late(self, begin: float, end: float) -> list[float]:
        """Seconds too late, of every wake-up in that time."""
        return [late for at, late in self._late if begin <= at < end]
