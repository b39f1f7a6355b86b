"""The adapter for llama-cpp-python's server. Facts below are from its 0.3.36, source and live."""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import ClassVar

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
)
from backends.errors import RunnerRefused
from backends.identity import is_llama_cpp_python, mismatch
from backends.ollama_native.held_reply import HeldReply
from backends.openai_compat import OpenAICompatBackend
from backends.plain_text_chat import require_one_prompt, require_text_input, simplify_chat
from backends.probing import Prober
from backends.reply import decode_reply
from backends.request_body import is_null
from backends.transport import Response, Timeouts

_REQUEST_ID = re.compile(rb"^x-request-id:[^\r\n]*\r\n", re.IGNORECASE | re.MULTILINE)


class LlamaCppPythonBackend(OpenAICompatBackend):
    """llama-cpp-python. One request at a time; it must run with `--interrupt_requests False`.

    With that setting at its default, any other request, even for the list of models, cuts the
    running stream.
    """

    kind: BackendKind = "llama-cpp-python"
    default_slots: int = 1
    ignored_fields: ClassVar[Mapping[Operation, frozenset[str]]] = MappingProxyType(
        {
            Operation.CHAT: frozenset(
                {"n", "reasoning_effort", "parallel_tool_calls", "modalities", "audio"}
            ),
            Operation.COMPLETIONS: frozenset({"n", "best_of"}),
            Operation.EMBEDDINGS: frozenset({"dimensions"}),
        }
    )
    unsupported_hint: ClassVar[str] = "start it with --embedding True to serve embeddings"
    empty_stream_hint: ClassVar[str] = (
        "llama-cpp-python does so when the prompt is longer than its context"
    )

    refused_hint: ClassVar[str] = "it refuses connections until its model is loaded"
    _recognised = False
    _version: str | None = None

    def adapt(self, call: Call, fields: dict[str, Raw]) -> None:
        """See `OpenAICompatBackend.adapt`. Token counts of streams are estimated: it sends none."""
        for name in [name for name, value in fields.items() if is_null(value)]:
            del fields[name]  # a null where its types want a number is a 500
        if call.operation is Operation.EMBEDDINGS:
            require_text_input(fields)
        elif call.operation is Operation.COMPLETIONS:
            require_one_prompt(fields)
        else:
            simplify_chat(fields)

    async def open(self, prepared: Prepared, *, extra: bytes, timeouts: Timeouts) -> Response:
        """See `Backend.open`. A request id that is no UUID would be a 400 with an empty body."""
        return await super().open(prepared, extra=_REQUEST_ID.sub(b"", extra), timeouts=timeouts)

    def read_reply(self, prepared: Prepared, body: bytes) -> Reply:
        """See `Backend.read_reply`."""
        reply = super().read_reply(prepared, body)
        if prepared.call.operation is not Operation.EMBEDDINGS:
            return reply
        return self._read_embeddings(prepared, reply)

    def bulk(self, prepared: Prepared) -> BulkReader:
        """See `Backend.bulk`. Vectors have to be whole before they can be looked at or packed."""
        if prepared.call.operation is not Operation.EMBEDDINGS:
            return super().bulk(prepared)
        return HeldReply(partial(self.read_reply, prepared), runner=self.label)

    async def look(self, prober: Prober) -> Probe:
        """Ask for the API's description once, then only whether it is still there.

        `/v1/models` takes the inference lock, and there is no health check.
        """
        if not self._recognised:
            described = await prober.get("/openapi.json")
            if not is_llama_cpp_python(described):
                return await mismatch(prober, described)
            self._recognised = True
            self._version = described.fields()["info"].get("version")
        else:
            root = await prober.get("/")
            if root.fields() != {"detail": "Not Found"}:
                self._recognised = False
                return await self.look(prober)
        return Probe(RunnerState.READY, slots=1, version=self._version)

    def _read_embeddings(self, prepared: Prepared, reply: Reply) -> Reply:
        document = decode_reply(reply.body, runner=self.label)
        wanted = prepared.call.fields.get("encoding_format")
        for item in document.get("data") or ():
            vector = item.get("embedding") if isinstance(item, dict) else None
            if not isinstance(vector, list) or any(isinstance(part, list) for part in vector):
                raise RunnerRefused(
                    f"{self.label} answered with a vector for each token instead of one for each "
                    "text, because its model has no pooling; load an embedding model",
                    status=502,
                    type="server_error",
                    code="upstream_error",
                )
            if wanted is not None and bytes(wanted) == b'"base64"':
                item["embedding"] = b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return Reply(msgspec.json.encode(document), reply.usage)
