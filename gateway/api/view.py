"""What the control plane may see of the gateway; nothing of it can be changed from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.auth import Authenticator
from gateway.routing.runner import Runner
from gateway.routing.table import RouteTable


class GatewayView(Protocol):
    """The living state that the control plane reports."""

    @property
    def table(self) -> RouteTable:
        """The models that are offered now."""
        ...

    @property
    def runners(self) -> Iterable[Runner]:
        """Every runner, in the operator's order."""
        ...

    @property
    def authenticator(self) -> Authenticator:
        """Who may ask for models."""
        ...

    @property
    def draining(self) -> bool:
        """Whether no new work is taken."""
        ...

    @property
    def degraded(self) -> bool:
        """Whether the store is down and this replica on its own."""
        ...

    @property
    def started_at(self) -> int:
        """Unix time of the start."""
        ...

    async def render_metrics(self) -> bytes:
        """Every metric of all workers, in the text format of Prometheus."""
        ...
