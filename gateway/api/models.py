"""`GET /v1/models` and `GET /v1/models/{id}`, in one shape for many clients.

What the clients of OpenAI, Anthropic and vLLM look for stands side by side.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from gateway.api.view import GatewayView
from gateway.principal import Principal
from gateway.routing.table import Route


def models_router(view: GatewayView) -> APIRouter:
    """The routes, with and without `/v1`. An id may hold `/` and `:`, percent-encoded or not."""
    router = APIRouter(tags=["models"])

    async def caller(request: Request) -> Principal:
        headers = request.headers
        authorization = headers.get("authorization")
        key = headers.get("x-api-key") or headers.get("api-key")
        return await view.authenticator.identify(
            authorization.encode("latin-1") if authorization is not None else None,
            key.encode("latin-1") if key is not None else None,
            request.scope["client"],
        )

    async def list_models(request: Request) -> JSONResponse:
        """Every model and alias that the caller may use, with its context length where known."""
        principal = await caller(request)
        data = [
            _card(name, route, view.started_at)
            for name, route in view.table.names(principal.models)
        ]
        return JSONResponse(
            {
                "object": "list",
                "data": data,
                "has_more": False,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        )

    async def get_model(request: Request, model: str) -> JSONResponse:
        """One model or alias."""
        principal = await caller(request)
        route = view.table.resolve(model, principal.models)
        return JSONResponse(_card(model, route, view.started_at))

    for prefix in ("/v1", ""):
        shown = bool(prefix)
        router.add_api_route(
            f"{prefix}/models", list_models, methods=["GET"], include_in_schema=shown
        )
        router.add_api_route(
            f"{prefix}/models/{{model:path}}", get_model, methods=["GET"], include_in_schema=shown
        )
    return router


def _card(name: str, route: Route, created: int) -> dict[str, Any]:
    card: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "sluicegate",
        "type": "model",
        "display_name": name,
        "created_at": datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z"),
        "root": route.model,
        "backend": route.targets[0].backend,
    }
    if route.description is not None:
        card["description"] = route.description
    context_length = _context_length(route)
    if context_length is not None:
        card["context_length"] = card["max_model_len"] = context_length
    return card


def _context_length(route: Route) -> int | None:
    """The least of what the chosen backend's runners can take, so that a promise holds on each."""
    target = route.targets[0]
    pinned = target.model.options.get("num_ctx")
    if isinstance(pinned, int):
        return pinned
    lengths = [runner.context_length(target.model.name) for runner in target.runners]
    known = [length for length in lengths if length is not None]
    return min(known) if known else None
