"""A runner whose probes are answered well, and whose inference does what a script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.configuration import one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.fakes.bad_peer import BadPeer, Script, Wire, answer

MODELS = json.dumps(
    {"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "somebody"}]}
).encode()


def runner_that(*scripts: Script) -> BadPeer:
    """Each script serves one inference request and then closes; the last one serves the rest.

    The request was read when the script gets the wire. Use it as backend `openai`.
    """
    calls = 0

    async def serve(wire: Wire) -> None:
        nonlocal calls
        while (await wire.request()).head.startswith(b"GET "):
            await wire.send(answer(MODELS, headers=[("content-type", "application/json")]))
        script = scripts[min(calls, len(scripts) - 1)]
        calls += 1
        await script(wire)

    return BadPeer(serve)


class Actor:
    """A script that can be changed between requests."""

    def __init__(self) -> None:
        self.script: Script = says(b"")

    async def __call__(self, wire: Wire) -> None:
        await self.script(wire)


def says(data: bytes) -> Script:
    """Sends these bytes, whatever they are, and closes."""

    async def script(wire: Wire) -> None:
        await wire.send(data)

    return script


def says_and_stalls(data: bytes) -> Script:
    """Sends these bytes and then nothing, until the gateway has closed."""

    async def script(wire: Wire) -> None:
        await wire.send(data)
        await wire.gone()

    return script


@asynccontextmanager
async def in_front_of(folder: Path, *scripts: Script, **model: Any) -> AsyncIterator[Here]:
    """A gateway before such a runner, which must have its slot back in the end.

    `model` is laid over the configuration of the public model.
    """
    async with runner_that(*scripts) as peer:
        config = one_model("openai", peer.url)
        config["models"]["demo"] |= model
        async with gateway_here(folder, config) as here:
            yield here
            await fact(lambda: here.in_flight() == 0)


@dataclass(slots=True)
class Flow:
    """How much of a reply the runner has got rid of."""

    sent: int = 0

    async def send(self, wire: Wire, data: bytes) -> None:
        await wire.send(data)
        self.sent += len(data)

    async def stands_still(self) -> None:
        """Wait until nothing more is taken."""
        seen = -1
        while seen != self.sent or not seen:
            seen = self.sent
            await asyncio.sleep(0.3)
