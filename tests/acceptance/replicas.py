"""Several gateways, each a process of its own, before one runner, and callers of each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.configuration import one_model
from tests.acceptance.endpoints import FORMS
from tests.acceptance.gateway_process import GatewayProcess, gateway_process
from tests.acceptance.raw_http import ask, chat_body, request
from tests.fakes.ollama_http import Seen
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import Server

SLOTS = 2
TOKENS_PER_S = 20
TOKENS = 4
"""Of each answer, which so takes a fifth of a second."""
PATIENCE_S = 110.0


@dataclass(slots=True)
class Replica:
    """One gateway, and what its callers were answered."""

    process: GatewayProcess
    mark: str
    """How the ids of its requests begin."""
    statuses: list[int] = field(default_factory=list)
    lost: int = 0
    """Requests that ended without an answer."""

    def mine(self, seen: Seen) -> bool:
        return own_id(seen).startswith(self.mark)

    async def ask_until(self, over: asyncio.Event) -> None:
        """Be a caller who asks again and again, unless it is not answered."""
        while not (over.is_set() or self.lost):
            await self.ask()

    async def ask(self, tokens: int = TOKENS) -> None:
        """Ask once, and note the outcome."""
        body = chat_body(max_tokens=tokens)
        try:
            answer = await ask(
                self.process.port, request("POST", FORMS[0].path, body), within_s=PATIENCE_S
            )
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.lost += 1
        else:
            self.statuses.append(answer.status)


@asynccontextmanager
async def replicas(
    folder: Path, runner: FakeRunner, store: Server, *, count: int
) -> AsyncIterator[list[Replica]]:
    """So many of them, which share `SLOTS` slots of the runner."""
    config = one_model("vllm", runner.url, slots=SLOTS) | {"store": {"url": store.url}}
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(gateway_process(folder / str(number), config))
            for number in range(count)
        ]
        found = []
        for process in processes:
            # As long as all that follow. After shorter ones the queue corrects what replicas expect
            # upwards, and for a while goes on to when they have learnt better: whoever asks then
            # behind sixty others is refused, because the wait seems to be minutes.
            body = chat_body(max_tokens=TOKENS)
            assert (await ask(process.port, request("POST", FORMS[0].path, body))).status == 200
            found.append(Replica(process, own_id(runner.inferences[-1])[:20]))
        yield found


def own_id(seen: Seen) -> str:
    """The gateway's id of a request that a runner has got, without the number of the attempt."""
    return seen.headers["x-request-id"].rpartition("-")[0]


def running(runner: FakeRunner) -> Iterator[Seen]:
    """The requests that the runner works on."""
    return (seen for seen in runner.inferences if not (seen.answered or seen.cut))
