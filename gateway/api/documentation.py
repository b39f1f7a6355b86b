"""`/docs`: Swagger UI out of the wheel `fastapi-swagger`; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_FOLDER = "swagger"
_CACHE = {"cache-control": "max-age=86400"}


def documentation_router(title: str) -> APIRouter:
    """The page and what it loads.

    Its references are relative: absolute ones would be made from the Host header, which a client
    may choose, and would not survive TLS or a path prefix of a proxy in front.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        bundle, style, icon = _ASSETS
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url=f"{_FOLDER}/{bundle}",
            swagger_css_url=f"{_FOLDER}/{style}",
            swagger_favicon_url=f"{_FOLDER}/{icon}",
            # Without this, Swagger UI may ask a public service to check the document.
            swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
        )

    for name, media_type in _ASSETS.items():
        router.add_api_route(f"/{_FOLDER}/{name}", _asset(name, media_type), methods=["GET"])
    return router


def _asset(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def serve() -> Response:
        data = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
        return Response(data, media_type=media_type, headers=_CACHE)

    return serve
