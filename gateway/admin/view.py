"""From the parts of the gateway to the state that is shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.admin.state import FlowState, RunnerState
from gateway.admission.snapshot import FlowLoad, RunnerLoad
from gateway.routing.runner import Runner

MOST_RUNNERS = 200
MOST_FLOWS = 100
_MOST_TEXT = 200


def runners_shown(
    runners: Iterable[Runner], loads: Sequence[RunnerLoad], waiting: dict[str, int]
) -> list[RunnerState]:
    """The runners of this replica in the operator's order, then those that others alone have.

    `waiting` are the tickets of this replica, by runner.
    """
    by_name = {load.runner: load for load in loads}
    shown = [_ours(each, by_name.pop(each.name, None), waiting[each.name]) for each in runners]
    return shown + [_foreign(load) for load in by_name.values()]


def _ours(runner: Runner, load: RunnerLoad | None, waiting: int) -> RunnerState:
    counted = load is not None and not runner.unlimited
    return RunnerState(
        name=runner.name,
        id=load.id if load is not None else "",
        backend=runner.kind,
        url=runner.url[:_MOST_TEXT],
        state=runner.state.value,
        detail=runner.detail[:_MOST_TEXT],
        slots=None if runner.unlimited else load.slots if load is not None else 0,
        in_flight=load.in_flight if load is not None and counted else runner.in_flight,
        waiting=load.waiting if load is not None and counted else waiting,
        in_flight_here=runner.in_flight,
        waiting_here=waiting,
    )


def _foreign(load: RunnerLoad) -> RunnerState:
    return RunnerState(
        name=load.runner[:_MOST_TEXT],
        id=load.id,
        backend=None,
        url="",
        state=None,
        detail="",
        slots=load.slots,
        in_flight=load.in_flight,
        waiting=load.waiting,
        in_flight_here=0,
        waiting_here=0,
    )


def flow_shown(load: FlowLoad) -> FlowState:
    """A flow, to the millisecond."""
    return FlowState(
        service_class=load.service_class,
        tenant=load.tenant[:_MOST_TEXT],
        weight=load.weight,
        waiting=load.waiting,
        backlog_s=round(load.backlog_s, 3),
        oldest_s=round(load.oldest_s, 3),
    )
