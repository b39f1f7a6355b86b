"""One reading of a gateway's own metrics, as far as advice needs it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Pair = tuple[str, str]
"""Public model and backend."""

_HISTOGRAMS = {
    "sluicegate_queue_wait_seconds": "wait",
    "sluicegate_time_to_first_token_seconds": "first_token",
    "sluicegate_time_between_tokens_seconds": "token_gap",
    "sluicegate_request_duration_seconds": "duration",
}

_COUNTERS = {"sluicegate_requests_total": "status", "sluicegate_runner_requests_total": "runner"}
"""The label that each is told apart by, besides model and backend."""


class NotAGateway(Exception):
    """The text is not the metrics of a Sluicegate gateway."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper bound (cumulative) and the sum of all values, in seconds."""

    buckets: tuple[tuple[float, float], ...] = ()
    total_s: float = 0.0

    @property
    def count(self) -> float:
        """How many values there were."""
        return self.buckets[-1][1] if self.buckets else 0.0

    @property
    def mean_s(self) -> float | None:
        """None when there were no values."""
        return self.total_s / self.count if self.count > 0 else None

    def quantile_s(self, share: float) -> float | None:
        """The upper bound of the bucket it lies in; None without values or beyond all bounds."""
        for bound, count in self.buckets:
            if self.count > 0 and count >= share * self.count:
                return bound if bound != float("inf") else None
        return None

    def since(self, earlier: Histogram) -> Histogram:
        """What was added after an earlier reading of the same histogram."""
        before = dict(earlier.buckets)
        buckets = tuple((bound, count - before.get(bound, 0.0)) for bound, count in self.buckets)
        return Histogram(buckets, self.total_s - earlier.total_s)


@dataclass(frozen=True, slots=True)
class PairReading:
    """One model on one backend."""

    wait: Histogram = Histogram()
    first_token: Histogram = Histogram()
    token_gap: Histogram = Histogram()
    duration: Histogram = Histogram()
    tokens_out: float = 0.0
    by_status: Mapping[str, float] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    by_runner: Mapping[str, float] = field(default_factory=dict)
    """How many requests each runner had. Older gateways do not tell."""

    def since(self, earlier: PairReading | None) -> PairReading:
        """What was added after an earlier reading; all of it if there was none."""
        if earlier is None or self.duration.count < earlier.duration.count:
            return self
        return PairReading(
            self.wait.since(earlier.wait),
            self.first_token.since(earlier.first_token),
            self.token_gap.since(earlier.token_gap),
            self.duration.since(earlier.duration),
            self.tokens_out - earlier.tokens_out,
            _more(self.by_status, earlier.by_status),
            self.ignored,
            _more(self.by_runner, earlier.by_runner),
        )

    @property
    def answered(self) -> int:
        """Requests that were answered with 200."""
        return int(self.by_status.get("200", 0.0))


def _more(counts: Mapping[str, float], earlier: Mapping[str, float]) -> dict[str, float]:
    return {name: count - earlier.get(name, 0.0) for name, count in counts.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment. Requests that never got a backend stand under backend ''."""

    pairs: Mapping[Pair, PairReading]
    in_flight: Mapping[str, float]
    """By runner, as are the next two."""
    waiting: Mapping[str, float]
    slots: Mapping[str, float]
    """A runner whose slots are unlimited is not among them."""


def read_metrics(text: str) -> Reading:
    """Read the text format of Prometheus. Raises `NotAGateway`."""
    histograms: defaultdict[tuple[Pair, str], list[tuple[float, float]]] = defaultdict(list)
    sums: defaultdict[tuple[Pair, str], float] = defaultdict(float)
    counts: defaultdict[tuple[Pair, str], dict[str, float]] = defaultdict(dict)
    tokens: dict[Pair, float] = {}
    ignored: defaultdict[Pair, set[str]] = defaultdict(set)
    gauges: dict[str, dict[str, float]] = {"in_flight": {}, "waiting": {}, "slots": {}}
    try:
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    except (ValueError, KeyError, IndexError) as error:
        raise NotAGateway("the answer is not in the text format of Prometheus") from error
    for sample in samples:
        labels = sample.labels
        pair = (labels.get("model", ""), labels.get("backend", ""))
        stem, _, suffix = sample.name.rpartition("_")
        if stem in _HISTOGRAMS and suffix == "bucket":
            bound = float(labels.get("le", "inf").replace("+Inf", "inf"))
            histograms[pair, _HISTOGRAMS[stem]].append((bound, sample.value))
        elif stem in _HISTOGRAMS and suffix == "sum":
            sums[pair, _HISTOGRAMS[stem]] = sample.value
        elif sample.name in _COUNTERS:
            label = _COUNTERS[sample.name]
            name, count = labels.get(label, ""), counts[pair, label]
            count[name] = count.get(name, 0.0) + sample.value
        elif sample.name == "sluicegate_tokens_total" and labels.get("direction") == "out":
            tokens[pair] = sample.value
        elif sample.name == "sluicegate_ignored_parameters_total":
            ignored[pair].add(labels.get("parameter", ""))
        elif sample.name.removeprefix("sluicegate_") in gauges and "runner" in labels:
            gauges[sample.name.removeprefix("sluicegate_")][labels["runner"]] = sample.value
    if not any(sample.name.startswith("sluicegate_") for sample in samples):
        raise NotAGateway("these are not the metrics of a Sluicegate gateway")
    pairs = {pair for pair, _ in (*histograms, *counts)}
    return Reading(
        {
            pair: PairReading(
                **{
                    name: Histogram(tuple(sorted(histograms[pair, name])), sums[pair, name])
                    for name in _HISTOGRAMS.values()
                },
                tokens_out=tokens.get(pair, 0.0),
                by_status=counts.get((pair, "status"), {}),
                ignored=frozenset(ignored.get(pair, ())),
                by_runner=counts.get((pair, "runner"), {}),
            )
            for pair in pairs
        },
        gauges["in_flight"],
        gauges["waiting"],
        gauges["slots"],
    )
