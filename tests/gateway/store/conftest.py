"""A real Valkey for each test module, and a store on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import Store
from gateway.store.embedded import EmbeddedServer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
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
