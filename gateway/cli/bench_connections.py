"""Room for the connections of a benchmark: what finds none would count against its target."""

from __future__ import annotations

from collections.abc import Sequence

import click

from gateway.bench.load import MOST_IN_FLIGHT
from gateway.bench.open_files import HOLDERS, SPARE, connections, limit, make_room
from gateway.bench.plan import Load


def make_room_for(loads: Sequence[Load], targets: int) -> None:
    """Let this process open as many files as `loads` take. Raises `click.UsageError` where it may
    not; an open loop makes do with what it gets, and counts what it could not send.
    """
    users = max(load.users or 0 for load in loads)
    arrivals = MOST_IN_FLIGHT * HOLDERS if any(load.rate is not None for load in loads) else 0
    make_room(max(users * targets, arrivals))
    needed = users * min(targets, HOLDERS)
    if needed > connections():
        raise click.UsageError(
            f"{users} users need {needed} connections, but this process may open {limit()} files: "
            f"raise it first, 'ulimit -n {needed + 2 * SPARE}'"
        )
