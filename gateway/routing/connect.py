"""From the configuration of a runner to its adapter."""

from __future__ import annotations

from pathlib import Path

from backends.base import Backend
from backends.catalog import connect
from backends.transport import Tls, Transport
from gateway.settings import RunnerSettings

WORKING_CONNECTIONS = 256
"""Idle connections kept to one runner; more would only wait for the runner's own limit."""


def connect_runner(name: str, settings: RunnerSettings, url: str) -> Backend:
    """Make the adapter of a runner at `url`. Opens no connection."""
    tls = settings.tls
    transport = Transport(
        url,
        tls=Tls(
            ca_file=_text(tls.ca_file),
            verify=tls.verify,
            client_cert_file=_text(tls.client_cert_file),
            client_key_file=_text(tls.client_key_file),
        ),
        max_idle=WORKING_CONNECTIONS,
    )
    return connect(
        settings.backend,
        transport,
        name=name,
        api_key=settings.api_key.get_secret_value() if settings.api_key is not None else None,
        headers=settings.headers,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
