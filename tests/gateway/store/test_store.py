from __future__ import annotations

import asyncio

import pytest

from gateway.store import Script, Store, StoreDown
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.anyio

ECHO = Script("echo", "local a = cmsgpack.unpack(ARGV[1]) return {KEYS[1], a[1], #a}")
APPEND = Script("append", "return redis.call('RPUSH', KEYS[1], cmsgpack.unpack(ARGV[1]))")
FAULTY = Script("faulty", "return redis.call('NO-SUCH-COMMAND')")


async def test_a_script_gets_its_key_and_its_arguments_whatever_is_in_them(store: Store) -> None:
    hostile = "a\r\n$1\r\nx\0é"
    assert await store.call(ECHO, b"{sg}", [hostile, 2**52]) == [b"{sg}", hostile.encode(), 2]


async def test_calls_of_one_turn_take_effect_in_their_order(store: Store) -> None:
    calls = [store.call(APPEND, b"{sg}", number) for number in range(500)]
    assert await asyncio.gather(*calls) == list(range(1, 501))
    assert await store.redis.lrange("{sg}", 0, -1) == [b"%d" % n for n in range(500)]


async def test_a_call_whose_reply_is_given_up_still_takes_effect(store: Store) -> None:
    call = store.call(APPEND, b"{sg}", "x")
    call.cancel()
    assert await store.call(APPEND, b"{sg}", "y") == 2


async def test_a_server_that_forgot_the_script_is_told_it_again(store: Store) -> None:
    await store.call(ECHO, b"{sg}", [1])
    await store.redis.script_flush()
    assert await store.call(ECHO, b"{sg}", [1]) == [b"{sg}", 1, 1]


async def test_a_fault_in_a_script_is_said_and_costs_no_connection(store: Store) -> None:
    with pytest.raises(StoreDown, match="faulty"):
        await store.call(FAULTY, b"{sg}", 0)
    assert store.up


async def test_a_store_that_went_away_is_down_at_once_and_comes_back(
    server: EmbeddedServer, store: Store
) -> None:
    seen: list[bool] = []
    store.on_change(seen.append)
    await server.stop()
    await eventually(lambda: not store.up)
    with pytest.raises(StoreDown):
        await store.call(ECHO, b"{sg}", [1])
    await server.start()
    await eventually(lambda: store.up)
    assert await store.call(ECHO, b"{sg}", [1]) == [b"{sg}", 1, 1]
    assert seen == [False, True]


async def test_a_store_that_is_too_slow_counts_as_down(server: EmbeddedServer) -> None:
    store = Store(server.endpoint(), deadline_s=0.05)
    await store.open()
    slow = Script(
        "slow",
        "local s = redis.call('TIME') repeat local t = redis.call('TIME') "
        "until (t[1] - s[1]) * 1e6 + t[2] - s[2] > 300000 return 1",
    )
    calls = [store.call(slow, b"{sg}", 0), store.call(ECHO, b"{sg}", [1])]
    for call in calls:
        with pytest.raises(StoreDown, match="no reply within 50 ms"):
            await call
    assert not store.up
    await store.aclose()
