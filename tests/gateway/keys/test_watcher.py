"""Replicas learn of new and revoked keys, and know what to do while they cannot."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from gateway.auth import Authenticator
from gateway.errors import Unauthenticated, Unavailable
from gateway.keys.keyring import Keyring
from gateway.keys.lookup import KeyLookup
from gateway.keys.table import KeyTable
from gateway.keys.text import digest_of, new_text
from gateway.keys.watcher import KeyWatcher
from gateway.store import Store
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually
from tests.gateway.keys.clock import Clock
from tests.gateway.keys.records import described

pytestmark = pytest.mark.anyio


class OneReplica:
    """What one gateway process has of the keys, on a connection of its own."""

    def __init__(self, server: EmbeddedServer, *, clock: Clock | None = None) -> None:
        self.store = Store(server.endpoint(), deadline_s=2.0)
        self.keyring = Keyring(self.store, "default")
        self.table = KeyTable()
        timed = time.monotonic if clock is None else clock
        self.watcher = KeyWatcher(self.keyring, self.table, max_age_s=3600, clock=timed)
        self.authenticator = Authenticator(
            self.table, lookup=KeyLookup(self.keyring, self.table, clock=timed)
        )

    async def __aenter__(self) -> OneReplica:
        await self.store.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.watcher.aclose()
        await self.store.aclose()

    def knows(self, text: str) -> bool:
        """Whether the key works without asking the store."""
        try:
            self.authenticator.authenticate(b"Bearer " + text.encode(), None)
        except Unauthenticated:
            return False
        return True


async def test_each_replica_knows_a_new_key_and_forgets_a_revoked_one_within_a_second(
    server: EmbeddedServer, keyring: Keyring
) -> None:
    async with OneReplica(server) as one, OneReplica(server) as two:
        await one.watcher.start()
        await two.watcher.start()
        issued = await keyring.create(described("ann"))
        await eventually(lambda: one.knows(issued.text) and two.knows(issued.text), within_s=1)
        rotated = await one.keyring.rotate("ann", grace_s=0)
        await eventually(lambda: one.knows(rotated.text) and two.knows(rotated.text), within_s=1)
        assert not one.knows(issued.text)
        assert not two.knows(issued.text)
        await two.keyring.revoke("ann")
        await eventually(
            lambda: not one.knows(rotated.text) and not two.knows(rotated.text), within_s=1
        )


async def test_a_new_key_works_at_once(server: EmbeddedServer, keyring: Keyring) -> None:
    async with OneReplica(server) as replica:
        await replica.watcher.look()
        issued = await keyring.create(described("ann"))
        assert not replica.knows(issued.text)
        principal = await replica.authenticator.identify(None, issued.text.encode())
        assert principal.key_id == issued.record.id
        assert replica.knows(issued.text)


async def test_a_key_that_ended_is_refused_whoever_looks(
    server: EmbeddedServer, keyring: Keyring
) -> None:
    issued = await keyring.create(described("ann"))
    await keyring.revoke("ann")
    async with OneReplica(server) as replica:
        for _ in range(2):  # from the store, then from memory
            with pytest.raises(Unauthenticated):
                await replica.authenticator.identify(None, issued.text.encode())
        assert replica.table.find(digest_of(issued.text.encode())) is not None


async def test_known_keys_work_while_the_store_is_down_and_unknown_ones_are_not_turned_away(
    server: EmbeddedServer, keyring: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    known, gone = [await keyring.create(described(name)) for name in ("known", "gone")]
    await keyring.revoke("gone")
    async with OneReplica(server) as replica:
        await replica.watcher.look()
        await server.stop()
        await eventually(lambda: not replica.store.up)
        await replica.watcher.look()
        await replica.watcher.look()
        assert caplog.text.count("keys cannot be read") == 1
        assert replica.knows(known.text)
        with pytest.raises(Unavailable) as caught:
            await replica.authenticator.identify(None, new_text().encode())
        assert (caught.value.status, caught.value.code) == (503, "store_unavailable")
        assert caught.value.retry_after_s
        # These need no store: one is known to be revoked, the others cannot be keys.
        for text in (gone.text, known.text[:-1], "wrong"):
            with pytest.raises(Unauthenticated):
                await replica.authenticator.identify(None, text.encode())


async def test_known_keys_are_void_when_nobody_could_look_for_too_long(
    server: EmbeddedServer, keyring: Keyring, clock: Clock
) -> None:
    issued = await keyring.create(described("ann"))
    async with OneReplica(server, clock=clock) as replica:
        await replica.watcher.look()
        await server.stop()
        await eventually(lambda: not replica.store.up)
        clock.now += 3600
        await replica.watcher.look()
        assert replica.knows(issued.text)
        clock.now += 1
        await replica.watcher.look()
        assert not replica.knows(issued.text)
        with pytest.raises(Unavailable):
            await replica.authenticator.identify(None, issued.text.encode())
        await server.start()
        await eventually(lambda: replica.store.up)
        await replica.watcher.look()
        assert replica.knows(issued.text)


async def test_a_store_that_came_back_empty_takes_the_keys_with_it(
    server: EmbeddedServer, keyring: Keyring, store: Store
) -> None:
    issued = await keyring.create(described("ann"))
    async with OneReplica(server) as replica:
        await replica.watcher.look()
        assert replica.knows(issued.text)
        await store.redis.flushall()
        await replica.watcher.look()
        assert not replica.knows(issued.text)


async def test_a_change_that_was_missed_is_found_by_reading_everything(
    server: EmbeddedServer, keyring: Keyring, store: Store, clock: Clock
) -> None:
    issued = await keyring.create(described("ann"))
    async with OneReplica(server, clock=clock) as replica:
        await replica.watcher.look()
        await store.redis.hdel("{keys:default}:records", issued.record.id)
        clock.now += 59
        await replica.watcher.look()
        assert replica.knows(issued.text)
        clock.now += 1
        await replica.watcher.look()
        assert not replica.knows(issued.text)


async def test_a_watcher_that_is_stopped_in_the_middle_of_a_look_leaves_nothing_half_done(
    server: EmbeddedServer, keyring: Keyring
) -> None:
    async with OneReplica(server) as replica:
        await replica.watcher.look()
        issued = await keyring.create(described("ann"))
        looking = asyncio.create_task(replica.watcher.look())
        await asyncio.sleep(0)  # the question is out, the answer is not here yet
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert not replica.knows(issued.text)
        await replica.watcher.look()
        assert replica.knows(issued.text)


async def test_closing_ends_the_task_and_can_be_repeated(server: EmbeddedServer) -> None:
    async with OneReplica(server) as replica:
        await replica.watcher.start()
        await replica.watcher.aclose()
        await replica.watcher.aclose()
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "keys"]


async def test_a_start_without_any_key_says_how_to_make_one(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with OneReplica(server) as replica:
        await replica.watcher.start()
        assert "'sluicegate keys create NAME' makes one" in caplog.text


async def test_a_look_at_nothing_costs_nothing_and_logs_nothing(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with OneReplica(server) as replica:
        with caplog.at_level(logging.DEBUG, "gateway.keys"):
            await replica.watcher.look()
            await replica.watcher.look()
        assert replica.table.empty
        assert caplog.records == []
