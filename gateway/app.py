"""The composition root: from a configuration to one ASGI application with everything behind it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.admission import LocalGate
from gateway.api.control_plane import control_plane
from gateway.auth import Authenticator, Key, Principal
from gateway.inference.dispatch import Dispatcher
from gateway.inference.handler import ENDPOINTS, BodyLimits, InferenceHandler
from gateway.routing.connect import connect_runner
from gateway.routing.registry import Registry
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import Settings
from gateway.telemetry.access import Format, Recorder
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 3.0
"""How long a start waits for the first answer of each runner before it serves all the same."""


class Gateway:
    """One replica. Use it as an ASGI application between `start` and `aclose`, on one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        log_format: Format = "text",
        access_fd: int | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        # Not the loop's clock: uvloop's moves in whole milliseconds.
        self._clock = time.monotonic
        self.started_at = int(time.time())
        self.admission = LocalGate(max_waiting=settings.queue.max_waiting, clock=self._clock)
        self.metrics = Metrics(runners=lambda: self.runners, waiting=self.admission.waiting)
        self.render_metrics = self.metrics.render
        self._sink: Sink | None = None
        if access_fd is not None and settings.log.access:
            self._sink = Sink(access_fd, on_drop=self.metrics.records_dropped.inc)
        self.handler = InferenceHandler(
            dispatcher=Dispatcher(self.admission, self._clock),
            recorder=Recorder(self.metrics, self._sink, log_format),
            metrics=self.metrics,
            limits=_body_limits(settings),
            clock=self._clock,
        )
        self.registry = Registry(
            admission=self.admission,
            connect=connect_runner,
            progress=progress,
            publish=self._publish,
        )
        self._settings = settings
        control = control_plane(self, metrics=settings.metrics.enabled)
        self._app: ASGIApp = _Paths(self.handler, control)
        if settings.server.cors_origins:
            self._app = _with_cors(self._app, settings.server.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        await self._app(scope, receive, send)

    @property
    def table(self) -> RouteTable:
        """The models that are offered now."""
        return self.registry.table

    @property
    def runners(self) -> Iterable[Runner]:
        """Every runner, in the operator's order."""
        return self.registry.runners

    @property
    def authenticator(self) -> Authenticator:
        """Who may call."""
        return self.handler.authenticator

    @property
    def draining(self) -> bool:
        """Whether no new work is taken."""
        return self.handler.draining

    async def start(self) -> None:
        """Know every runner, as far as that goes in `FIRST_LOOK_S`."""
        await self.apply(self._settings)
        await self.registry.first_look(FIRST_LOOK_S)

    async def apply(self, settings: Settings) -> None:
        """Take over a configuration; requests that run keep what they began with."""
        self._settings = settings
        self.handler.authenticator = _authenticator(settings)
        self.handler.limits = _body_limits(settings)
        await self.registry.apply(settings)

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new requests and wait for those that run; whether all ended in time."""
        self.handler.draining = True
        try:
            async with asyncio.timeout(deadline_s):
                await self.handler.idle.wait()
        except TimeoutError:
            logger.warning("%d requests did not end in %g s", self.handler.active, deadline_s)
            return False
        return True

    async def aclose(self) -> None:
        """Stop every runner of ours, close every connection, write out the log. Idempotent."""
        await self.registry.aclose()
        if self._sink is not None:
            self._sink.close()

    def _publish(self, table: RouteTable) -> None:
        self.handler.table = table


class _Paths:
    """Sends inference requests to their handler and everything else to the control plane."""

    def __init__(self, inference: ASGIApp, control: ASGIApp) -> None:
        self._inference = inference
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path in ENDPOINTS:
            await self._inference(scope, receive, send)
            return
        # A base URL that ends in "/" makes clients send "/v1//models".
        tidy = "/" + "/".join(part for part in path.split("/") if part)
        if tidy != path and scope["type"] == "http":
            scope = {**scope, "path": tidy}
            if tidy in ENDPOINTS:
                await self._inference(scope, receive, send)
                return
        await self._control(scope, receive, send)


def _with_cors(app: ASGIApp, origins: Iterable[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "retry-after", "x-sluicegate-queue-ms"],
    )


def _authenticator(settings: Settings) -> Authenticator:
    if settings.auth.mode == "none":
        return Authenticator(None)
    return Authenticator(
        [
            Key(bytes.fromhex(key.sha256), Principal(key.name, key.tenant or key.name))
            for key in settings.auth.keys
        ]
    )


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(
        bytes=settings.server.max_body_mb << 20, time_s=settings.server.body_timeout_s
    )
