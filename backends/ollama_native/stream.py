"""Ollama's NDJSON as the events of an OpenAI stream. Sans-I/O.

States: nothing read -> going on -> closed (a `done` line, an error, or an abort). Whatever comes
after it is closed is dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backends.base import Usage
from backends.chunk import error_event, refusal_event
from backends.errors import ReplyInvalid, RunnerRefused
from backends.ollama_native.error import refuse_line
from backends.ollama_native.line import (
    Line,
    ToolCalls,
    finish_reason,
    openai_logprobs,
    read_line,
    usage,
)
from backends.ollama_native.reply import Stamp
from backends.sse import DONE
from backends.usage import usage_object

LINE_LIMIT_BYTES = 4 * 1024 * 1024
"""Longest line that is waited for. A tool call comes in one line, with all of its arguments."""


class ChatStream:
    """Reads one streamed answer of `POST /api/chat`; a `StreamReader`."""

    def __init__(self, stamp: Stamp, *, include_usage: bool, runner: str) -> None:
        self.usage: Usage | None = None
        self.started = False
        self.failed: str | None = None
        self.chunks = 0
        self._include_usage = include_usage
        self._runner = runner
        self._carry = b""
        self._begun = False
        self._closed = False
        self._calls = ToolCalls()
        envelope = msgspec.json.encode(
            {
                "id": stamp.id,
                "object": "chat.completion.chunk",
                "created": stamp.created,
                "model": stamp.model,
            }
        )
        self._prefix = b"data: " + envelope[:-1]

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
            return self._events(line)
        except ReplyInvalid as exc:
            return self._fail(str(exc))

    def _events(self, line: Line) -> bytes:
        out = [] if self._begun else [self._delta({"role": "assistant", "content": ""})]
        reason = finish_reason(line, self._called(line), self._runner) if line.done else None
        message = line.message
        if message is not None:
            if message.thinking:
                text = message.thinking
                out.append(self._piece({"reasoning": text, "reasoning_content": text}))
            if message.content or line.logprobs:
                out.append(self._piece({"content": message.content or ""}, line.logprobs))
            if message.tool_calls:
                calls = [self._calls.write(call) for call in message.tool_calls]
                out.append(self._piece({"tool_calls": calls}))
        self._begun = True
        if reason is not None:
            out.append(self._end(line, reason))
        return b"".join(out)

    def _called(self, line: Line) -> bool:
        return self._calls.count > 0 or bool(line.message and line.message.tool_calls)

    def _end(self, line: Line, reason: str) -> bytes:
        self._closed = True
        self.usage = usage(line)
        end = self._delta({}, finish=reason)
        if self._include_usage:
            end += self._event({"choices": [], "usage": usage_object(self.usage)})
        return end + DONE

    def _piece(self, delta: dict[str, Any], logprobs: list[dict[str, Any]] | None = None) -> bytes:
        self.started = True
        self.chunks += 1
        return self._delta(delta, logprobs)

    def _delta(
        self,
        delta: dict[str, Any],
        logprobs: list[dict[str, Any]] | None = None,
        finish: str | None = None,
    ) -> bytes:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": openai_logprobs(logprobs) if logprobs else None,
            "finish_reason": finish,
        }
        return self._event({"choices": [choice]})

    def _event(self, fields: dict[str, Any]) -> bytes:
        return b"%b,%b\n\n" % (self._prefix, msgspec.json.encode(fields)[1:])

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
