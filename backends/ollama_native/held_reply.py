"""A native reply that is too large for one piece, held all the same: it cannot be translated
before it is whole."""

from __future__ import annotations

from backends.base import Usage
from backends.errors import ReplyInvalid
from backends.ollama_native.reply import Stamp, openai_reply

HELD_LIMIT_BYTES = 32 * 1024 * 1024
"""Only logprobs make a chat reply that large: some 300 bytes for each alternative token."""


class HeldReply:
    """A `BulkReader` that returns everything at the end; bounded instead of constant in memory."""

    def __init__(self, stamp: Stamp, *, runner: str) -> None:
        self.usage: Usage | None = None
        self._stamp = stamp
        self._runner = runner
        self._body = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take a piece. Raises `ReplyInvalid` when the reply is larger than is ever held."""
        if len(self._body) + len(data) > HELD_LIMIT_BYTES:
            raise ReplyInvalid(
                f"{self._runner} answered with more than {HELD_LIMIT_BYTES} bytes; ask for a stream"
            )
        self._body += data
        return b""

    def finish(self) -> bytes:
        """The whole reply, translated. Raises as `openai_reply`."""
        reply = openai_reply(bytes(self._body), self._stamp, runner=self._runner)
        self.usage = reply.usage
        return reply.body
