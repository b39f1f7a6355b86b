"""`/` and `/metrics`."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from gateway import __version__
from gateway.api.view import GatewayView
from gateway.telemetry.metrics import CONTENT_TYPE

_LINKS = {
    "models": "/v1/models",
    "documentation": "/docs",
    "health": "/health",
    "metrics": "/metrics",
}


def operations_router(view: GatewayView, *, metrics: bool) -> APIRouter:
    """The routes; `/metrics` only where it is switched on."""
    router = APIRouter(tags=["operations"])

    @router.get("/", operation_id="root")
    async def root(request: Request) -> Response:
        """What this is and where to go on."""
        base_url = f"{request.url.scheme}://{request.url.netloc}/v1"
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(_page(base_url))
        return JSONResponse(
            {"name": "sluicegate", "version": __version__, "base_url": base_url, **_LINKS}
        )

    if metrics:

        @router.get("/metrics", operation_id="metrics", response_class=Response)
        async def scrape() -> Response:
            """Prometheus metrics."""
            return Response(await view.render_metrics(), media_type=CONTENT_TYPE)

    return router


def _page(base_url: str) -> str:
    links = "".join(f'<li><a href="{path}">{name}</a></li>' for name, path in _LINKS.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'><title>Sluicegate</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;"
        "padding:0 1rem}code{background:#8882;padding:.15em .4em;border-radius:4px}"
        "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}</style>"
        f"<h1>Sluicegate {escape(__version__)}</h1>"
        f"<p>Point any OpenAI client at <code>{escape(base_url)}</code>.</p><ul>{links}</ul></html>"
    )
