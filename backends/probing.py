"""GET requests that find out how a runner is, each answer read into a small value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from backends.base import BackendKind
from backends.transport import Timeouts, Transport

BODY_LIMIT = 4 << 20
"""Bytes of a probe's answer; vLLM's metrics are some 60 kB."""
ASKING = Timeouts(connect_s=2.0, first_byte_s=2.5, idle_s=2.5, total_s=3.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a runner answered to one GET."""

    status: int
    server: str
    """Value of the `Server` header."""
    body: bytes

    def json(self) -> Any:
        """The body decoded, or None when it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        document = self.json()
        return document if isinstance(document, dict) else {}


class Prober:
    """Asks the runner `name`. `api` is the path that its OpenAI routes begin with."""

    def __init__(
        self,
        transport: Transport,
        headers: Sequence[tuple[str, str]],
        *,
        api: str,
        name: str,
        kind: BackendKind,
    ) -> None:
        self._transport = transport
        self._headers = headers
        self._api = api
        self.url = transport.url
        self.name = name
        self.kind = kind

    async def get(self, path: str) -> Answer:
        """Ask for `path`. Raises what `Transport.send` and `Response.read` raise."""
        head = self._transport.head("GET", path, self._headers)
        response = await self._transport.send(head, b"", timeouts=ASKING)
        try:
            body = await response.read(BODY_LIMIT)
            server = response.header(b"server") or b""
            return Answer(response.status, server.decode("latin-1"), body)
        finally:
            response.close()

    async def models(self) -> Answer:
        """Ask for the list of models."""
        return await self.get(self._api + "/models")
