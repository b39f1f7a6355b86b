"""Keyrings on a real Valkey that a test may stop, and a clock that stands until it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.keys.keyring import Keyring
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.gateway.keys.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
async def server(tmp_path: Path, anyio_backend: str) -> AsyncIterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "state")
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[Store]:
    store = Store(server.endpoint(), deadline_s=2.0)
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def keyring(store: Store, clock: Clock) -> Keyring:
    return Keyring(store, "default", clock=clock)
