"""A real Valkey, keyrings on it, and a clock that stands still until it is told to go."""

from __future__ import annotations

import pytest

from gateway.keys.keyring import Keyring
from gateway.store import Store
from tests.gateway.keys.clock import Clock
from tests.gateway.store.conftest import server, store

__all__ = ["server", "store"]


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def keyring(store: Store, clock: Clock) -> Keyring:
    return Keyring(store, "default", clock=clock)
