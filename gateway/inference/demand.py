"""What one request asks of the queue: in whose name, for how long, and how long it may wait."""

from __future__ import annotations

from zlib import crc32

from msgspec import Struct

from backends.base import Call
from gateway.admission import Ticket
from gateway.admission.base import Progress
from gateway.admission.flow import flow_of
from gateway.admission.service_time import ServiceTimes
from gateway.exchange import Exchange
from gateway.inference.account import Account
from gateway.principal import Principal, ServiceClass
from gateway.routing.table import Route

_LONGEST_S = 86_400.0
_PATIENCE = 3.0
_FINGERPRINTED = 1024
_TOKEN_LIMITS = ("max_completion_tokens", "max_tokens")


class Demand(Struct, eq=False):
    """One request as the queue sees it. Made for each; reckoned only where a slot is asked for.

    A caller's explicit deadline (`x-request-timeout-ms`) bounds the wait to what is left of it
    after the answer, and puts the request in order of slack. The time-out of a client library only
    bounds the wait: each try of it has a time-out of its own, so all but twice the predicted
    service may be waited, and never less than a quarter. A request that comes again may wait three
    times as long as one that comes first, within the same bounds.
    """

    _exchange: Exchange
    _body: bytes
    _principal: Principal
    _service_class: ServiceClass
    _route: Route
    _times: ServiceTimes
    account: Account
    """The limits, which must have let the request in before a runner gets it."""
    most_tokens: int | None = None
    progress: Progress | None = None

    def ticket(self, candidates: tuple[str, ...], waited_s: float, *, last: bool) -> Ticket:
        """The ticket for a slot on one of these, when it has waited so long already.

        `last`: nothing else will be tried for the request.
        """
        queue, exchange, route = self._route.queue, self._exchange, self._route
        principal, service_class = self._principal, self._service_class
        flow = flow_of(principal.tenant, service_class, principal.weight)
        size = len(self._body)
        cost_s = self._times.predict(route.model, exchange.operation, size, self.most_tokens)
        wait_s = lead_s = route.waits[service_class]
        patience_s = 0.0
        if exchange.retry_count is not None and exchange.retry_count != b"0":
            patience_s = wait_s * _PATIENCE
        if exchange.timeout_ms is not None:
            deadline_s = _number(exchange.timeout_ms, 1000.0)
            if deadline_s is not None:
                lead_s = max(0.0, deadline_s - cost_s)
                wait_s, patience_s = min(wait_s, lead_s), min(patience_s, lead_s)
        if exchange.read_timeout is not None:
            silence_s = _number(exchange.read_timeout, 1.0)
            if silence_s is not None:
                most_s = max(silence_s / 4, silence_s - 2 * cost_s)
                wait_s, patience_s = min(wait_s, most_s), min(patience_s, most_s)
        return Ticket(
            queue.model,
            candidates,
            max(0.0, wait_s - waited_s),
            queue.max_waiting,
            queue.policy,
            flow,
            cost_s,
            lead_s,
            _fingerprint(flow.id, self._body),
            patience_s,
            last,
            self.progress,
            self.account.permit,
        )


def most_tokens_of(call: Call) -> int | None:
    """The caller's own limit on the answer, over all its choices."""
    for name in _TOKEN_LIMITS:
        raw = call.fields.get(name)
        if raw is not None:
            text = bytes(raw)
            if text.isdigit():
                return int(text) * call.choices
    return None


def _number(text: bytes, unit: float) -> float | None:
    """A positive number of `unit`s a second, in seconds; None for anything else."""
    if not text.replace(b".", b"", 1).isdigit() or len(text) > 16:
        return None
    return min(_LONGEST_S, float(text) / unit)


def _fingerprint(flow: str, body: bytes) -> str:
    """Tells this request of a flow from others when it comes again.

    A false match only lends a place in line within the same flow, so both ends of the body and its
    length are enough, and a large one costs no more than a small one.
    """
    if len(body) <= 2 * _FINGERPRINTED:
        ends = crc32(body)
    else:
        ends = crc32(body[-_FINGERPRINTED:], crc32(body[:_FINGERPRINTED]))
    return f"{flow}{len(body):x}.{ends:x}"
