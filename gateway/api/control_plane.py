"""The FastAPI application: everything but inference. Its errors have OpenAI's shape too."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from gateway import __version__
from gateway.api.documentation import documentation_router
from gateway.api.head import HeadLikeGet
from gateway.api.health import health_router
from gateway.api.models import models_router
from gateway.api.openapi import describe
from gateway.api.operations import operations_router
from gateway.api.view import GatewayView
from gateway.errors import GatewayError, InvalidRequest, MethodNotAllowed
from gateway.wire import error_body, error_headers

logger = logging.getLogger(__name__)


def control_plane(view: GatewayView, *, metrics: bool) -> FastAPI:
    """Build it. `/docs` is served from files of ours: it asks nobody else for anything."""
    app = FastAPI(
        title="Sluicegate",
        version=__version__,
        summary="One OpenAI-compatible gateway in front of Ollama, llama.cpp and vLLM.",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.include_router(operations_router(view, metrics=metrics))
    app.include_router(documentation_router(app.title))
    app.include_router(health_router(view))
    app.include_router(models_router(view))
    app.add_middleware(HeadLikeGet)
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _internal_error)
    describe(app)
    return app


def _respond(error: GatewayError) -> Response:
    body = error_body(error)
    response = Response(body, error.status)
    response.raw_headers = error_headers(error, body)
    return response


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    return _respond(error)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.scope["path"][:200]
    if error.status_code == 405:
        allowed = set((error.headers or {}).get("Allow", "").split(", "))
        if "GET" in allowed:
            allowed.add("HEAD")
        return _respond(MethodNotAllowed(method, path, sorted(allowed)))
    if error.status_code == 404:
        message = f"Unknown path {method} {path}. See /docs for the paths that exist."
        code = "unknown_path"
    else:
        message, code = str(error.detail), "invalid_request"
    return _respond(InvalidRequest(message, status=error.status_code, code=code))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:])
    return _respond(InvalidRequest(f"Invalid value for '{name}': {first['msg']}.", param=name))


async def _internal_error(request: Request, error: Exception) -> Response:
    logger.error("the control plane failed on %s", request.scope["path"], exc_info=error)
    return _respond(
        GatewayError(
            "The gateway failed; its log says more.",
            status=500,
            type="server_error",
            code="internal_error",
        )
    )
