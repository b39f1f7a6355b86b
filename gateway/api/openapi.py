"""Describe the inference endpoints, which FastAPI does not serve, in its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import FastAPI

from backends.base import Operation
from gateway.inference.envelope import ChatEnvelope, CompletionEnvelope, EmbeddingsEnvelope

_ENVELOPES: dict[Operation, tuple[type[msgspec.Struct], str]] = {
    Operation.CHAT: (ChatEnvelope, "Create a chat completion; streams with `stream: true`."),
    Operation.COMPLETIONS: (CompletionEnvelope, "Complete a prompt; streams with `stream: true`."),
    Operation.EMBEDDINGS: (EmbeddingsEnvelope, "Embed texts."),
}
_TAGS = ("inference", "models", "health", "operations")
"""In the order of the page."""

_ERRORS = {
    "400": "The request is wrong; the message says what would be right.",
    "401": "No key, or not one that is known.",
    "404": "No such model; the message names the nearest ones.",
    "413": "The body is too large.",
    "429": "A limit of the caller's own.",
    "502": "The runner answered with garbage or broke off; the message names it.",
    "503": "Overloaded, loading or unreachable; `Retry-After` says when to come back.",
    "504": "The runner was too slow.",
}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` include the inference endpoints."""
    generate: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document["tags"] = [{"name": tag} for tag in _TAGS]
        types = [envelope for envelope, _ in _ENVELOPES.values()]
        schemas, components = msgspec.json.schema_components(
            types, ref_template="#/components/schemas/{name}"
        )
        target = document.setdefault("components", {}).setdefault("schemas", {})
        target.update(components)
        for (operation, (_, summary)), schema in zip(_ENVELOPES.items(), schemas, strict=True):
            path = f"/v1{operation.value}"
            document["paths"].setdefault(path, {"post": _operation(operation, summary, schema)})
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _operation(operation: Operation, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["inference"],
        "summary": summary,
        "description": "Fields that are not listed here are passed on to the runner untouched.",
        "operationId": operation.name.lower(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {
                "description": "The answer, or with `stream: true` a stream of events.",
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            **{status: {"description": text} for status, text in _ERRORS.items()},
        },
    }
