"""The metrics of several workers as those of one gateway. Pure.

Counters and histograms are added up, and what a worker counted stays when it has ended: the sums
never fall, so that no rate is computed wrongly. A worker is asked at each scrape; what it counted
between the last scrape and its sudden death was never shown to anybody and is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

SHARES = frozenset({"sluicegate_in_flight", "sluicegate_waiting"})
"""Gauges of which each worker has a part. Of all others every worker sees the whole."""

Place: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]  # name of the sample, labels


class Family(Struct, frozen=True):
    """One metric of one worker, as it travels."""

    name: str
    text: str
    kind: str
    samples: list[tuple[str, dict[str, str], float]]


Snapshot: TypeAlias = list[Family]


def snapshot_of(metrics: Iterable[Metric]) -> Snapshot:
    """Everything that a worker knows at this moment."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, dict(sample.labels), float(sample.value)) for sample in metric.samples],
        )
        for metric in metrics
    ]


class Fleet(Collector):
    """What the workers of one gateway said last."""

    def __init__(self) -> None:
        self._living: dict[int, Snapshot] = {}
        self._ended: dict[str, dict[Place, float]] = {}
        self._families: dict[str, tuple[str, str]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def heard(self, worker: int, snapshot: Snapshot) -> None:
        """A worker said this."""
        self._living[worker] = snapshot
        for family in snapshot:
            self._families[family.name] = (family.text, family.kind)

    def ended(self, worker: int) -> None:
        """A worker is no more: its counters stay, its gauges go."""
        for family in self._living.pop(worker, ()):
            if family.kind != "gauge":
                _add(self._ended.setdefault(family.name, {}), family, add=True)

    def render(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """The sums."""
        totals = {name: dict(values) for name, values in self._ended.items()}
        for snapshot in self._living.values():
            for family in snapshot:
                add = family.kind != "gauge" or family.name in SHARES
                _add(totals.setdefault(family.name, {}), family, add=add)
        for name, values in totals.items():
            text, kind = self._families[name]
            metric = Metric(name, text, kind)
            for (sample, labels), value in values.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def _add(totals: dict[Place, float], family: Family, *, add: bool) -> None:
    for name, labels, value in family.samples:
        place = (name, tuple(labels.items()))
        if place not in totals:
            totals[place] = value
        else:
            totals[place] = totals[place] + value if add else max(totals[place], value)
