"""The adapter for vLLM's OpenAI-compatible server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import msgspec
from msgspec import Raw

from backends.base import BackendKind, Call, Operation, Probe, RunnerState
from backends.errors import RequestUnsupported
from backends.identity import OWNERS, mismatch, refused_credential, wrong_kind
from backends.model_list import owners, read_cards
from backends.openai_compat import OpenAICompatBackend
from backends.probing import Prober
from backends.request_body import ask_for_usage, is_list, is_null

STOP_LIMIT = 4
"""`VLLM_MAX_STOP_STRINGS`, unless the operator of the runner raised it."""

_WAITING = re.compile(rb"^vllm:num_requests_waiting\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
_AWAKE = re.compile(
    rb'^vllm:engine_sleep_state\{[^}]*sleep_state="awake"[^}]*\} ([0-9.]+)$', re.MULTILINE
)


class VllmBackend(OpenAICompatBackend):
    """vLLM. It knows its model names and schedules by itself; a sleeping one answers nothing."""

    kind: BackendKind = "vllm"
    default_slots: int = 64
    """vLLM does not tell `max_num_seqs` (128 to 1024 by hardware); this keeps it busy and the
    queue in the gateway, where it is fair."""
    ignored_fields: ClassVar[Mapping[Operation, frozenset[str]]] = MappingProxyType(
        {Operation.CHAT: frozenset({"modalities", "audio"})}
    )
    unsupported_hint: ClassVar[str] = (
        "embeddings need a pooling model, chat and completions a generating one"
    )

    refused_hint: ClassVar[str] = "vLLM refuses connections until its model is loaded"

    def adapt(self, call: Call, fields: dict[str, Raw]) -> None:
        """See `OpenAICompatBackend.adapt`."""
        if call.stream:
            ask_for_usage(call, fields)
        else:
            fields.pop("stream_options", None)
        stop = fields.get("stop")
        if stop is not None and is_list(stop) and len(msgspec.json.decode(stop)) > STOP_LIMIT:
            raise RequestUnsupported(
                f"vLLM takes at most {STOP_LIMIT} stop sequences; send fewer in stop", param="stop"
            )
        if "tools" in fields:
            _drop_empty_tools(fields)

    async def look(self, prober: Prober) -> Probe:
        """Ask `/health`, `/v1/models`, `/metrics` and `/version`; none of them disturbs a run.

        `/health` and `/v1/models` answer as ever while the engine sleeps, and requests then hang
        until somebody wakes it; only the metrics (or the development route) tell.
        """
        health = await prober.get("/health")
        if health.status == 503 and not health.body:
            return Probe(RunnerState.DOWN, f"{prober.url}: the engine of vLLM has died")
        if health.status != 200 or health.server == "llama.cpp":
            return await mismatch(prober, health)
        models = await prober.models()
        if models.status in (401, 403):
            return refused_credential(prober, models)
        identity = next((OWNERS[owner] for owner in owners(models) if owner in OWNERS), None)
        if identity is None or identity[1] != self.kind:
            return (
                wrong_kind(prober, identity)
                if identity is not None
                else await mismatch(prober, models)
            )
        metrics = (await prober.get("/metrics")).body
        version = (await prober.get("/version")).fields().get("version")
        state, detail = await _state(prober, metrics)
        return Probe(
            state,
            detail,
            models=read_cards(models),
            version=version,
            wakes=state is not RunnerState.ASLEEP,
        )


async def _state(prober: Prober, metrics: bytes) -> tuple[RunnerState, str]:
    awake = [float(value) for value in _AWAKE.findall(metrics)]
    asleep = 0.0 in awake
    if not awake:
        told = await prober.get("/is_sleeping")
        asleep = told.fields().get("is_sleeping") is True
    if asleep:
        return RunnerState.ASLEEP, "vLLM sleeps; requests hang until its /wake_up is called"
    waiting = sum(float(value) for value in _WAITING.findall(metrics))
    if waiting:
        return RunnerState.BUSY, f"{waiting:g} requests wait inside vLLM"
    return RunnerState.READY, ""


def _drop_empty_tools(fields: dict[str, Raw]) -> None:
    """vLLM refuses an empty list of tools, and a choice among none."""
    tools = fields["tools"]
    if not is_null(tools) and msgspec.json.decode(tools):
        return
    del fields["tools"]
    if bytes(fields.get("tool_choice", b"")) in (b'"auto"', b'"none"', b"null"):
        del fields["tool_choice"]
