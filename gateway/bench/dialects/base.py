"""What a dialect must offer, and what all readers of streams have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from backends.sse import event_data, split_events
from gateway.bench.prompts import Prompt

LONGEST_EVENT = 4 << 20
"""Bytes of one event of a stream; more is no stream of text."""
NOT_AN_ANSWER = "not an answer"
ERROR_IN_STREAM = "error in stream"
_NOTHING = (b"", b"null")

Split = Callable[[bytes], tuple[list[bytes], bytes]]


class Dialect(Protocol):
    """One API: pure, without state, shared by all requests."""

    path: str
    """Of the streaming call, below the target's url."""

    def headers(self, api_key: str | None) -> tuple[tuple[str, str], ...]:
        """What goes out with every request beside its length."""
        ...

    def body(self, model: str, prompt: Prompt, *, exact_for: str | None) -> Mapping[str, Any]:
        """The request for one streamed answer. `exact_for`: the kind of a runner that shall write
        exactly `max_tokens`; a kind that cannot be told so gets an ordinary request.
        """
        ...

    def reader(self) -> Reader:
        """Reads one stream."""
        ...


class Reader(ABC):
    """Reads one stream: counts pieces of text and finds how it ended. Sans-I/O."""

    __slots__ = ("_rest", "ended", "fault", "finished", "input_tokens", "output_tokens")

    def __init__(self) -> None:
        self.finished = False
        """The runner gave a reason why it stopped."""
        self.ended = False
        """The stream's end mark came."""
        self.fault: str | None = None
        """Why this is no answer, in the words of `Figures.failed`."""
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self._rest = b""

    @abstractmethod
    def feed(self, data: bytes) -> int:
        """Take what came; return how many pieces of text, reasoning or tool calls were in it."""

    def _each(self, split: Split, data: bytes, read: Callable[[bytes], int]) -> int:
        if self.fault is not None:
            return 0
        events, self._rest = split(self._rest + data if self._rest else data)
        pieces = 0
        try:
            for event in events:
                pieces += read(event)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.fault = NOT_AN_ANSWER
        if len(self._rest) > LONGEST_EVENT:
            self._rest = b""
            self.fault = NOT_AN_ANSWER
        return pieces


class EventReader(Reader):
    """Reads `text/event-stream`."""

    __slots__ = ()

    def feed(self, data: bytes) -> int:
        return self._each(split_events, data, self._event)

    def _event(self, event: bytes) -> int:
        # Nearly every event is one line, and this is the costliest loop of the generator.
        if event.startswith(b"data: ") and b"\n" not in event:
            return self._data(event[6:])
        data = event_data(event)
        return 0 if data is None else self._data(data)

    @abstractmethod
    def _data(self, data: bytes) -> int:
        """Read the data of one event; return its pieces of text. Raises `MsgspecError`."""


def bearer(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The headers of a JSON request, with the key where there is one."""
    kind = ("content-type", "application/json")
    return (kind,) if api_key is None else (kind, ("authorization", f"Bearer {api_key}"))


def given(raw: Raw) -> bool:
    """Whether a field that may be of any shape is there, and not null."""
    return bytes(raw) not in _NOTHING
