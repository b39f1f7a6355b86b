"""The adapter for llama.cpp's `llama-server` (and `xllamacpp`, which serves the same routes)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from backends.base import (
    BackendKind,
    Operation,
    Prepared,
    Probe,
    Reply,
    RunnerState,
    StreamReader,
)
from backends.event_stream import EventStreamReader
from backends.identity import mismatch
from backends.model_list import read_cards
from backends.openai_compat import OpenAICompatBackend
from backends.probing import Prober
from backends.reply import count_every_choice

_PROCESSING = re.compile(rb"^llamacpp:requests_processing (\d+)", re.MULTILINE)


class LlamaCppBackend(OpenAICompatBackend):
    """llama-server. It answers to any model name, so the name is checked by the gateway alone."""

    kind: BackendKind = "llamacpp"
    default_slots: int = 1
    """Only used when `/props` cannot be read; the server itself says how many slots it has."""
    ignored_fields: ClassVar[Mapping[Operation, frozenset[str]]] = MappingProxyType(
        {
            Operation.CHAT: frozenset({"modalities", "audio"}),
            Operation.EMBEDDINGS: frozenset({"dimensions"}),
        }
    )
    unsupported_hint: ClassVar[str] = "start it with --embeddings to serve embeddings"

    def stream(self, prepared: Prepared) -> StreamReader:
        """See `Backend.stream`."""
        return EventStreamReader(prepared, runner=self.label, usage_per_choice=True)

    def read_reply(self, prepared: Prepared, body: bytes) -> Reply:
        """See `Backend.read_reply`."""
        reply = super().read_reply(prepared, body)
        return count_every_choice(reply, prepared.call.choices)

    async def look(self, prober: Prober) -> Probe:
        """Ask `/health`, `/props`, `/v1/models`, and `/metrics` where that is switched on.

        None of them wakes a sleeping server. `/slots` would, and asked regularly it keeps one from
        ever falling asleep (seen on b11549), so it is left alone.
        """
        health = await prober.get("/health")
        if health.status == 503 and "error" in health.fields():
            return Probe(RunnerState.LOADING, "the server is loading its model")
        if health.status != 200:
            return await mismatch(prober, health)
        props = await prober.get("/props")
        told = props.fields()
        if "default_generation_settings" not in told and told.get("role") != "router":
            return await mismatch(prober, props)
        models = await prober.models()
        if models.status != 200:
            return await mismatch(prober, models)
        return Probe(
            await self._state(prober, told),
            models=read_cards(models),
            slots=_positive(told.get("total_slots")),
            version=told.get("build_info"),
        )

    async def _state(self, prober: Prober, told: Mapping[str, Any]) -> RunnerState:
        if told.get("is_sleeping"):
            return RunnerState.ASLEEP
        slots = _positive(told.get("total_slots"))
        if slots is not None and told.get("endpoint_metrics"):
            found = _PROCESSING.search((await prober.get("/metrics")).body)
            if found is not None and int(found[1]) >= slots:
                return RunnerState.BUSY
        return RunnerState.READY


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
