"""The inference endpoints: one plain ASGI callable behind all of them.

FastAPI is not on this path, because its dependency injection costs more than the proxying.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from backends.base import Operation
from gateway.auth import Authenticator
from gateway.errors import GatewayError, InvalidRequest, Unavailable
from gateway.inference.body import ClientGone, read_body
from gateway.inference.departure import Departure
from gateway.inference.dispatch import Dispatcher
from gateway.inference.envelope import read_call
from gateway.inference.exchange import Exchange
from gateway.inference.relay import BrokenReply, relay
from gateway.inference.responder import Responder
from gateway.routing.table import RouteTable
from gateway.telemetry.access import Recorder
from gateway.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

ENDPOINTS: dict[str, Operation] = {
    path: operation for operation in Operation for path in (operation.value, f"/v1{operation.value}")
}
"""Path to operation; clients of llama.cpp leave the `/v1` out."""

CLIENT_GONE = 499
"""Status in the record of a request whose client left; nobody ever receives it."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a request body may be, and how long it may take to arrive."""

    bytes: int
    time_s: float


class InferenceHandler:
    """Serves one request per call. What it holds is shared by all requests and swapped whole.

    `table` and `authenticator` are replaced by a reload; a request keeps what it began with.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        recorder: Recorder,
        metrics: Metrics,
        limits: BodyLimits,
        clock: Callable[[], float],
    ) -> None:
        self.table = RouteTable()
        self.authenticator = Authenticator(None)
        self.limits = limits
        self.draining = False
        self.active = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self._dispatcher = dispatcher
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose path is in `ENDPOINTS`."""
        exchange = Exchange(ENDPOINTS[scope["path"]], self._clock())
        exchange.read_headers(scope["headers"])
        responder = Responder(send, exchange)
        self.active += 1
        self.idle.clear()
        try:
            try:
                await self._serve(scope["method"], exchange, receive, responder)
            except GatewayError as error:
                exchange.code = error.code
                await responder.error(error)
            except ClientGone:
                exchange.status = CLIENT_GONE
                exchange.code = exchange.code or "client_gone"
            except BrokenReply:
                # The length promised to the client is not reached: the server cuts the connection.
                logger.debug("reply of request %s broke off", exchange.request_id)
            except asyncio.CancelledError:
                exchange.status = exchange.status or 503
                exchange.code = "shutting_down"
                raise
            except Exception:
                logger.exception("request %s failed inside the gateway", exchange.request_id)
                exchange.code = "internal_error"
                if not responder.started:
                    await responder.error(_internal(exchange))
        finally:
            self.active -= 1
            if not self.active:
                self.idle.set()
            self._recorder.record(exchange, ended=self._clock())

    async def _serve(
        self, method: str, exchange: Exchange, receive: Receive, responder: Responder
    ) -> None:
        if method != "POST":
            raise InvalidRequest(
                f"Method {method} is not allowed here; use POST.",
                status=405,
                code="method_not_allowed",
            )
        if self.draining:
            raise Unavailable(
                "The gateway is shutting down.", code="shutting_down", retry_after_s=2.0
            )
        principal = self.authenticator.authenticate(exchange.authorization, exchange.api_key)
        exchange.tenant = principal.tenant or None
        table = self.table
        body = await read_body(
            receive,
            declared=exchange.content_length,
            encoding=exchange.content_encoding,
            limit=self.limits.bytes,
            time_s=self.limits.time_s,
        )
        call = read_call(exchange.operation, body)
        exchange.stream = call.stream
        route = table.resolve(call.model)
        exchange.model = route.model
        with Departure(receive):
            run = await self._dispatcher.open(call, route, exchange)
            try:
                gaps = self._metrics.gaps(route.model, run.runner.kind)
                await relay(run, responder, exchange, clock=self._clock, gaps=gaps)
            finally:
                run.close()


def _internal(exchange: Exchange) -> GatewayError:
    return GatewayError(
        f"The gateway failed; its log says more under request id {exchange.request_id}.",
        status=500,
        type="server_error",
        code="internal_error",
    )
