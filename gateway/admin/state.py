"""The form of `GET /admin/state`: what the gateway writes and `sluicegate top` reads.

Times are in seconds. Fields are only ever added, so that either side may be the newer one.
"""

from __future__ import annotations

from msgspec import Struct

PATH = "/admin/state"


class RunnerState(Struct, frozen=True, kw_only=True):
    """One runner. `slots`, `in_flight` and `waiting` are over all replicas, but for `degraded`."""

    name: str
    """Its id where this replica's configuration does not have it."""
    id: str
    """Names with one id are one process, with the same slots."""
    backend: str | None
    """None, as `state`, where this replica's configuration does not have it."""
    url: str
    state: str | None
    detail: str
    slots: int | None
    """How many can be used now; None for `slots: unlimited`, whose requests only the replica counts
    that sends them."""
    in_flight: int
    waiting: int
    """Tickets that it could serve."""
    in_flight_here: int
    waiting_here: int


class FlowState(Struct, frozen=True, kw_only=True, rename={"service_class": "class"}):
    """One tenant and class that waits."""

    service_class: str
    tenant: str
    weight: int
    waiting: int
    backlog_s: float
    """Predicted slot-seconds of what waits."""
    oldest_s: float


class TokenRates(Struct, frozen=True, kw_only=True, rename={"prompt": "in", "answer": "out"}):
    """Tokens a second through this replica, counted when an answer ends."""

    prompt: float
    answer: float
    over_s: float
    """The time that they are the mean of."""


class State(Struct, frozen=True, kw_only=True):
    """The gateway as one replica sees it."""

    version: str
    replica: str
    """Names it among those on its store; another one after each start."""
    uptime_s: float
    draining: bool
    store_up: bool
    degraded: bool
    """Runners and flows are this replica's own alone, and its slots are its share of them."""
    replicas: int
    """As far as is known while the store is down."""
    predicted_wait_s: float
    """What a request of class `default` of a new tenant would wait now, worst over the runners."""
    waiting: int
    """Requests in line; `flows` may be those with most slot-time only."""
    tokens_per_s: TokenRates
    runners: tuple[RunnerState, ...]
    runners_left_out: int
    flows: tuple[FlowState, ...]
