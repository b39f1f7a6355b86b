"""Every page that can be got can be asked for by HEAD: RFC 9110 section 9.3.2."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadLikeGet:
    """Lets an application serve HEAD as it serves GET; the server leaves the body out.

    Routes with both methods would do as well, but FastAPI describes each of them twice then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
