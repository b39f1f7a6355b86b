"""The composition root: from a configuration to one ASGI application with everything behind it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.admission import LocalGate, SharedGate
from gateway.admission.library import library_of
from gateway.admission.service_time import ServiceTimes
from gateway.api.control_plane import control_plane
from gateway.auth import Authenticator
from gateway.inference.body import BodyLimits
from gateway.inference.dispatch import Dispatcher
from gateway.inference.handler import InferenceHandler
from gateway.keys.configured import allowance_of
from gateway.keys.keeper import KeyKeeper
from gateway.limits.limiter import Limiter
from gateway.limits.shared import limits_text
from gateway.paths import Paths
from gateway.proxies import behind
from gateway.routing.connect import connect_runner
from gateway.routing.registry import Registry
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable
from gateway.settings import Settings
from gateway.store import Store
from gateway.telemetry.access import Format, Recorder
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.sink import Sink

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracer

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 3.0
"""How long a start waits for the first answer of each runner before it serves all the same."""


class Gateway:
    """One replica, on one event loop."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        log_format: Format = "text",
        access_fd: int | None = None,
        progress: Callable[[str], None] = lambda text: None,
        gathered: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """`gathered` yields the metrics of all workers, where there are several."""
        # Not the loop's clock: uvloop's moves in whole milliseconds.
        self._clock = time.monotonic
        self.started_at = int(time.time())
        library = library_of([limits_text()])
        self.admission = SharedGate(
            store,
            most_in_flow=settings.queue.max_waiting_per_flow,
            local=LocalGate(max_waiting=settings.queue.max_waiting, clock=self._clock),
            clock=self._clock,
            closed=settings.store.degraded == "closed",
            library=library,
        )
        self._times = ServiceTimes()
        self._store = store
        self.metrics = Metrics(
            runners=lambda: self.runners,
            waiting=self.admission.waiting,
            store_up=lambda: store.up,
            replicas=lambda: self.admission.replicas,
        )
        self._sink: Sink | None = None
        if access_fd is not None and settings.log.access:
            self._sink = Sink(access_fd, on_drop=self.metrics.drop_record)
        self._tracer = _tracer(settings)
        self._recorder = Recorder(self.metrics, self._sink, log_format)
        self._limiter = Limiter(
            store,
            prefix=store.home,
            library=library,
            closed=settings.limits.when_store_down == "closed",
            replicas=lambda: self.admission.replicas,
            would_refuse=lambda bucket: self.metrics.would_refuse(bucket.label),
        )
        self._keys = KeyKeeper(store, settings.store.domain)
        self.handler = InferenceHandler(
            dispatcher=Dispatcher(self.admission, self._clock),
            limiter=self._limiter,
            times=self._times,
            recorder=self._recorder,
            metrics=self.metrics,
            limits=_body_limits(settings),
            clock=self._clock,
            tracer=self._tracer,
        )
        self.registry = Registry(
            admission=self.admission,
            connect=connect_runner,
            progress=progress,
            publish=self._publish,
        )
        self._gathered = gathered
        self._settings = settings
        control = control_plane(self, metrics=settings.metrics.enabled)
        self.asgi: ASGIApp = Paths(self.handler, control)
        """The application: serve it between `start` and `aclose`."""
        if settings.server.cors_origins:
            self.asgi = _with_cors(self.asgi, settings.server.cors_origins)
        if settings.server.trusted_proxies:
            self.asgi = behind(settings.server.trusted_proxies, self.asgi)

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

    @property
    def degraded(self) -> bool:
        """Whether the store is down and this replica on its own."""
        return self.admission.degraded

    @property
    def store_up(self) -> bool:
        """Whether the store is reached now."""
        return self._store.up

    def tokens(self) -> tuple[int, int]:
        """Tokens in prompts and in answers, of all requests that have ended."""
        self._recorder.flush()
        return self.metrics.tokens()

    async def render_metrics(self) -> bytes:
        """Every metric of all workers, in the text format of Prometheus."""
        if self._gathered is not None:
            return await self._gathered()
        self._recorder.flush()
        return self.metrics.render()

    def collect_metrics(self) -> Iterable[Metric]:
        """Every metric of this process."""
        self._recorder.flush()
        return self.metrics.collect()

    async def start(self) -> None:
        """Know every runner, as far as that goes in `FIRST_LOOK_S`. The store must be open."""
        await self.admission.start(learn=self._times.learn)
        self._limiter.start()
        await self.apply(self._settings)
        await self.registry.first_look(FIRST_LOOK_S)

    async def apply(self, settings: Settings) -> None:
        """Take over a configuration; requests that run keep what they began with."""
        self._settings = settings
        await self._keys.apply(settings.auth, settings.limits)
        self.handler.authenticator = self._authenticator(settings)
        self.handler.limits = _body_limits(settings)
        await self.registry.apply(settings)

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new requests and wait for those that run; whether all ended in time."""
        try:
            async with asyncio.timeout(deadline_s):
                await self.handler.finish()
        except TimeoutError:
            logger.warning("%d requests did not end in %g s", self.handler.active, deadline_s)
            return False
        return True

    async def aclose(self) -> None:
        """Stop every runner of ours, close every connection, write out the log. Idempotent."""
        await self.registry.aclose()
        await self._keys.aclose()
        await self._limiter.aclose()
        await self.admission.aclose()
        self._recorder.flush()
        if self._sink is not None:
            self._sink.close()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)

    def _authenticator(self, settings: Settings) -> Authenticator:
        if settings.auth.mode == "none":
            return Authenticator(None, allowance=allowance_of(settings.limits))
        return Authenticator(self._keys.table, lookup=self._keys.lookup)

    def _publish(self, table: RouteTable) -> None:
        self.handler.table = table


def _with_cors(app: ASGIApp, origins: Iterable[str]) -> ASGIApp:
    async def by_messages(scope: Scope, receive: Receive, send: Send) -> None:
        # The headers are added to the messages of ASGI, so no other way may be taken.
        await app({**scope, "extensions": {}}, receive, send)

    return CORSMiddleware(
        by_messages,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=[
            "x-request-id",
            "retry-after",
            "retry-after-ms",
            "x-sluicegate-queue-ms",
            "x-sluicegate-runner",
            "x-sluicegate-ignored",
            "x-sluicegate-clamped",
            "x-ratelimit-limit-requests",
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-requests",
            "x-ratelimit-reset-tokens",
        ],
    )


def _tracer(settings: Settings) -> Tracer | None:
    if settings.tracing.endpoint is None:
        return None
    # Imported only where it is used: it takes a third of the start-up time.
    from gateway.telemetry.tracing import RequestTracer, otlp_exporter

    return RequestTracer(otlp_exporter(settings.tracing.endpoint), ratio=settings.tracing.ratio)


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(
        bytes=settings.server.max_body_mb << 20, time_s=settings.server.body_timeout_s
    )
