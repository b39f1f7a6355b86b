"""Asking the store for one key: bounded, whoever asks."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Unavailable
from gateway.keys.keyring import Keyring
from gateway.keys.lookup import BURST, MOST_UNKNOWN, PER_S, UNKNOWN_S, KeyLookup
from gateway.keys.table import KeyTable
from gateway.keys.text import digest_of
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually
from tests.gateway.keys.clock import Clock
from tests.gateway.keys.records import described

pytestmark = pytest.mark.anyio


async def asked(store: Store) -> int:
    """How many scripts the store has run."""
    stats = await store.redis.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def test_a_key_that_nobody_knows_is_asked_for_once(
    keyring: Keyring, store: Store, clock: Clock
) -> None:
    lookup = KeyLookup(keyring, KeyTable(), clock=clock)
    assert await lookup.find(bytes(32)) is None
    before = await asked(store)
    for _ in range(20):
        assert await lookup.find(bytes(32)) is None
    assert await asked(store) == before
    clock.now += UNKNOWN_S + 0.1
    assert await lookup.find(bytes(32)) is None
    assert await asked(store) == before + 1


async def test_a_flood_of_made_up_keys_reaches_the_store_at_a_bounded_rate(
    keyring: Keyring, store: Store, clock: Clock
) -> None:
    lookup = KeyLookup(keyring, KeyTable(), clock=clock)
    await lookup.find(bytes(32))
    before = await asked(store)
    for number in range(1000):
        clock.now += 0.001
        assert await lookup.find(b"%032d" % number) is None
    assert await asked(store) - before <= BURST + PER_S
    clock.now += 1
    issued = await keyring.create(described("ann"))
    assert await lookup.find(digest_of(issued.text.encode())) is not None


async def test_what_is_remembered_of_made_up_keys_is_bounded(
    keyring: Keyring, clock: Clock
) -> None:
    lookup = KeyLookup(keyring, KeyTable(), clock=clock)
    for number in range(MOST_UNKNOWN + 50):
        clock.now += 1 / PER_S
        await lookup.find(b"%032d" % number)
    assert len(lookup._unknown) == MOST_UNKNOWN


async def test_while_the_store_is_down_nobody_is_called_a_stranger(
    keyring: Keyring, store: Store, server: EmbeddedServer, clock: Clock
) -> None:
    lookup = KeyLookup(keyring, KeyTable(), clock=clock)
    assert await lookup.find(bytes(32)) is None
    await server.stop()
    await eventually(lambda: not store.up)
    for digest in (bytes(32), b"%032d" % 1):
        with pytest.raises(Unavailable, match="Try again"):
            await lookup.find(digest)


async def test_a_store_that_goes_while_it_is_asked_is_down_too(
    keyring: Keyring, store: Store, server: EmbeddedServer, clock: Clock
) -> None:
    lookup = KeyLookup(keyring, KeyTable(), clock=clock)
    await store.redis.client_pause(5000)
    asking = asyncio.create_task(lookup.find(bytes(32)))
    await asyncio.sleep(0)
    await server.stop()
    with pytest.raises(Unavailable):
        await asking


async def test_a_caller_who_leaves_while_the_store_is_asked_takes_nothing_along(
    keyring: Keyring, clock: Clock
) -> None:
    table = KeyTable()
    lookup = KeyLookup(keyring, table, clock=clock)
    issued = await keyring.create(described("ann"))
    digest = digest_of(issued.text.encode())
    asking = asyncio.create_task(lookup.find(digest))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert table.find(digest) is None
    assert await lookup.find(digest) is not None
