"""A store of each kind, and limiters on it whose store's clock and own clock a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.gateway.limits.servers import REDIS, a_server
from tests.gateway.limits.stand import Stand

KINDS = [
    "valkey",
    pytest.param("redis", marks=pytest.mark.skipif(not REDIS, reason="no redis-server here")),
]


@pytest.fixture(params=KINDS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    server = a_server(request.param, tmp_path / "state")
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
async def stand(store: Store) -> Stand:
    return await Stand.of(store)
