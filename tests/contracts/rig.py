"""A runner to hold an adapter against: a scripted fake, or the real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from backends.base import (
    Backend,
    BackendKind,
    Operation,
    Prepared,
    Reply,
    StreamReader,
    TargetModel,
)
from backends.catalog import connect
from backends.errors import BackendError
from backends.transport import Response, Timeouts, Transport
from tests.fakes.ollama_http import Seen
from tests.fakes.recording import make_call
from tests.fakes.runner import FakeRunner

MESSAGES = [{"role": "user", "content": "Say hello."}]
BODY_LIMIT = 1 << 20


@dataclass
class Rig:
    """An adapter, and the runner behind it."""

    kind: BackendKind
    url: str
    model: str = "tiny"
    requests: list[Seen] | None = None
    """What arrived at a fake; None with a real runner."""
    fake: FakeRunner | None = None
    """The fake that can be scripted with `tests.fakes.fault`."""
    transport: Transport = field(init=False)
    backend: Backend = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Transport(self.url)
        self.backend = connect(self.kind, self.transport, name="r")

    def prepare(self, operation: Operation = Operation.CHAT, /, **fields: Any) -> Prepared:
        """A call for the model `public`, prepared; `messages` unless it is not for a chat."""
        given = {"messages": MESSAGES} if operation is Operation.CHAT else {}
        call = make_call(operation, given | {"model": "public", "max_tokens": 6} | fields)
        return self.backend.prepare(call, TargetModel(self.model))

    @asynccontextmanager
    async def opened(
        self, prepared: Prepared, *, extra: bytes = b"", timeouts: Timeouts | None = None
    ) -> AsyncIterator[Response]:
        """The response to a prepared call, closed in the end."""
        response = await self.backend.open(
            prepared, extra=extra, timeouts=timeouts or Timeouts(first_byte_s=60.0)
        )
        try:
            yield response
        finally:
            response.close()

    async def reply(self, prepared: Prepared, *, extra: bytes = b"") -> Reply:
        """The complete reply. Raises what the adapter makes of an error."""
        async with self.opened(prepared, extra=extra) as response:
            body = await response.read(BODY_LIMIT)
            if response.status != 200:
                raise self.backend.read_error(response.status, response.headers, body)
            return self.backend.read_reply(prepared, body)

    async def stream(self, prepared: Prepared) -> tuple[bytes, StreamReader]:
        """What a caller gets of a stream, and its reader. Raises as `reply`."""
        async with self.opened(prepared) as response:
            if response.status != 200:
                body = await response.read(BODY_LIMIT)
                raise self.backend.read_error(response.status, response.headers, body)
            reader = self.backend.stream(prepared)
            out = b""
            try:
                while data := await response.chunk():
                    out += reader.feed(data)
                return out + reader.finish(), reader
            except BackendError as error:
                if not out:
                    raise
                return out + reader.abort(str(error)), reader

    async def refusal(self, prepared: Prepared) -> BackendError:
        """The error that a call ends in before anything of an answer."""
        streamed = prepared.call.stream
        try:
            await (self.stream(prepared) if streamed else self.reply(prepared))
        except BackendError as error:
            return error
        raise AssertionError(f"{json.loads(prepared.body)} was answered")
