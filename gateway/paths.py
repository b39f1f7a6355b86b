"""Which application serves which path."""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.inference.handler import ENDPOINTS


class Paths:
    """Sends inference requests to their handler and everything else to the control plane.

    It is no coroutine itself: one less for each message of each request to pass through.
    """

    def __init__(self, inference: ASGIApp, control: ASGIApp) -> None:
        self._inference = inference
        self._control = control

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what serves the request, to be awaited."""
        path = scope.get("path", "")
        if path in ENDPOINTS:
            return self._inference(scope, receive, send)
        # A base URL that ends in "/" makes clients send "/v1//models".
        tidy = "/" + "/".join(part for part in path.split("/") if part)
        if tidy != path and scope["type"] == "http":
            scope = {**scope, "path": tidy}
            if tidy in ENDPOINTS:
                return self._inference(scope, receive, send)
        return self._control(scope, receive, send)
