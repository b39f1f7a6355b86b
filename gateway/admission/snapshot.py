"""What the queue looks like at one moment, for people. Times in seconds, of the store's clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec
from msgspec import Struct

from gateway.admission.base import Ticket
from gateway.admission.topology import Topology

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunnerLoad:
    """One runner, over all replicas."""

    runner: str
    """Its name in this replica's configuration; its id where it is not in it."""
    id: str
    """What it is called in the store: names with one id are one process, with the same slots."""
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
    """Share beside the other flows of its rank."""
    waiting: int
    backlog_s: float
    """Predicted slot-seconds of what waits."""
    oldest_s: float
    """How long the ticket has waited that is at the front; of several lines, the longest."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole queue."""

    degraded: bool
    """The store is down, and this is this replica's own view."""
    replicas: int
    runners: tuple[RunnerLoad, ...]
    flows: tuple[FlowLoad, ...]
    """Those with most waiting slot-time first. Where very many wait, not all of them."""
    waiting: int
    """Tickets in line, over all flows."""
    predicted_wait_s: float
    """What a ticket of class `default` of a new tenant would wait now, worst over the pools."""


class _Runner(Struct, frozen=True):
    id: str
    slots: int
    in_flight: int
    waiting: int


class _Line(Struct, frozen=True):
    flow: str
    label: str
    weight: int
    waiting: int
    backlog: float
    oldest: float


# Lua cannot tell an empty list from an empty table, and writes both as {}.
_Nothing = dict[str, None]


class _State(Struct, frozen=True):
    replicas: int
    runners: list[_Runner] | _Nothing
    lines: list[_Line] | _Nothing
    waiting: int
    waits: list[float] | _Nothing


_state = msgspec.json.Decoder(_State)


def snapshot_of(state: bytes, topology: Topology) -> Snapshot:
    """What the script's `state` says, in the names that this replica uses."""
    read = _state.decode(state)
    runners = []
    for runner in _listed(read.runners):
        for name in topology.names(runner.id) or (runner.id,):
            runners.append(
                RunnerLoad(name, runner.id, runner.slots, runner.in_flight, runner.waiting)
            )
    flows: dict[str, FlowLoad] = {}
    for line in _listed(read.lines):
        service_class, _, tenant = line.label.partition(" ")
        backlog_s, oldest_s = line.backlog / 1e6, line.oldest / 1e6
        load = FlowLoad(tenant, service_class, line.weight, line.waiting, backlog_s, oldest_s)
        _add(flows, line.flow, load)
    return Snapshot(
        degraded=False,
        replicas=read.replicas,
        runners=tuple(sorted(runners, key=lambda each: each.runner)),
        flows=_most_first(flows),
        waiting=read.waiting,
        predicted_wait_s=max(_listed(read.waits), default=0.0) / 1e6,
    )


def own_view(
    runners: Iterable[RunnerLoad],
    in_line: Iterable[tuple[Ticket, float]],
    *,
    replicas: int,
    predicted_wait_s: float,
) -> Snapshot:
    """What one replica sees without the store. `in_line` are its tickets and their ages."""
    flows: dict[str, FlowLoad] = {}
    waiting = 0
    for ticket, age_s in in_line:
        waiting += 1
        flow = ticket.flow
        alone = FlowLoad(
            flow.tenant, flow.service_class.value, flow.weight, 1, ticket.cost_s, age_s
        )
        _add(flows, flow.id, alone)
    return Snapshot(
        degraded=True,
        replicas=replicas,
        runners=tuple(sorted(runners, key=lambda each: each.runner)),
        flows=_most_first(flows),
        waiting=waiting,
        predicted_wait_s=predicted_wait_s,
    )


def _add(flows: dict[str, FlowLoad], flow: str, load: FlowLoad) -> None:
    before = flows.get(flow)
    if before is not None:
        load = replace(
            load,
            waiting=before.waiting + load.waiting,
            backlog_s=before.backlog_s + load.backlog_s,
            oldest_s=max(before.oldest_s, load.oldest_s),
        )
    flows[flow] = load


def _most_first(flows: dict[str, FlowLoad]) -> tuple[FlowLoad, ...]:
    loads = flows.values()
    return tuple(sorted(loads, key=lambda each: (-each.backlog_s, each.tenant, each.service_class)))


def _listed(values: Sequence[T] | _Nothing) -> Sequence[T]:
    return () if isinstance(values, dict) else values
