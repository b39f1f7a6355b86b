"""The adapter for any other OpenAI-compatible server: LM Studio, MLX, TGI, SGLang, LocalAI, …"""

from __future__ import annotations

from typing import ClassVar

from backends.base import BackendKind, Probe, RunnerState
from backends.identity import LLAMA_CPP_PYTHON, OWNERS, refused_credential, wrong_kind
from backends.model_list import owners, read_cards
from backends.openai_compat import OpenAICompatBackend
from backends.probing import Prober


class OpenAIServerBackend(OpenAICompatBackend):
    """Any OpenAI-compatible server. Requests pass through; its url may end in /v1."""

    kind: BackendKind = "openai"
    default_slots: int = 4
    """Nothing is known of the server: enough to use one that batches, little enough for a desk."""
    url_may_end_in_v1: ClassVar[bool] = True
    unsupported_hint: ClassVar[str] = "its API has no such route"

    async def look(self, prober: Prober) -> Probe:
        """Ask `/v1/models`, the one route that all of them have."""
        models = await prober.models()
        if models.status in (401, 403):
            return refused_credential(prober, models)
        if models.status == 503:
            return Probe(RunnerState.LOADING, f"{prober.url}/v1/models answered HTTP 503")
        if models.status in (404, 405, 501):
            return Probe(RunnerState.READY, f"{prober.url} does not list its models")
        if models.status != 200 or "data" not in models.fields():
            return Probe(
                RunnerState.DOWN,
                f"{prober.url} answered HTTP {models.status} without a list of models; "
                f"check url and backend of runner {self.name}",
            )
        if LLAMA_CPP_PYTHON in [OWNERS.get(owner) for owner in owners(models)]:
            # Each of these probes would take its inference lock and cut the running stream.
            return wrong_kind(prober, LLAMA_CPP_PYTHON)
        return Probe(RunnerState.READY, models=read_cards(models))
