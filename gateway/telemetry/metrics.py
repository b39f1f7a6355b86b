"""Every metric, declared once, with its unit and its labels.

Labels hold only names from the configuration, states and status codes; what a client or a runner
made up is bounded in number and form.
Values are kept in plain fields and turned into Prometheus' families at the scrape, because a
labelled counter of the client library costs as much as parsing a request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from backends.base import RunnerState
from gateway.exchange import Exchange
from gateway.routing.runner import Runner
from gateway.telemetry.bounded_names import BoundedNames
from gateway.telemetry.buckets import DURATION_S, FIRST_TOKEN_S, TOKEN_GAP_S, WAIT_S, Buckets

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PairMetrics:
    """The metrics of one public model on one backend."""

    __slots__ = ("duration", "first_token", "queue", "token_gap", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.queue = Buckets(WAIT_S)
        self.first_token = Buckets(FIRST_TOKEN_S)
        self.token_gap = Buckets(TOKEN_GAP_S)
        self.duration = Buckets(DURATION_S)
        self.tokens_in = 0
        self.tokens_out = 0


class Metrics(Collector):
    """The metrics of one replica."""

    def __init__(
        self,
        *,
        runners: Callable[[], Iterable[Runner]],
        waiting: Callable[[str], int],
        store_up: Callable[[], bool],
        replicas: Callable[[], int],
    ) -> None:
        self._runners = runners
        self._waiting = waiting
        self._store_up = store_up
        self._replicas = replicas
        self._pairs: dict[tuple[str, str], PairMetrics] = {}
        self._requests: defaultdict[tuple[str, str, str, int], int] = defaultdict(int)
        self._by_runner: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._errors: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._ignored: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._would_refuse: defaultdict[tuple[str], int] = defaultdict(int)
        self._codes, self._parameters = BoundedNames(), BoundedNames()
        self.records_dropped = 0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def pair(self, model: str, backend: str) -> PairMetrics:
        """The metrics of one model on one backend."""
        pair = self._pairs.get((model, backend))
        if pair is None:
            pair = self._pairs[(model, backend)] = PairMetrics()
        return pair

    def tokens(self) -> tuple[int, int]:
        """Tokens in prompts and in answers, over all models, of requests that have ended."""
        pairs = self._pairs.values()
        return sum(pair.tokens_in for pair in pairs), sum(pair.tokens_out for pair in pairs)

    def would_refuse(self, bucket: str) -> None:
        """A limit that is only logged would have refused a request."""
        self._would_refuse[(bucket,)] += 1

    def drop_record(self) -> None:
        """An access record was lost."""
        self.records_dropped += 1

    def observe(self, exchange: Exchange, *, ended: float) -> None:
        """Count a finished exchange."""
        model, backend = exchange.model or "", exchange.backend or ""
        self._requests[exchange.operation, model, backend, exchange.status] += 1
        if exchange.code is not None:
            self._errors[model, backend, self._codes.label(exchange.code)] += 1
        if not backend:
            return
        if exchange.runner is not None:
            self._by_runner[model, backend, exchange.runner] += 1
        pair = self.pair(model, backend)
        started, first_token, usage = exchange.started, exchange.first_token, exchange.usage
        pair.queue.observe(exchange.queue_s)
        if first_token is not None:
            pair.first_token.observe(first_token - started)
        pair.duration.observe(ended - started)
        if usage is not None:
            pair.tokens_in += usage.prompt_tokens
            pair.tokens_out += usage.completion_tokens
        for parameter in exchange.ignored:
            self._ignored[model, backend, self._parameters.label(parameter)] += 1

    def render(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """Everything that is known at this moment."""
        yield _counter(
            "sluicegate_requests",
            "Requests by public model, backend that answered, and HTTP status (499: client left).",
            ("operation", "model", "backend", "status"),
            self._requests,
        )
        yield _counter(
            "sluicegate_runner_requests",
            "Requests by public model and the runner that had them last, whatever became of them.",
            ("model", "backend", "runner"),
            self._by_runner,
        )
        yield _counter(
            "sluicegate_errors",
            "Requests that did not end in a complete answer, by error code.",
            ("model", "backend", "code"),
            self._errors,
        )
        yield _counter(
            "sluicegate_ignored_parameters",
            "Parameters that a runner would have ignored silently.",
            ("model", "backend", "parameter"),
            self._ignored,
        )
        yield _counter(
            "sluicegate_limit_would_refuse",
            "Requests that a limit would have refused, were it not only logged.",
            ("limit",),
            self._would_refuse,
        )
        yield CounterMetricFamily(
            "sluicegate_access_records_dropped",
            "Access records lost because the log could not be written fast enough.",
            self.records_dropped,
        )
        yield GaugeMetricFamily(
            "sluicegate_store_up", "1 while this replica reaches the store.", self._store_up()
        )
        yield GaugeMetricFamily(
            "sluicegate_replicas",
            "Replicas that share the store, this one included, when it was last reached.",
            self._replicas(),
        )
        yield from self._of_pairs()
        yield from self._of_runners()

    def _of_pairs(self) -> Iterable[Metric]:
        labels = ["model", "backend"]
        tokens = CounterMetricFamily(
            "sluicegate_tokens",
            "Tokens in prompts and answers, as the runners count them.",
            labels=[*labels, "direction"],
        )
        histograms = {
            name: HistogramMetricFamily(f"sluicegate_{name}_seconds", text, labels=labels)
            for name, text in _HISTOGRAMS.items()
        }
        for key, pair in list(self._pairs.items()):
            tokens.add_metric([*key, "in"], pair.tokens_in)
            tokens.add_metric([*key, "out"], pair.tokens_out)
            for name, buckets in (
                ("queue_wait", pair.queue),
                ("time_to_first_token", pair.first_token),
                ("time_between_tokens", pair.token_gap),
                ("request_duration", pair.duration),
            ):
                histograms[name].add_metric(list(key), list(buckets.cumulative()), buckets.total)
        return [tokens, *histograms.values()]

    def _of_runners(self) -> Iterable[Metric]:
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
        return [in_flight, waiting, slots, state]


_HISTOGRAMS = {
    "queue_wait": "Time a request waited for a slot.",
    "time_to_first_token": "Time from the request to the first token, waiting included.",
    "time_between_tokens": "Time between two pieces of a streamed answer.",
    "request_duration": "Time from the request to the last byte of its answer.",
}


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in list(values.items()):
        family.add_metric([str(label) for label in key], value)
    return family
