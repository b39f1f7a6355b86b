"""The inference endpoints: one plain ASGI callable behind all of them.

FastAPI is not on this path, because its dependency injection costs more than the proxying.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Receive, Scope, Send

from backends.base import Call, Operation
from gateway.admission.base import Progress
from gateway.admission.service_time import ServiceTimes
from gateway.auth import Authenticator, NotInMemory
from gateway.classes import Standings, tier_of
from gateway.errors import GatewayError, MethodNotAllowed, Unavailable
from gateway.exchange import Exchange, RequestIds
from gateway.inference.account import Account
from gateway.inference.body import BodyLimits, BodyReader, ClientGone
from gateway.inference.demand import Demand, most_tokens_of
from gateway.inference.departure import Departure
from gateway.inference.direct import Direct, direct
from gateway.inference.dispatch import Dispatcher
from gateway.inference.envelope import read_call
from gateway.inference.relay import BrokenReply, relay
from gateway.inference.responder import Responder
from gateway.inference.waiting_stream import open_audibly
from gateway.limits.estimate import estimate_tokens
from gateway.limits.limiter import Limiter
from gateway.principal import Principal, ServiceClass
from gateway.routing.table import Route, RouteTable
from gateway.telemetry.access import Recorder
from gateway.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracer

logger = logging.getLogger(__name__)

ENDPOINTS: dict[str, Operation] = {
    prefix + operation.value: operation for operation in Operation for prefix in ("/v1", "")
}
"""Path to operation; clients of llama.cpp leave the `/v1` out."""

CLIENT_GONE = 499
"""Status in the record of a request whose client left; nobody ever receives it."""


class InferenceHandler:
    """Serves one request per call. What it holds is shared by all requests and swapped whole.

    `table`, `authenticator` and `limits` are replaced by a reload; a request keeps what it began
    with.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        limiter: Limiter,
        times: ServiceTimes,
        recorder: Recorder,
        metrics: Metrics,
        limits: BodyLimits,
        clock: Callable[[], float],
        tracer: Tracer | None = None,
    ) -> None:
        self.table = RouteTable()
        self.authenticator = Authenticator(None)
        self.limits = limits
        self.draining = False
        self.active = 0
        self._idle: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._bodies = BodyReader()
        self._dispatcher = dispatcher
        self._limiter = limiter
        self._times = times
        self._standings = Standings()
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._tracer = tracer
        self._ids = RequestIds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose path is in `ENDPOINTS`."""
        clock = self._clock
        exchange = Exchange(ENDPOINTS[scope["path"]], clock(), self._ids.next())
        exchange.read_headers(scope["headers"])
        offered = direct(scope)
        responder = Responder(send, exchange, offered)
        if self._tracer is not None:
            self._tracer.begin(exchange)
        self.active += 1
        answer: GatewayError | None = None
        try:
            await self._serve(scope, exchange, receive, responder, offered)
        except BaseException as failure:
            answer = _failed(failure, exchange)
            if answer is not None:
                await responder.error(answer)
        finally:
            # It knows this frame: held by it, the request would wait for the garbage collector.
            answer = None
            self.active -= 1
            if self._idle is not None and not self.active and not self._idle.done():
                self._idle.set_result(None)
            self._recorder.record(exchange, ended=clock())
            if self._tracer is not None:
                self._tracer.end(exchange)

    async def finish(self) -> None:
        """Refuse new requests from now on, and wait until the last running one has ended."""
        self.draining = True
        if self.active:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle

    async def _serve(
        self,
        scope: Scope,
        exchange: Exchange,
        receive: Receive,
        responder: Responder,
        offered: Direct | None,
    ) -> None:
        if scope["method"] != "POST":
            raise MethodNotAllowed(scope["method"], exchange.operation.value, ("POST",))
        if self.draining:
            raise Unavailable(
                "The gateway is shutting down.", code="shutting_down", retry_after_s=2.0
            )
        principal = await self._identify(exchange, scope)
        table = self.table
        # Before Python 3.12 to ask the loop takes as long as to find the route.
        task = None if offered is None else offered.task
        if task is None:
            task = cast("asyncio.Task[Any]", asyncio.current_task(self._loop))
        body = await self._bodies.read(
            receive,
            task=task,
            declared=exchange.content_length,
            encoding=exchange.content_encoding,
            limits=self.limits,
            direct=offered,
        )
        call = read_call(exchange.operation, body)
        exchange.stream = call.stream
        route = table.resolve(call.model, principal.models)
        exchange.model = route.model
        principal, service_class = self._standing(principal, exchange, call)
        with Departure(receive, task, offered):
            most = most_tokens_of(call)
            account = self._account(principal, route, body, most, exchange)
            demand = Demand(
                exchange, body, principal, service_class, route, self._times, account, most
            )
            if route.waiting is not None and call.stream:
                demand.progress = Progress()
            try:
                await self._answer(call, route, exchange, demand, responder)
            except GatewayError:
                account.refund()
                raise
            finally:
                account.close()
        self._times.note_of(exchange, len(body))

    async def _identify(self, exchange: Exchange, scope: Scope) -> Principal:
        authenticator = self.authenticator
        try:
            principal = authenticator.authenticate(
                exchange.authorization, exchange.api_key, scope.get("client")
            )
        except NotInMemory as unknown:
            principal = await authenticator.look_up(unknown.digest)
        if principal.key_id:
            exchange.tenant = principal.tenant
        return principal

    def _standing(
        self, principal: Principal, exchange: Exchange, call: Call
    ) -> tuple[Principal, ServiceClass]:
        """On whose behalf, and in which class."""
        asked = exchange.asked_class or exchange.asked_tenant or exchange.asked_weight
        if asked is None and "service_tier" not in call.fields:
            return principal, principal.default_class
        standing = self._standings.of(
            principal,
            asked=exchange.asked_class,
            tier=tier_of(call.fields),
            tenant=exchange.asked_tenant,
            weight=exchange.asked_weight,
        )
        exchange.clamped = standing.clamped
        if standing.principal.key_id:
            exchange.tenant = standing.principal.tenant
        return standing.principal, standing.service_class

    def _account(
        self,
        principal: Principal,
        route: Route,
        body: bytes,
        most_tokens: int | None,
        exchange: Exchange,
    ) -> Account:
        """Ask the limits that apply to let the request in; the answer comes with that of the slot.

        Raises `RateLimited` where it is here already.
        """
        tokens = estimate_tokens(len(body), most_tokens)
        pending = self._limiter.begin(principal, route.model, route.limits, tokens=tokens)
        account = Account(pending, exchange, len(body))
        if pending.answered:
            account.check()
        return account

    async def _answer(
        self, call: Call, route: Route, exchange: Exchange, demand: Demand, responder: Responder
    ) -> None:
        opening = self._dispatcher.open(call, route, exchange, demand)
        if demand.progress is not None and route.waiting is not None:
            run = await open_audibly(
                opening, responder, exchange, demand.progress, route.waiting, self._clock
            )
        else:
            run = await opening
        try:
            gaps = self._metrics.pair(route.model, run.runner.kind).token_gap
            await relay(run, responder, exchange, clock=self._clock, gaps=gaps)
        finally:
            run.close()


def _failed(failure: BaseException, exchange: Exchange) -> GatewayError | None:
    """Note why a request failed; what to tell the caller, None where nobody listens any more.

    Raises the failure again where it is not ours to end.
    """
    if isinstance(failure, GatewayError):
        exchange.code = failure.code
        return failure
    if isinstance(failure, ClientGone):
        exchange.status = CLIENT_GONE
        exchange.code = exchange.code or "client_gone"
        return None
    if isinstance(failure, BrokenReply):
        # The length promised to the client is not reached, so the server cuts the connection.
        return None
    if isinstance(failure, Exception):
        logger.error("request %s failed inside the gateway", exchange.request_id, exc_info=failure)
        exchange.code = "internal_error"
        return GatewayError(
            f"The gateway failed; its log says more under request id {exchange.request_id}.",
            status=500,
            type="server_error",
            code="internal_error",
        )
    exchange.status = exchange.status or 503
    exchange.code = "shutting_down"
    raise failure
