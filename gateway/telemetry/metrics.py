"""Every metric, declared once, with its unit and its labels.

Labels hold only names from the configuration, states and status codes: never what a client sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from backends.base import RunnerState
from gateway.inference.exchange import Exchange
from gateway.routing.runner import Runner
from gateway.telemetry.gaps import BUCKETS_S, Gaps

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DURATION_S = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
_WAIT_S = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_FIRST_TOKEN_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0),
)


class Metrics:
    """The metrics of one replica, on a registry of their own."""

    def __init__(
        self,
        *,
        runners: Callable[[], Iterable[Runner]],
        waiting: Callable[[str], int],
    ) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sluicegate_requests",
            "Requests by public model, backend that answered, and HTTP status (499: client left).",
            ["operation", "model", "backend", "status"],
            registry=self.registry,
        )
        self._errors = Counter(
            "sluicegate_errors",
            "Requests that did not end in a complete answer, by error code.",
            ["model", "backend", "code"],
            registry=self.registry,
        )
        self._tokens = Counter(
            "sluicegate_tokens",
            "Tokens in prompts and answers, as the runners count them.",
            ["model", "backend", "direction"],
            registry=self.registry,
        )
        self._ignored = Counter(
            "sluicegate_ignored_parameters",
            "Parameters that a runner would have ignored silently.",
            ["model", "backend", "parameter"],
            registry=self.registry,
        )
        self._queue = Histogram(
            "sluicegate_queue_wait_seconds",
            "Time from the end of the request body to a slot.",
            ["model"],
            buckets=_WAIT_S,
            registry=self.registry,
        )
        self._first_token = Histogram(
            "sluicegate_time_to_first_token_seconds",
            "Time from the request to the first generated token, queue included.",
            ["model", "backend"],
            buckets=_FIRST_TOKEN_S,
            registry=self.registry,
        )
        self._duration = Histogram(
            "sluicegate_request_duration_seconds",
            "Time from the request to the last byte of its answer.",
            ["model", "backend"],
            buckets=_DURATION_S,
            registry=self.registry,
        )
        self.records_dropped = Counter(
            "sluicegate_access_records_dropped",
            "Access records that were dropped because the log could not be written fast enough.",
            registry=self.registry,
        )
        self._gaps: dict[tuple[str, str], Gaps] = {}
        self.registry.register(_LiveState(runners, waiting, self._gaps))
        self._of_pair = lru_cache(maxsize=4096)(self._make_pair)
        self._of_status = lru_cache(maxsize=8192)(self._requests.labels)

    def gaps(self, model: str, backend: str) -> Gaps:
        """The histogram of times between tokens of one model on one backend."""
        gaps = self._gaps.get((model, backend))
        if gaps is None:
            gaps = self._gaps[(model, backend)] = Gaps()
        return gaps

    def observe(self, exchange: Exchange, *, ended: float) -> None:
        """Count a finished exchange."""
        model, backend = exchange.model or "", exchange.backend or ""
        self._of_status(exchange.operation.value, model, backend, str(exchange.status)).inc()
        if exchange.code is not None:
            self._errors.labels(model, backend, exchange.code).inc()
        if not model:
            return
        pair = self._of_pair(model, backend)
        if exchange.queue_s is not None:
            pair.queue.observe(exchange.queue_s)
        if not backend:
            return
        if exchange.first_token is not None:
            pair.first_token.observe(exchange.first_token - exchange.started)
        pair.duration.observe(ended - exchange.started)
        usage = exchange.usage
        if usage is not None:
            pair.tokens_in.inc(usage.prompt_tokens)
            pair.tokens_out.inc(usage.completion_tokens)
        for parameter in exchange.ignored:
            self._ignored.labels(model, backend, parameter).inc()

    def render(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _make_pair(self, model: str, backend: str) -> _Pair:
        return _Pair(
            queue=self._queue.labels(model),
            first_token=self._first_token.labels(model, backend),
            duration=self._duration.labels(model, backend),
            tokens_in=self._tokens.labels(model, backend, "in"),
            tokens_out=self._tokens.labels(model, backend, "out"),
        )


class _Pair:
    """The labelled metrics of one model on one backend, looked up once."""

    __slots__ = ("duration", "first_token", "queue", "tokens_in", "tokens_out")

    def __init__(
        self,
        *,
        queue: Histogram,
        first_token: Histogram,
        duration: Histogram,
        tokens_in: Counter,
        tokens_out: Counter,
    ) -> None:
        self.queue = queue
        self.first_token = first_token
        self.duration = duration
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out


class _LiveState(Collector):
    """What is true at the moment of the scrape."""

    def __init__(
        self,
        runners: Callable[[], Iterable[Runner]],
        waiting: Callable[[str], int],
        gaps: dict[tuple[str, str], Gaps],
    ) -> None:
        self._runners = runners
        self._waiting = waiting
        self._gaps = gaps

    def collect(self) -> Iterable[Metric]:
        """Read the runners and the gaps."""
        in_flight = GaugeMetricFamily(
            "sluicegate_in_flight", "Requests on a runner.", labels=["runner"]
        )
        waiting = GaugeMetricFamily(
            "sluicegate_waiting", "Requests that wait for a slot of a runner.", labels=["runner"]
        )
        slots = GaugeMetricFamily(
            "sluicegate_slots", "Slots of a runner (absent: unlimited).", labels=["runner"]
        )
        state = GaugeMetricFamily(
            "sluicegate_runner_state", "1 for the state a runner is in.", labels=["runner", "state"]
        )
        for runner in self._runners():
            in_flight.add_metric([runner.name], runner.in_flight)
            waiting.add_metric([runner.name], self._waiting(runner.name))
            if not runner.unlimited:
                slots.add_metric([runner.name], runner.working_slots)
            for each in RunnerState:
                state.add_metric([runner.name, each.value], float(runner.state is each))
        return [in_flight, waiting, slots, state, self._token_gaps()]

    def _token_gaps(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "sluicegate_time_between_tokens_seconds",
            "Time between two pieces of a streamed answer.",
            labels=["model", "backend"],
        )
        bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
        for labels, gaps in list(self._gaps.items()):
            total = 0
            buckets = []
            for bound, count in zip(bounds, gaps.counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric(list(labels), buckets, gaps.sum_s)
        return family
