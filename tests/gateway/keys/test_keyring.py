"""Keys in a real Valkey and a real Redis: each change is whole."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from gateway.keys.keyring import KeyRefused, Keyring
from gateway.keys.record import KeyRecord, decode
from gateway.keys.text import digest_of, is_well_formed
from gateway.principal import Limits, ServiceClass
from gateway.store import Store
from tests.gateway.keys.clock import Clock
from tests.gateway.keys.records import described

pytestmark = pytest.mark.anyio

DAY = 86400.0


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


async def held(keyring: Keyring, text: str) -> KeyRecord | None:
    found = await keyring.holder(digest_of(text.encode()))
    return None if found is None else decode(found[1])


async def test_a_key_is_kept_as_it_was_asked_for(keyring: Keyring, clock: Clock) -> None:
    asked = described(
        "ann",
        tenant="team-a",
        models=("llama3", "org/name:8b"),
        best_class=ServiceClass.CRITICAL,
        default_class=ServiceClass.BATCH,
        weight=7,
        limits=Limits(requests_per_minute=3, tokens_per_day=10**12, log_only=True),
        may_name_tenant=True,
        expires=clock.now + 0.125,
    )
    issued = await keyring.create(asked)
    assert is_well_formed(issued.text.encode())
    (listed,) = await keyring.list()
    assert listed == issued.record == await held(keyring, issued.text)
    assert listed.created == clock.now
    assert (listed.name, listed.models, listed.limits) == (asked.name, asked.models, asked.limits)
    assert (listed.best_class, listed.weight) == (ServiceClass.CRITICAL, 7)


async def test_of_many_who_want_a_name_at_once_one_gets_it(keyring: Keyring) -> None:
    outcomes = await asyncio.gather(
        *(keyring.create(described("ann")) for _ in range(50)), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, KeyRefused)]
    assert len(refused) == 49
    assert "'sluicegate keys rotate ann'" in str(refused[0])
    assert len(await keyring.list()) == 1


async def test_a_revoked_key_frees_its_name_and_stays_on_record(
    keyring: Keyring, clock: Clock
) -> None:
    first = await keyring.create(described("ann"))
    clock.now += 1
    revoked = await keyring.revoke("ann")
    assert revoked.revoked == clock.now
    assert revoked.state(clock.now) == "revoked"
    assert await held(keyring, first.text) == revoked
    second = await keyring.create(described("ann"))
    assert second.record.id != first.record.id
    assert await keyring.list() == (revoked, second.record)
    assert (await keyring.revoke("ann")).id == second.record.id


async def test_a_key_can_be_named_by_its_id(keyring: Keyring) -> None:
    issued = await keyring.create(described("ann"))
    assert (await keyring.revoke(issued.record.id)).name == "ann"


async def test_an_expired_key_gives_its_name_back(keyring: Keyring, clock: Clock) -> None:
    await keyring.create(described("ann", expires=clock.now + 10))
    with pytest.raises(KeyRefused, match="exists"):
        await keyring.create(described("ann"))
    clock.now += 10
    second = await keyring.create(described("ann"))
    assert [each.state(clock.now) for each in await keyring.list()] == ["expired", "active"]
    assert (await keyring.rotate("ann", grace_s=0)).record.id == second.record.id


async def test_what_ended_long_ago_is_forgotten_as_others_are_made(
    keyring: Keyring, clock: Clock, store: Store
) -> None:
    old = [(await keyring.create(described(f"old-{n}"))).text for n in range(4)]
    for n in range(3):
        await keyring.revoke(f"old-{n}")
    since = (await keyring.changes("")).version
    clock.now += 31 * DAY
    new = await keyring.create(described("new"))
    assert [each.name for each in await keyring.list()] == ["old-3", "new"]
    assert [await held(keyring, text) is None for text in old] == [True, True, True, False]
    changes = (await keyring.changes(since)).records
    assert sorted(changes.values(), key=bool)[:3] == [None] * 3
    assert new.record.id in changes
    assert await store.redis.hlen("{keys:default}:digests") == 2
    assert await store.redis.hlen("{keys:default}:names") == 2


async def test_a_rotated_key_has_two_texts_until_the_grace_is_over(
    keyring: Keyring, clock: Clock
) -> None:
    first = await keyring.create(described("ann", weight=5))
    second = await keyring.rotate("ann", grace_s=100)
    assert second.text != first.text
    record = await held(keyring, first.text)
    assert record is not None
    assert record == await held(keyring, second.text) == second.record
    assert (record.id, record.weight) == (first.record.id, 5)
    new, old = record.secrets
    assert (new.expires, old.expires) == (None, clock.now + 100)
    clock.now += 60
    third = await keyring.rotate("ann", grace_s=100)
    # A second rotation never makes an end later that was announced.
    assert [each.expires for each in third.record.secrets] == [
        None,
        clock.now + 100,
        clock.now + 40,
    ]
    last = await keyring.rotate("ann", grace_s=0)
    assert len(last.record.secrets) == 1
    assert [await held(keyring, each.text) is None for each in (first, second, third, last)] == [
        True,
        True,
        True,
        False,
    ]


async def test_rotations_without_end_are_refused_with_a_remedy(keyring: Keyring) -> None:
    await keyring.create(described("ann"))
    for _ in range(7):
        await keyring.rotate("ann", grace_s=100)
    with pytest.raises(KeyRefused, match="--grace 0"):
        await keyring.rotate("ann", grace_s=100)
    assert len((await keyring.rotate("ann", grace_s=0)).record.secrets) == 1


async def test_changes_at_once_are_all_made(keyring: Keyring) -> None:
    await keyring.create(described("ann"))
    await asyncio.gather(*(keyring.rotate("ann", grace_s=100) for _ in range(4)))
    (record,) = await keyring.list()
    assert len(record.secrets) == 5


@pytest.mark.parametrize("reference", ["bob", "", "key_0", "{keys:default}", "a\r\nb\0", "é" * 999])
async def test_what_is_not_there_cannot_be_changed(keyring: Keyring, reference: str) -> None:
    await keyring.create(described("ann"))
    for change in (keyring.revoke(reference), keyring.rotate(reference, grace_s=0)):
        with pytest.raises(KeyRefused, match="sluicegate keys list"):
            await change


async def test_what_has_ended_cannot_be_changed(keyring: Keyring, clock: Clock) -> None:
    gone = await keyring.create(described("gone"))
    await keyring.revoke("gone")
    await keyring.create(described("late", expires=clock.now + 1))
    clock.now += 1
    with pytest.raises(KeyRefused, match="is revoked already"):
        await keyring.rotate(gone.record.id, grace_s=0)
    with pytest.raises(KeyRefused, match="is expired already"):
        await keyring.revoke("late")


async def test_only_what_changed_is_told(keyring: Keyring) -> None:
    nothing = await keyring.changes("")
    assert (nothing.version, nothing.complete, nothing.records) == ("", True, {})
    ann = (await keyring.create(described("ann"))).record
    first = await keyring.changes(nothing.version)
    assert (first.complete, set(first.records)) == (True, {ann.id})
    same = await keyring.changes(first.version)
    assert (same.version, same.complete, same.records) == (first.version, False, {})
    bob = (await keyring.create(described("bob"))).record
    await keyring.rotate("bob", grace_s=9)
    revoked = await keyring.revoke("bob")
    second = await keyring.changes(first.version)
    assert (second.complete, set(second.records)) == (False, {bob.id})
    assert decode(second.records[bob.id] or b"") == revoked


async def test_after_the_store_was_emptied_everything_is_told(
    keyring: Keyring, store: Store
) -> None:
    await keyring.create(described("ann"))
    version = (await keyring.changes("")).version
    await store.redis.flushall()
    emptied = await keyring.changes(version)
    assert (emptied.complete, emptied.records) == (True, {})
    bob = (await keyring.create(described("bob"))).record
    anew = await keyring.changes(version)
    assert (anew.complete, set(anew.records)) == (True, {bob.id})


async def test_more_keys_than_a_page_holds_are_all_told(keyring: Keyring) -> None:
    made = [
        issued.record
        for _ in range(4)
        for issued in await asyncio.gather(
            *(keyring.create(described(f"key-{uuid4().hex}")) for _ in range(300))
        )
    ]
    changes = await keyring.changes("")
    assert changes.complete
    assert {decode(raw or b"").name for raw in changes.records.values()} == {
        record.name for record in made
    }
    # More changes than the stream keeps: whoever is that far behind gets everything.
    for _ in range(3):
        await asyncio.gather(*(keyring.revoke(record.id) for record in made[:400]))
        made = made[400:]
    behind = await keyring.changes(changes.version)
    assert (behind.complete, len(behind.records)) == (True, 1200)


async def test_domains_know_nothing_of_each_other(keyring: Keyring, store: Store) -> None:
    other = Keyring(store, "other")
    issued = await keyring.create(described("ann"))
    assert await held(other, issued.text) is None
    assert await other.list() == ()
    await other.create(described("ann"))
    assert len(await keyring.list()) == 1


async def test_a_record_that_something_else_wrote_is_said(keyring: Keyring, store: Store) -> None:
    await store.redis.hset("{keys:default}:records", "key_x", '{"id": 7}')
    await store.redis.hset("{keys:default}:records", b"\xff\0", b"\xff")
    assert set((await keyring.changes("")).records) == {"key_x", "\\xff\0"}
    await store.redis.hdel("{keys:default}:records", b"\xff\0")
    with pytest.raises(KeyRefused, match="'key_x' is no record of a key"):
        await keyring.list()
