"""A store that is a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.errors import CannotStart
from gateway.settings import StoreSettings
from gateway.store import Script, StoreDown
from gateway.store.opening import opened
from gateway.store.topology import slot_of
from tests.fakes.eventually import eventually
from tests.fakes.store_sets import Cluster, cluster

pytestmark = pytest.mark.anyio

SET = Script("set", "return redis.call('SET', KEYS[1], cmsgpack.unpack(ARGV[1]))")
GET = Script("get", "return redis.call('GET', KEYS[1])")


def domain_in(first: int, last: int) -> str:
    """A domain whose keys lie in these slots."""
    return next(
        name
        for name in (f"d{number}" for number in range(10_000))
        if first <= slot_of(b"{sg:%b}" % name.encode()) <= last
    )


def home_in_the_first(nodes: Cluster) -> StoreSettings:
    return StoreSettings(url=nodes.url, domain=domain_in(0, 5460), timeout_ms=5000)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A cluster that may be broken."""
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def unbroken() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


async def test_each_call_goes_to_the_node_that_has_its_key(unbroken: Cluster) -> None:
    async with opened(home_in_the_first(unbroken)) as store:
        keys = [b"{sg:d%d}" % number for number in range(200)]
        calls = [store.call(SET, key, key.decode()) for key in keys]
        assert await asyncio.gather(*calls) == [b"OK"] * 200
        assert [await store.redis.get(key) for key in keys] == keys
        assert all(int(node.ask("DBSIZE")) > 20 for node in unbroken.masters)


async def test_a_master_that_dies_is_replaced_and_the_others_go_on(nodes: Cluster) -> None:
    async with opened(home_in_the_first(nodes)) as store:
        other = b"{sg:%b}" % domain_in(6000, 9000).encode()
        await store.call(SET, store.home, "kept")
        nodes.masters[0].ask("WAIT", 1, 5000)
        nodes.masters[0].process.kill()
        await eventually(lambda: not store.up)
        with pytest.raises(StoreDown):
            await store.call(GET, store.home, 0)
        assert await store.call(SET, other, "x") == b"OK"
        await asyncio.to_thread(nodes.promote_replica)
        await eventually(lambda: store.up, within_s=30)
        assert await store.call(GET, store.home, 0) == b"kept"
        assert await store.redis.get(store.home) == b"kept"
        async with store.blocking(5) as connection:
            mailbox = store.home + b":mailbox"
            read = (b"XREAD", b"BLOCK", b"10", b"STREAMS", mailbox, b"0")
            assert await connection.command(*read) is None


async def test_a_slot_that_moves_is_followed(nodes: Cluster) -> None:
    async with opened(home_in_the_first(nodes)) as store:
        await store.call(SET, store.home, "old")
        slot = slot_of(store.home)
        old, new = nodes.masters[0], nodes.masters[1]
        old.ask("DEL", store.home)
        identity = new.ask("CLUSTER", "MYID")
        for node in (new, old, nodes.masters[2]):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", identity)
        with pytest.raises(StoreDown, match="MOVED"):
            await store.call(SET, store.home, "new")

        async def moved() -> bool:
            try:
                return bool(await store.call(SET, store.home, "new") == b"OK")
            except StoreDown:
                return False

        async with asyncio.timeout(20):
            while not await moved():  # noqa: ASYNC110 - tried until it works
                await asyncio.sleep(0.05)
        assert store.up
        assert new.ask("GET", store.home) == b"new"


async def test_a_node_of_a_cluster_is_no_single_store(unbroken: Cluster) -> None:
    url = f"redis://127.0.0.1:{unbroken.masters[0].port}"
    with pytest.raises(CannotStart, match=r"a node of a cluster. Write store.url: redis\+cluster"):
        async with opened(StoreSettings(url=url)):
            pass
