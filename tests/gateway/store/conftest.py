"""Embedded servers of the tests, in folders whose paths are short enough for a socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.settings import StoreSettings
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder for state."""
    folder = Path(tempfile.mkdtemp(prefix="sg"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def embedded(state: Path) -> StoreSettings:
    """Settings of an embedded store, patient because the machine may be busy."""
    return StoreSettings(state_dir=state, timeout_ms=5000)


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
