"""The words between the gateway and one runner: a call, how it is sent, what comes back.

A `Backend` is the adapter for one runner. Its pure half (`prepare`, `read_reply`, `read_error`,
`stream`) speaks the runner's dialect and does no I/O; its shell (`open`, `probe`, `aclose`) drives
a `Transport`. The gateway never sees a dialect.

Values that are made for each request are msgspec structs: a frozen dataclass takes four times as
long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from msgspec import Raw, Struct

from backends.errors import BackendError
from backends.transport import Response, Timeouts

BackendKind = Literal["ollama", "llamacpp", "llama-cpp-python", "vllm", "openai"]
"""Name of an adapter, as written in configuration."""


class Operation(StrEnum):
    """What a caller asks for; the value is its path below `/v1`."""

    CHAT = "/chat/completions"
    COMPLETIONS = "/completions"
    EMBEDDINGS = "/embeddings"

    # An enumeration's own is a function in Python, and this is a key of many a dictionary.
    __hash__ = str.__hash__


class RunnerState(StrEnum):
    """What a probe can tell of a runner. Loading, busy and asleep are not down."""

    READY = "ready"
    BUSY = "busy"
    """Reachable, every slot of its own in use (by us or by others)."""
    LOADING = "loading"
    """Reachable, but not able to answer yet: requests should wait, not fail."""
    ASLEEP = "asleep"
    """Reachable, weights released; whether a request wakes it is in `Probe.wakes`."""
    DOWN = "down"
    """Not reachable, or not the runner that the configuration names."""


class Call(Struct, frozen=True, gc=False):
    """One inference request as the caller made it, already checked for shape.

    `fields` holds every top-level field of the body, untouched, in the caller's order, so that a
    field we know nothing of survives. Adapters copy it before they change anything: the same call
    may be prepared again for another runner.
    """

    operation: Operation
    model: str
    fields: dict[str, Raw]
    stream: bool = False
    include_usage: bool = False
    """The caller asked for a usage chunk at the end of the stream."""
    choices: int = 1
    """`n`: how many choices the caller asked for."""


@dataclass(frozen=True, slots=True)
class TargetModel:
    """What a public model means on one backend: the upstream name and what is pinned for it."""

    name: str
    """The model name that the runner knows."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Pinned per target by the operator (`num_ctx`, `keep_alive`: Ollama only)."""


class Usage(Struct, frozen=True, gc=False):
    """Tokens that a runner reported, or that we counted where it reports none (`estimated`)."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    estimated: bool = False


class Prepared(Struct, frozen=True, gc=False):
    """A call in the runner's dialect, ready to be sent, and how its reply is to be read."""

    call: Call
    target: TargetModel
    head: bytes
    """Fixed part of the request head, made by `Transport.head`."""
    body: bytes
    ignored: tuple[str, ...] = ()
    """Fields of the caller's that this runner silently ignores and that we could not translate."""
    native: bool = False
    """True when the runner's own API is used instead of its OpenAI-compatible one."""


class StreamReader(Protocol):
    """Reads one streamed reply and yields the bytes an OpenAI client should get. Sans-I/O.

    Whatever the dialect, what leaves `feed` and `finish` is a sequence of whole events of
    `text/event-stream`, each ended by a blank line: a role first, every chunk with the public
    model name, both `reasoning` and `reasoning_content`, a finish reason, usage exactly when asked
    for, `[DONE]`; no `id:` or `retry:` fields and no comments.
    """

    usage: Usage | None
    """Set once known."""
    started: bool
    """True once any generated text, reasoning or tool call has gone by (time to first token)."""
    failed: str | None
    """Why the stream is not a complete answer, once that is known; its error event has been
    returned by `feed` or `finish` already."""
    chunks: int
    """How many pieces of generated text have gone by."""

    def feed(self, data: bytes) -> bytes:
        """Take what the runner sent, return what may go to the caller now (may be empty).

        Raises `RunnerRefused` or `ReplyInvalid` when the very first event is an error or is not
        of the dialect: nothing has been sent to the caller then, so it can still get a status.
        """
        ...

    def finish(self) -> bytes:
        """The runner ended the body cleanly: return the remaining bytes.

        A stream without a finish reason gets a final error event, because client libraries take a
        cut stream for success. Raises `ReplyInvalid` when nothing at all had come.
        """
        ...

    def abort(self, reason: str) -> bytes:
        """The connection broke or a time-out struck: the final error event for the caller."""
        ...


class Reply(Struct, frozen=True, gc=False):
    """A complete, non-streamed reply in OpenAI's shape."""

    body: bytes
    usage: Usage | None


class BulkReader(Protocol):
    """Passes a large non-streamed reply (over a megabyte: embeddings) on in constant memory.

    Only what can be mended in passing is mended: the model name where it is seen whole.
    """

    usage: Usage | None

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the body and return what may go to the caller now."""
        ...

    def finish(self) -> bytes:
        """The body ended: return the remaining bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model that a runner says it can serve."""

    id: str
    aliases: tuple[str, ...] = ()
    context_length: int | None = None
    """Tokens of prompt and answer together that one request may use, where the runner tells."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look at a runner told, without loading a model or disturbing a run."""

    state: RunnerState
    detail: str = ""
    """One readable sentence: what was seen, and what to do about it where that is known."""
    models: tuple[ModelCard, ...] | None = None
    """None when the runner cannot be asked without disturbing it."""
    slots: int | None = None
    """How many requests it works on at once, where it tells; None = unknown."""
    version: str | None = None
    wakes: bool = True
    """Whether an inference request would wake it when it is asleep."""


class Backend(Protocol):
    """The adapter for one runner. Implementations are listed in `backends.catalog`."""

    kind: BackendKind
    url: str
    """The runner's address, without credentials."""
    default_slots: int
    """Used when neither the operator nor the runner says how many slots it has."""

    def prepare(self, call: Call, target: TargetModel) -> Prepared:
        """Express a call in this dialect. Pure. Raises `RequestUnsupported`."""
        ...

    async def open(self, prepared: Prepared, *, extra: bytes, timeouts: Timeouts) -> Response:
        """Send it and return once the response head is here, whatever its status.

        `extra` are further header lines, each ended by CRLF (request id, trace context). Raises
        `ConnectFailed`, `ConnectionLost`, `RunnerTimeout`, `ReplyInvalid`. Cancelling it closes
        the connection at once. The caller owns the response and must `close()` it.
        """
        ...

    def stream(self, prepared: Prepared) -> StreamReader:
        """A reader for one streamed 200 reply to `prepared`."""
        ...

    def read_reply(self, prepared: Prepared, body: bytes) -> Reply:
        """Turn a complete 200 body into OpenAI's shape. Raises `ReplyInvalid`, `RunnerRefused`."""
        ...

    def bulk(self, prepared: Prepared) -> BulkReader:
        """A reader for a non-streamed 200 reply too large to be held in memory."""
        ...

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> BackendError:
        """Turn an error answer into `RunnerRefused` (or `ReplyInvalid` if it makes no sense)."""
        ...

    async def probe(self) -> Probe:
        """Look at the runner; never raises for a runner's fault, bounded to a few seconds."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        ...
