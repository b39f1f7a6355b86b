"""One slot that is taken, and a line before it whose order shows on the runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.callers import bearer
from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.raw_http import CHAT, Answer, ask, chat_body, request
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner


@dataclass(slots=True)
class Line:
    """Who joins it waits until `served`."""

    here: Here
    runner: FakeRunner
    _holder: asyncio.Task[Answer]
    _waiting: list[asyncio.Task[Answer]] = field(default_factory=list)

    async def join(self, key: str, **headers: str) -> int:
        """One more request, behind those that wait already; returns its number."""
        number = len(self._waiting)
        asking = say(self.here, key, number, **headers)
        self._waiting.append(asyncio.create_task(asking))
        await fact(lambda: self.here.waiting() == number + 1)
        return number

    async def served(self) -> list[int]:
        """Free the slot; the numbers of all in the order in which they got it."""
        self._holder.cancel()
        assert {each.status for each in await self.answers()} == {200}
        return [seen.json["seed"] for seen in self.runner.inferences[1:]]

    async def answers(self) -> list[Answer]:
        return await asyncio.gather(*self._waiting)


@asynccontextmanager
async def line(folder: Path, auth: Mapping[str, Any], holder: str) -> AsyncIterator[Line]:
    """A gateway with these keys; the request of the key `holder` has the only slot."""
    async with FakeRunner("vllm") as runner:
        config = one_model("vllm", runner.url) | {"auth": auth}
        async with gateway_here(folder, config) as here:
            runner.script = Script(Fault.HANG)
            holding = asyncio.create_task(say(here, holder, -1))
            await fact(lambda: runner.in_flight == 1)
            runner.script = Script()
            yield Line(here, runner, holding)
            holding.cancel()


async def say(here: Here, key: str, seed: int = 0, **headers: str) -> Answer:
    """A small chat request of that key; underscores in the names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["authorization"] = bearer(key)
    return await ask(here.port, request("POST", CHAT, chat_body(seed=seed), named))
