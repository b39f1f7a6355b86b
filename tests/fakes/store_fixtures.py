"""Fixtures for every suite that wants a real store. Imported by `tests/conftest.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.store import Store
from tests.fakes.stores import KINDS, Server, server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Server]:
    """One Valkey for all tests; whoever uses it empties it first."""
    with server("valkey") as made:
        yield made


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """One Redis for all tests, where it is installed."""
    with server("redis") as made:
        yield made


@pytest.fixture(params=KINDS)
def any_server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server, empty."""
    made: Server = request.getfixturevalue(f"{request.param}_server")
    _clean(made)
    return made


@pytest.fixture
async def any_store(any_server: Server, anyio_backend: str) -> AsyncIterator[Store]:
    """An open store on each kind of server, empty; patient, because the machine may be busy."""
    store = Store(any_server.endpoint(), deadline_s=5.0)
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
async def valkey_store(valkey_server: Server, anyio_backend: str) -> AsyncIterator[Store]:
    """The same on Valkey only, for what cannot differ."""
    _clean(valkey_server)
    store = Store(valkey_server.endpoint(), deadline_s=5.0)
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


def _clean(made: Server) -> None:
    made.ask("FLUSHALL")
    made.ask("SCRIPT", "FLUSH")
