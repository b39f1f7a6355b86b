"""Liveness, readiness and state, for orchestrators and people."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from backends.base import RunnerState
from gateway.api.view import GatewayView

_ABLE = (RunnerState.READY, RunnerState.BUSY, RunnerState.ASLEEP)


def health_router(view: GatewayView) -> APIRouter:
    """The routes under `/health`. They say nothing of models, keys or addresses."""
    router = APIRouter(tags=["health"])

    @router.get("/health", operation_id="health")
    async def health() -> dict[str, Any]:
        """200 while the process serves; `status` says how well."""
        return {"status": _status(view), "runners": _counts(view)}

    @router.get("/health/live", operation_id="live")
    async def live() -> dict[str, str]:
        """200 while the process serves."""
        return {"status": "ok"}

    @router.get("/health/ready", operation_id="ready")
    async def ready() -> JSONResponse:
        """200 when a request could be answered now; 503 while draining or without any runner."""
        status = _status(view)
        able = status in ("ok", "degraded")
        headers = {} if able else {"retry-after": "2"}
        return JSONResponse({"status": status}, 200 if able else 503, headers)

    return router


def _status(view: GatewayView) -> str:
    if view.draining:
        return "draining"
    runners = list(view.runners)
    able = sum(runner.candidate and runner.state in _ABLE for runner in runners)
    if able and able == len(runners) and not view.degraded:
        return "ok"
    if able:
        return "degraded"
    loading = any(runner.state is RunnerState.LOADING for runner in runners)
    return "loading" if loading else "unavailable"


def _counts(view: GatewayView) -> dict[str, int]:
    counts: dict[str, int] = {}
    for runner in view.runners:
        counts[runner.state.value] = counts.get(runner.state.value, 0) + 1
    return counts
