"""What the queue looks like at one moment, for people. Times in seconds, of the store's clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunnerLoad:
    """One runner, over all replicas."""

    runner: str
    slots: int
    in_flight: int
    waiting: int
    """Tickets that it could serve."""


@dataclass(frozen=True, slots=True)
class FlowLoad:
    """One tenant and class that waits."""

    tenant: str
    service_class: str
    weight: int
    waiting: int
    backlog_s: float
    """Predicted slot-seconds of what waits."""
    oldest_s: float
    """How long its oldest ticket has waited."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole queue."""

    degraded: bool
    """The store is down, and this is this replica's own view."""
    replicas: int
    runners: tuple[RunnerLoad, ...]
    flows: tuple[FlowLoad, ...]
    predicted_wait_s: float
    """What a ticket of class `default` of a new tenant would wait now, worst over the pools."""
