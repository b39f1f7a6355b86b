"""The metrics of a replica that is not there."""

from __future__ import annotations

from gateway.routing.runner import Runner
from gateway.telemetry.metrics import Metrics


def metrics(
    *runners: Runner, waiting: int = 0, store_up: bool = True, replicas: int = 1
) -> Metrics:
    return Metrics(
        runners=lambda: runners,
        waiting=lambda name: waiting,
        store_up=lambda: store_up,
        replicas=lambda: replicas,
    )
