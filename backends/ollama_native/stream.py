"""Ollama's NDJSON as the events of an OpenAI stream. Sans-I/O.

States: nothing read, going on, closed (by a `done` line, an error or an abort). Whatever comes
after it is closed is dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backends.base import Usage
from backends.chunk import error_event, refusal_event
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama_native.choice import Choices
from backends.ollama_native.error import refuse_line
from backends.ollama_native.line import Line, finish_reason, read_line
from backends.ollama_native.reply import Stamp
from backends.sse import DONE
from backends.usage import usage_object

LINE_LIMIT_BYTES = 4 * 1024 * 1024
"""Longest line that is waited for. A tool call comes in one line, with all of its arguments."""


class NativeStreamReader:
    """Reads one streamed answer of `/api/chat` or `/api/generate`; a `StreamReader`."""

    def __init__(self, stamp: Stamp, choices: Choices, *, include_usage: bool, runner: str) -> None:
        self.usage: Usage | None = None
        self.started = False
        self.failed: str | None = None
        self.chunks = 0
        self._choices = choices
        self._include_usage = include_usage
        self._runner = runner
        self._carry = b""
        self._begun = False
        self._closed = False
        heading = {
            "id": stamp.id,
            "object": choices.chunk_kind,
            "created": stamp.created,
            "model": stamp.model,
        }
        self._heading = b"data: " + msgspec.json.encode(heading)[:-1] + b","

    def feed(self, data: bytes) -> bytes:
        """See `StreamReader.feed`."""
        if self._closed:
            return b""
        *lines, self._carry = (self._carry + data).split(b"\n")
        out = [self._read(line) for line in lines if line.strip()]
        if len(self._carry) > LINE_LIMIT_BYTES and not self._closed:
            self._carry = b""
            out.append(self._fail(f"{self._runner} sent a line of over {LINE_LIMIT_BYTES} bytes"))
        return b"".join(out)

    def finish(self) -> bytes:
        """See `StreamReader.finish`."""
        if self._closed:
            return b""
        rest, self._carry = self._carry, b""
        out = self._read(rest) if rest.strip() else b""
        if self._closed:
            return out
        if not self._begun:
            return self._fail(f"{self._runner} ended the stream without any answer")
        return out + self._fail(f"{self._runner} ended the stream before the answer was complete")

    def abort(self, reason: str) -> bytes:
        """See `StreamReader.abort`."""
        if self._closed:
            return b""
        self._begun = True
        return self._fail(reason)

    def _read(self, text: bytes) -> bytes:
        if self._closed:
            return b""
        try:
            line = read_line(text, self._runner)
            if line.error is not None:
                return self._refused(refuse_line(line.error, self._runner))
            reason = finish_reason(line, self._runner) if line.done else None
        except ReplyInvalid as exc:
            return self._fail(str(exc))
        return self._events(line, reason)

    def _events(self, line: Line, reason: str | None) -> bytes:
        choices = [] if self._begun else self._choices.opening()
        self._begun = True
        pieces = self._choices.pieces(line)
        self.started = self.started or bool(pieces)
        self.chunks += len(pieces)
        events = [self._event({"choices": [choice]}) for choice in (*choices, *pieces)]
        if reason is not None:
            self._closed = True
            self.usage = line.usage
            events.append(self._event({"choices": [self._choices.closing(reason)]}))
            if self._include_usage:
                events.append(self._event({"choices": [], "usage": usage_object(line.usage)}))
            events.append(DONE)
        return b"".join(events)

    def _event(self, fields: dict[str, Any]) -> bytes:
        return self._heading + msgspec.json.encode(fields)[1:] + b"\n\n"

    def _refused(self, refused: RunnerRefused) -> bytes:
        if not self._begun:
            self._closed = True
            raise refused
        return self._fail(refused.message, refusal_event(refused))

    def _fail(self, message: str, event: bytes | None = None) -> bytes:
        self._closed = True
        self.failed = message
        if not self._begun:
            raise ReplyInvalid(message)
        return error_event(message, code="upstream_error") if event is None else event
