"""What `sluicegate top` shows: from a state to lines of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.admin.state import FlowState, RunnerState, State
from gateway.cli.cells import fit, width_of

_BAR = 12
_LEAST_WIDTH = 50
_WIDE = 72
"""From so many columns on there is room for the backend of a runner."""


def frame(state: State, width: int, height: int | None, problem: str = "") -> list[str]:
    """Lines of at most `width` cells, at most `height` of them; None is as many as there are.

    `problem` says why the state is not of now.
    """
    width = max(width, _LEAST_WIDTH)
    lines = [*_head(state, width), *_banners(state, width, problem), ""]
    room = None if height is None else max(4, height - len(lines))
    runners, flows = _runners(state, width), _flows(state, width)
    if room is not None and len(runners) + 1 + len(flows) > room:
        runners = _runners(state, width, details=False)
        # The queue may take what the runners leave, and half of the room at least.
        for_flows = max(room // 2, room - len(runners) - 1)
        runners = _cut(runners, room - 1 - min(for_flows, len(flows)), width)
        flows = _cut(flows, room - 1 - len(runners), width)
    lines += [*runners, "", *flows]
    return lines if height is None else lines[:height]


def span(time_s: float) -> str:
    """A duration in at most seven characters."""
    if time_s < 9.95:
        return f"{time_s:.1f} s"
    if time_s < 120:
        return f"{time_s:.0f} s"
    if time_s < 7200:
        return f"{time_s / 60:.0f} min"
    if time_s < 48 * 3600:
        return f"{time_s / 3600:.0f} h"
    return f"{min(time_s / 86_400, 9999):.0f} d"


def _head(state: State, width: int) -> list[str]:
    tokens = state.tokens_per_s
    replicas = "1 replica" if state.replicas == 1 else f"{state.replicas} replicas"
    name = fit(f"Sluicegate {state.version}", 24).rstrip()
    about = (
        f"  replica {state.replica}, up {span(state.uptime_s)}; {replicas}, "
        f"store {'up' if state.store_up else 'DOWN'}"
    )
    return [
        click.style(name, bold=True) + fit(about, width - width_of(name)).rstrip(),
        fit(
            f"waiting {state.waiting}   predicted wait {span(state.predicted_wait_s)}   "
            f"tokens/s in {tokens.prompt:.0f} out {tokens.answer:.0f} "
            f"(this replica, {tokens.over_s:.0f} s)",
            width,
        ).rstrip(),
    ]


def _banners(state: State, width: int, problem: str) -> list[str]:
    said = []
    if problem:
        said.append(f"NOT OF NOW: {problem}")
    if state.degraded:
        said.append("DEGRADED: without the store. This replica alone, with its share of the slots.")
    if state.draining:
        said.append("DRAINING: this replica takes no new requests.")
    return [click.style(fit(f" {each}", width), reverse=True) for each in said]


def _runners(state: State, width: int, *, details: bool = True) -> list[str]:
    backend = 18 if width >= _WIDE else 0
    name = width - backend - 10 - _BAR - 11 - 9
    header = (
        fit("RUNNER", name)
        + fit("BACKEND", backend)
        + fit("STATE", 10)
        + fit("IN FLIGHT", _BAR + 11)
        + fit("WAITING", 9, right=True)
    )
    lines = [click.style(header.rstrip(), bold=True)]
    for runner in state.runners:
        ready = runner.state in ("ready", "busy")
        text = (
            fit(runner.name, name - 2)
            + "  "
            + fit(runner.backend or "-", backend)
            + fit(runner.state or "-", 10)
            + fit(f"{_bar(runner)} {_use(runner)}", _BAR + 11)
            + fit(str(runner.waiting), 9, right=True)
        )
        lines.append(text if ready or runner.state is None else click.style(text, dim=True))
        if details and runner.detail and not ready:
            lines.append(click.style(fit(f"  {runner.detail}", width).rstrip(), dim=True))
    if state.runners_left_out:
        lines.append(f"and {state.runners_left_out} more")
    return lines


def _bar(runner: RunnerState) -> str:
    slots = runner.slots or 0
    if not slots:
        return "·" * _BAR
    filled = min(_BAR, round(_BAR * runner.in_flight / slots))
    # A bar that looks empty, or full, says that it is.
    if 0 < runner.in_flight < slots:
        filled = min(max(filled, 1), _BAR - 1)
    return "█" * filled + "░" * (_BAR - filled)


def _use(runner: RunnerState) -> str:
    return f"{runner.in_flight}/{'∞' if runner.slots is None else runner.slots}"


def _flows(state: State, width: int) -> list[str]:
    if not state.waiting:
        return [click.style("Nobody waits.", dim=True)]
    tenant = width - 13 - 8 - 9 - 10 - 10
    header = (
        fit("CLASS", 13)
        + fit("TENANT", tenant)
        + fit("WEIGHT", 8, right=True)
        + fit("WAITING", 9, right=True)
        + fit("BACKLOG", 10, right=True)
        + fit("OLDEST", 10, right=True)
    )
    lines = [click.style(header, bold=True)]
    lines += [_flow(each, tenant) for each in state.flows]
    others = state.waiting - sum(each.waiting for each in state.flows)
    if others > 0:
        lines.append(f"and {others} more requests")
    return lines


def _flow(flow: FlowState, tenant: int) -> str:
    return (
        fit(flow.service_class, 13)
        + fit(flow.tenant or "(anyone)", tenant)
        + fit(str(flow.weight), 8, right=True)
        + fit(str(flow.waiting), 9, right=True)
        + fit(span(flow.backlog_s), 10, right=True)
        + fit(span(flow.oldest_s), 10, right=True)
    )


def _cut(lines: Sequence[str], room: int, width: int) -> list[str]:
    if len(lines) <= room:
        return list(lines)
    kept = max(1, room - 1)
    more = fit(f"and {len(lines) - kept} more lines", width).rstrip()
    return [*lines[:kept], click.style(more, dim=True)]
