"""What every runner with an OpenAI-compatible API has in common; adapters differ in small steps.

A subclass says what its dialect cannot express (`adapt`), what it ignores (`ignored_fields`) and
how its state is found out (`look`). Everything here but `open` and `probe` is free of I/O.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Raw

from backends.base import (
    BackendKind,
    BulkReader,
    Call,
    Operation,
    Prepared,
    Probe,
    Reply,
    RunnerState,
    StreamReader,
    TargetModel,
)
from backends.bulk_reply import BulkReplyReader
from backends.errors import BackendError, ConnectFailed
from backends.event_stream import EventStreamReader
from backends.model_name import quoted
from backends.probing import Prober
from backends.refusal import read_refusal
from backends.reply import read_reply
from backends.request_body import SCHEDULING_FIELDS, ask_for_usage, without_effect
from backends.transport import Response, Timeouts, Transport

_encode = msgspec.json.Encoder().encode

PROBE_S = 3.0
"""Seconds that one probe may take altogether."""


class OpenAICompatBackend(ABC):
    """Base of the adapters whose runner serves `/v1/chat/completions` and the like."""

    kind: BackendKind
    default_slots: int
    url_may_end_in_v1: ClassVar[bool] = False
    ignored_fields: ClassVar[Mapping[Operation, frozenset[str]]] = {}
    """Fields the runner accepts and does nothing with (runner's source, or seen live)."""
    unsupported_hint: ClassVar[str] = ""
    """What the operator can do when an operation is not served."""
    empty_stream_hint: ClassVar[str] = ""
    """What an empty stream means on this runner."""
    refused_hint: ClassVar[str] = ""
    """What else than its absence can make this runner refuse connections."""

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.url = transport.url
        self.label = f"runner {name} ({self.kind})"
        self._transport = transport
        root = transport.url.endswith("/v1")
        if root and not self.url_may_end_in_v1:
            raise ValueError(
                f"{self.label}: the url {transport.url} must not end in /v1, because this runner "
                "tells how it is beside that path; leave /v1 out"
            )
        fixed = list((headers or {}).items())
        if api_key:
            fixed.append(("authorization", f"Bearer {api_key}"))
        posted = [("content-type", "application/json"), ("accept", "*/*"), *fixed]
        prefix = "" if root else "/v1"
        self._heads = {
            operation: transport.head("POST", prefix + operation, posted) for operation in Operation
        }
        asking = [("accept", "*/*"), *fixed]
        self._prober = Prober(transport, asking, api=prefix, name=name, kind=self.kind)

    def prepare(self, call: Call, target: TargetModel) -> Prepared:
        """See `Backend.prepare`."""
        fields = dict(call.fields)
        for name in SCHEDULING_FIELDS.intersection(fields):
            del fields[name]
        fields["model"] = Raw(quoted(target.name))
        self.adapt(call, fields)
        ignored = self.ignored_fields.get(call.operation)
        return Prepared(
            call,
            target,
            self._heads[call.operation],
            _encode(fields),
            without_effect(call.fields, ignored) if ignored else (),
        )

    def adapt(self, call: Call, fields: dict[str, Raw]) -> None:
        """Change `fields`, a copy, in place to what the dialect wants. May raise
        `RequestUnsupported`."""
        ask_for_usage(call, fields)

    def open(
        self, prepared: Prepared, *, extra: bytes, timeouts: Timeouts
    ) -> Coroutine[Any, Any, Response]:
        """See `Backend.open`."""
        return self._transport.send(prepared.head, prepared.body, extra=extra, timeouts=timeouts)

    def stream(self, prepared: Prepared) -> StreamReader:
        """See `Backend.stream`."""
        return EventStreamReader(prepared, runner=self.label, empty_hint=self.empty_stream_hint)

    def read_reply(self, prepared: Prepared, body: bytes) -> Reply:
        """See `Backend.read_reply`."""
        return read_reply(prepared, body, runner=self.label)

    def bulk(self, prepared: Prepared) -> BulkReader:
        """See `Backend.bulk`."""
        return BulkReplyReader(prepared.call.model)

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> BackendError:
        """See `Backend.read_error`."""
        return read_refusal(status, headers, body, runner=self.label, hint=self.unsupported_hint)

    async def probe(self) -> Probe:
        """See `Backend.probe`."""
        try:
            async with asyncio.timeout(PROBE_S):
                return await self.look(self._prober)
        except TimeoutError:
            detail = f"{self._transport.url} did not answer a probe within {PROBE_S:g} s"
        except ConnectFailed as error:
            detail = f"{error} ({self.refused_hint})" if self.refused_hint else str(error)
        except BackendError as error:
            detail = str(error)
        return Probe(RunnerState.DOWN, detail)

    @abstractmethod
    async def look(self, prober: Prober) -> Probe:
        """Ask the runner for its state. Errors of the transport may pass."""

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        await self._transport.aclose()
