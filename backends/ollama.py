"""The adapter for Ollama: `/v1` where that keeps all of a request, its own API where it does not.

What differs from other runners: parallelism cannot be asked for and requests beyond it wait inside
without a byte; a model is loaded by the first request for it, which waits without a byte as well;
errors in the middle of a `/v1` stream vanish; ids of `/v1` replies repeat.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import ClassVar

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
from backends.error_body import read_error_body
from backends.errors import BackendError
from backends.identity import mismatch, refused_credential
from backends.ollama_native.choice import ChatChoices, Choices, TextChoices
from backends.ollama_native.embedding import native_embed, openai_embeddings
from backends.ollama_native.error import refuse_ollama
from backends.ollama_native.field import HARMLESS, NATIVE_UNDERSTOOD, V1_IGNORED
from backends.ollama_native.held_reply import HeldReply
from backends.ollama_native.installed import Installed, is_ollamas, read_installed
from backends.ollama_native.reply import Stamp, openai_reply
from backends.ollama_native.request import native_chat, native_generate, needs_native
from backends.ollama_native.stream import NativeStreamReader
from backends.ollama_v1 import UniqueIdReader, mend_request, with_unique_id
from backends.openai_compat import OpenAICompatBackend
from backends.probing import Prober
from backends.refusal import Fault, retry_after
from backends.request_body import without_effect
from backends.transport import Transport

NATIVE_PATHS: Mapping[Operation, str] = MappingProxyType(
    {
        Operation.CHAT: "/api/chat",
        Operation.COMPLETIONS: "/api/generate",
        Operation.EMBEDDINGS: "/api/embed",
    }
)
NATIVE_BODIES: Mapping[Operation, Callable[[Call, TargetModel], tuple[bytes, list[str]]]] = (
    MappingProxyType(
        {
            Operation.CHAT: native_chat,
            Operation.COMPLETIONS: native_generate,
            Operation.EMBEDDINGS: native_embed,
        }
    )
)


class OllamaBackend(OpenAICompatBackend):
    """See `Backend`. Raises `ValueError` if the transport's url ends with `/v1`.

    `default_slots` is 1 because `OLLAMA_NUM_PARALLEL` defaults to 1, cannot be read through any
    API, and is forced to 1 for embedding models and for the families mllama, qwen3vl*, qwen35*,
    qwen3next, lfm2* and nemotron_h* whatever its value (`server/sched.go`). Requests beyond it
    queue inside Ollama: without limit, fairness or a byte.
    """

    kind: BackendKind = "ollama"
    default_slots: int = 1
    ignored_fields: ClassVar[Mapping[Operation, frozenset[str]]] = V1_IGNORED
    unsupported_hint: ClassVar[str] = "`ollama show <model>` tells what a model can do"

    def __init__(
        self,
        transport: Transport,
        *,
        name: str,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if transport.url.endswith("/v1"):
            raise ValueError(
                f"runner {name} (ollama): the url {transport.url} must not end with /v1, because "
                "Ollama's own API lies beside it; leave /v1 out"
            )
        super().__init__(transport, name=name, api_key=api_key, headers=headers)
        fixed = list((headers or {}).items())
        if api_key:
            fixed.append(("authorization", f"Bearer {api_key}"))
        posted = [("content-type", "application/json"), *fixed]
        self._native_heads = {
            operation: transport.head("POST", path, posted)
            for operation, path in NATIVE_PATHS.items()
        }

    def prepare(self, call: Call, target: TargetModel) -> Prepared:
        """See `Backend.prepare`."""
        if not needs_native(call, target):
            return super().prepare(call, target)
        operation = call.operation
        body, overridden = NATIVE_BODIES[operation](call, target)
        lost = frozenset(call.fields) - NATIVE_UNDERSTOOD[operation] - HARMLESS
        ignored = tuple(sorted({*without_effect(call.fields, lost), *overridden}))
        head = self._native_heads[operation]
        return Prepared(call, target, head, body, ignored, native=True)

    def adapt(self, call: Call, fields: dict[str, Raw]) -> None:
        """Mend what `/v1` would misread; see `OpenAICompatBackend.adapt`."""
        super().adapt(call, fields)
        mend_request(call.operation, fields)

    def stream(self, prepared: Prepared) -> StreamReader:
        """See `Backend.stream`."""
        if not prepared.native:
            return UniqueIdReader(prepared, runner=self.label)
        choices = _choices(prepared)
        return NativeStreamReader(
            _stamp(prepared, choices),
            choices,
            include_usage=prepared.call.include_usage,
            runner=self.label,
        )

    def read_reply(self, prepared: Prepared, body: bytes) -> Reply:
        """See `Backend.read_reply`."""
        if prepared.native:
            return self._read_native(prepared, body)
        reply = super().read_reply(prepared, body)
        return Reply(with_unique_id(reply.body), reply.usage)

    def bulk(self, prepared: Prepared) -> BulkReader:
        """See `Backend.bulk`."""
        if prepared.native:
            return HeldReply(partial(self._read_native, prepared), runner=self.label)
        return super().bulk(prepared)

    def _read_native(self, prepared: Prepared, body: bytes) -> Reply:
        if prepared.call.operation is Operation.EMBEDDINGS:
            return openai_embeddings(body, prepared.call, runner=self.label)
        choices = _choices(prepared)
        return openai_reply(body, _stamp(prepared, choices), choices, runner=self.label)

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> BackendError:
        """See `Backend.read_error`."""
        if status < 400:
            return super().read_error(status, headers, body)
        found = read_error_body(body)
        return refuse_ollama(
            Fault(found, status, self.label, self.unsupported_hint, retry_after(headers))
        )

    async def look(self, prober: Prober) -> Probe:
        """Three GETs, none of which loads a model or keeps one loaded."""
        version = await prober.get("/api/version")
        told = version.fields().get("version")
        if version.status in (401, 403):
            return refused_credential(prober, version)
        if version.status != 200 or not isinstance(told, str):
            return await mismatch(prober, version)
        tags = await prober.get("/api/tags")
        if tags.status >= 500:
            detail = f"/api/tags answered HTTP {tags.status}, so its models are not known"
            return Probe(RunnerState.READY, f"Ollama {told}: {detail}", version=told)
        if tags.status != 200 or not is_ollamas(tags.fields()):
            return Probe(RunnerState.DOWN, _imitated(prober))
        loaded = await prober.get("/api/ps")
        installed = read_installed(tags.fields(), loaded.fields() if loaded.status == 200 else {})
        return Probe(
            RunnerState.READY,
            f"Ollama {told}: {_inventory(installed)}",
            models=installed.cards,
            version=told,
        )


def _choices(prepared: Prepared) -> Choices:
    return ChatChoices() if prepared.call.operation is Operation.CHAT else TextChoices()


def _stamp(prepared: Prepared, choices: Choices) -> Stamp:
    return Stamp(
        id=f"{choices.prefix}-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=prepared.call.model,
    )


def _imitated(prober: Prober) -> str:
    return (
        f"{prober.url}/api/tags does not answer as Ollama does; SGLang and LocalAI imitate it: "
        f"if it is one of them, write `backend: openai` for runner {prober.name}"
    )


def _inventory(installed: Installed) -> str:
    parts = [f"{len(installed.cards)} models installed"]
    if not installed.cards:
        parts = ["no model is installed, run `ollama pull <model>` there"]
    parts.append(f"loaded: {', '.join(installed.loaded) or 'none'}")
    if installed.cloud:
        parts.append(
            f"left out because they run at ollama.com, not there: {', '.join(installed.cloud)}"
        )
    return "; ".join(parts)
