"""A reply of Ollama's own API that is larger than is usually held, held all the same: it cannot be
translated before it is whole."""

from __future__ import annotations

from collections.abc import Callable

from backends.base import Reply, Usage
from backends.errors import ReplyInvalid

HELD_LIMIT_BYTES = 64 * 1024 * 1024
"""About a thousand vectors of 4096 numbers."""


class HeldReply:
    """A `BulkReader` that returns everything at the end: bounded, not constant, in memory."""

    def __init__(self, translate: Callable[[bytes], Reply], *, runner: str) -> None:
        self.usage: Usage | None = None
        self._translate = translate
        self._runner = runner
        self._body = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take a piece. Raises `ReplyInvalid` when the reply is larger than is ever held."""
        if len(self._body) + len(data) > HELD_LIMIT_BYTES:
            raise ReplyInvalid(
                f"{self._runner} answered with more than {HELD_LIMIT_BYTES} bytes; "
                "ask for a stream, or for fewer inputs at once"
            )
        self._body += data
        return b""

    def finish(self) -> bytes:
        """The whole reply, translated. Raises `ReplyInvalid`, `RunnerRefused`."""
        reply = self._translate(bytes(self._body))
        self.usage = reply.usage
        return reply.body
