"""The streamed reply of an OpenAI-compatible runner, mended on its way. Sans-I/O; the hot path.

States: `_first` (nothing passed yet, so an error is raised and the caller gets a status), running,
`_ended` (`[DONE]` or the final error event has gone out; whatever follows is dropped).

Every event is decoded, most of them only in part (`chunk.py`). One that needs nothing but the
public model name passes as the bytes that came; any other is decoded in full, mended and written
anew. Which of the two happens depends on the events so far and never on how the network cut them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from backends.base import Operation, Prepared, Usage
from backends.choice import FAILED_REASONS, generated, mend_finish, mend_reasoning
from backends.chunk import (
    Chunk,
    chunk_event,
    decode_chunk,
    error_event,
    name_thinking_twice,
    refusal_event,
)
from backends.error_body import error_in
from backends.errors import ReplyInvalid, RunnerRefused
from backends.model_name import ModelName
from backends.refusal import Fault, refuse
from backends.request_body import asks_continuous_usage
from backends.sse import BYTE_ORDER_MARK, DONE, event_data, split_events
from backends.usage import estimate_prompt_tokens, read_usage, usage_object

CARRY_LIMIT = 1 << 20
"""Bytes of one incomplete event that are held at most."""

_HEADING: tuple[str, ...] = ("id", "object", "created")
"""What a chunk of our own takes over from the chunk before."""

_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError)


class EventStreamReader:
    """A `StreamReader` for chat and text completion streams.

    `runner` names the runner in messages, `empty_hint` says what a stream without any answer means
    on it. `usage_per_choice`: with `n` > 1 it sends a usage chunk for each choice as that finishes
    (llama-server), and the caller gets their sum.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        runner: str,
        empty_hint: str = "",
        usage_per_choice: bool = False,
    ) -> None:
        self.usage: Usage | None = None
        self.started = False
        self.failed: str | None = None
        self.chunks = 0
        self._call = prepared.call
        self._chat = prepared.call.operation is Operation.CHAT
        self._runner = runner
        self._empty_hint = empty_hint
        self._usage_per_choice = usage_per_choice
        self._model = ModelName(prepared.call.model)
        self._continuous = self._call.include_usage and asks_continuous_usage(self._call)
        self._carry = b""
        self._first = True
        self._ended = False
        self._open: set[int] = set()
        """Choices that have begun and not finished."""
        self._begun: set[int] = set()
        self._usage_chunk: dict[str, Any] | None = None
        """The runner's own usage chunk, held until the end."""
        self._last: dict[str, Any] = {}

    def feed(self, data: bytes) -> bytes:
        """See `StreamReader.feed`."""
        if self._ended:
            return b""
        events, carry = split_events(self._carry + data if self._carry else data)
        self._carry = carry
        if len(events) == 1:
            passed = self._event(events[0])
        else:
            passed = b"".join([self._event(event) for event in events])
        if len(carry) > CARRY_LIMIT and not self._ended:
            self._carry = b""
            return passed + self._fail(
                f"{self._runner} sent an event of more than {CARRY_LIMIT} bytes"
            )
        return passed

    def finish(self) -> bytes:
        """See `StreamReader.finish`."""
        carry, self._carry = self._carry, b""
        passed = b""
        if carry and not self._ended:
            # The blank line after the last event may be missing; a broken event will not parse.
            events, rest = split_events(carry + b"\n\n")
            passed = b"".join([self._event(event) for event in [*events, rest] if event.strip()])
        return passed if self._ended else passed + self._end()

    def abort(self, reason: str) -> bytes:
        """See `StreamReader.abort`."""
        if self._ended:
            return b""
        self._first = False
        return self._fail(reason)

    def _event(self, event: bytes) -> bytes:
        if self._ended:
            return b""
        if event.startswith(b"data: {"):
            try:
                chunk = decode_chunk(event[6:])
            except _MALFORMED:
                return self._careful(event)
            mended = self._plain(chunk, event)
            if mended is not None:
                return mended + b"\n\n"
        return self._careful(event)

    def _plain(self, chunk: Chunk, event: bytes) -> bytes | None:
        """`event` mended in its bytes, and counted; None when it has to be written anew."""
        choices = chunk.choices
        if (
            not choices
            or len(choices) != 1
            or chunk.usage is not None
            or chunk.error is not None
            or chunk.model is None
            or chunk.model != self._model.upstream
        ):
            return None
        choice = choices[0]
        if choice.finish_reason is not None or choice.index not in self._open:
            return None
        mended = self._model.replace(event)
        delta = choice.delta
        if mended is None:
            return None
        if delta is not None and delta.reasoning is not delta.reasoning_content:  # one is there
            mended = name_thinking_twice(mended, delta)
            if mended is None:
                return None
        self.chunks += 1
        if not self.started:
            self.started = choice.brings
        return mended

    def _careful(self, event: bytes) -> bytes:
        data = event_data(event.removeprefix(BYTE_ORDER_MARK) if self._first else event)
        if data is None:
            return b""
        if data == b"[DONE]":
            return self._end()
        try:
            chunk = msgspec.json.decode(data)
        except _MALFORMED:
            return self._fail(f"{self._runner} sent an event that is not JSON")
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not isinstance(choices, list) or chunk.get("error"):
            return self._refused(chunk)
        passed = self._mend(chunk, choices)
        if passed and not self._ended:
            self._first = False
            self._learn(chunk, data)
        return passed

    def _mend(self, chunk: dict[str, Any], choices: list[Any]) -> bytes:
        found = chunk.get("usage")
        if isinstance(found, dict):
            self._count(read_usage(found))
            if not choices:
                self._usage_chunk = chunk
                return b""
        if not self._continuous:
            chunk.pop("usage", None)
        for choice in choices:
            if not isinstance(choice, dict):
                return self._fail(f"{self._runner} sent a choice that is not an object")
            reason = self._mend_choice(choice)
            if reason in FAILED_REASONS:
                return self._fail(f"{self._runner} gave the answer up (finish_reason {reason!r})")
        self._last = chunk
        return chunk_event({**chunk, "model": self._call.model})

    def _count(self, usage: Usage) -> None:
        if self.usage is not None and self._usage_per_choice:
            usage = replace(
                usage, completion_tokens=self.usage.completion_tokens + usage.completion_tokens
            )
        self.usage = usage

    def _mend_choice(self, choice: dict[str, Any]) -> str | None:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        part = choice
        if self._chat:
            delta = choice.get("delta")
            part = delta if isinstance(delta, dict) else {}
            mend_reasoning(part)
            if index not in self._begun and not part.get("role"):
                part = {**part, "role": "assistant"}
            choice["delta"] = part
        if index not in self._begun:
            self._begun.add(index)
            self._open.add(index)
        if generated(part):
            self.chunks += 1
            self.started = True
        reason = mend_finish(choice)
        if reason is not None:
            self._open.discard(index)
        return reason

    def _learn(self, chunk: dict[str, Any], data: bytes) -> None:
        upstream = chunk.get("model")
        if isinstance(upstream, str) and upstream != self._model.upstream:
            self._model.learn(data, upstream)

    def _end(self) -> bytes:
        """The runner says that it is done: believe it only if every choice has finished."""
        if not self._begun:
            hint = f"; {self._empty_hint}" if self._empty_hint else ""
            return self._fail(f"{self._runner} ended the stream without any answer{hint}")
        if self._open:
            return self._fail(f"{self._runner} ended the stream before the answer was complete")
        if self.usage is None:
            prompt_tokens = estimate_prompt_tokens(self._call)
            self.usage = Usage(prompt_tokens, self.chunks, estimated=True)
        self._ended = True
        return (self._usage_event(self.usage) if self._call.include_usage else b"") + DONE

    def _usage_event(self, usage: Usage) -> bytes:
        chunk = self._usage_chunk
        if chunk is None:
            chunk = {name: self._last[name] for name in _HEADING if name in self._last}
            chunk["choices"] = []
        told = chunk.get("usage") or {}
        return chunk_event(
            {**chunk, "model": self._call.model, "usage": {**told, **usage_object(usage)}}
        )

    def _refused(self, chunk: Any) -> bytes:
        found = error_in(chunk)
        if found is None:
            return self._fail(f"{self._runner} sent an event that is no completion chunk")
        refused = refuse(Fault(found, found.status or 500, self._runner))
        if self._first:
            raise refused
        return self._fail(refused.message, refused)

    def _fail(self, message: str, refused: RunnerRefused | None = None) -> bytes:
        self._ended = True
        self.failed = message
        if self._first:
            raise ReplyInvalid(message)
        if refused is not None:
            return refusal_event(refused)
        return error_event(message, code="upstream_error")
