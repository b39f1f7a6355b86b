"""What has to be mended in the requests and replies of Ollama's OpenAI-compatible API."""

from __future__ import annotations

import re
import secrets

from msgspec import Raw

from backends.base import Operation, Prepared
from backends.event_stream import EventStreamReader
from backends.ollama_native.prompt import one_prompt, text_input

_REPEATED_ID = re.compile(rb'"id":"((?:chat)?cmpl)-\d{1,3}"')
"""`/v1` draws its ids from 999 numbers. Inside generated text the quotation marks are escaped."""

_NONE = Raw(b'"none"')


class UniqueIdReader(EventStreamReader):
    """The shared reader, with an id of our own in place of the one that Ollama repeats."""

    def __init__(self, prepared: Prepared, *, runner: str) -> None:
        super().__init__(prepared, runner=runner)
        self._given = b""
        self._unique = b""

    def feed(self, data: bytes) -> bytes:
        """See `StreamReader.feed`."""
        return self._renamed(super().feed(data))

    def finish(self) -> bytes:
        """See `StreamReader.finish`."""
        return self._renamed(super().finish())

    def _renamed(self, events: bytes) -> bytes:
        if not self._given:
            found = _REPEATED_ID.search(events)
            if found is None:
                return events
            self._given, self._unique = found[0], _unique_id(found)
        return events.replace(self._given, self._unique)


def with_unique_id(reply: bytes) -> bytes:
    """A non-streamed reply with an id of our own, if it has one that Ollama may repeat."""
    return _REPEATED_ID.sub(_unique_id, reply, count=1)


def mend_request(operation: Operation, fields: dict[str, Raw]) -> None:
    """Change in place what `/v1` would misread.

    Raises `RequestUnsupported` for several prompts and for token ids, which other runners take.
    """
    if operation is Operation.CHAT:
        if fields.get("tool_choice") == _NONE:
            # Ollama does not read tool_choice: with tools in sight a model may call them.
            fields.pop("tools", None)
    elif operation is Operation.COMPLETIONS:
        if "prompt" in fields:
            fields["prompt"] = one_prompt(fields["prompt"])
        if "max_completion_tokens" in fields:
            fields["max_tokens"] = fields.pop("max_completion_tokens")
    elif "input" in fields:
        text_input(fields["input"])


def _unique_id(found: re.Match[bytes]) -> bytes:
    return b'"id":"%b-%b"' % (found[1], secrets.token_hex(12).encode())
