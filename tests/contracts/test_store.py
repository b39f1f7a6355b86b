"""What the rest of the gateway relies on, on every server that a store may be on."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store import Library, Script, Store, StoreDown
from tests.fakes.eventually import eventually
from tests.fakes.stores import Server

pytestmark = pytest.mark.anyio

KEY = b"{sg:default}"
ECHO = Script("echo", "local a = cmsgpack.unpack(ARGV[1]) return {KEYS[1], a[1], #a}")
APPEND = Script("append", "return redis.call('RPUSH', KEYS[1], cmsgpack.unpack(ARGV[1]))")
FAULTY = Script("faulty", "return redis.call('NO-SUCH-COMMAND')")
READ = (b"XREAD", b"BLOCK")
TYPES = Script("types", "return {1, 'a', false, {2, {3}}, true, {}}")


async def test_a_script_gets_its_key_and_its_arguments_whatever_is_in_them(
    any_store: Store,
) -> None:
    hostile = "a\r\n$1\r\nx\0é"
    assert await any_store.call(ECHO, KEY, [hostile, 2**52]) == [KEY, hostile.encode(), 2]


async def test_numbers_up_to_2_to_the_53_arrive_exactly(any_store: Store) -> None:
    exact = Script("exact", "return string.format('%.0f', cmsgpack.unpack(ARGV[1]))")
    for number in (0, -1, 2**31, 2**53, -(2**53)):
        assert await any_store.call(exact, KEY, number) == str(number).encode()


async def test_a_reply_keeps_its_types(any_store: Store) -> None:
    assert await any_store.call(TYPES, KEY, 0) == [1, b"a", None, [2, [3]], 1, []]


async def test_calls_of_one_turn_take_effect_in_their_order(any_store: Store) -> None:
    calls = [any_store.call(APPEND, KEY, number) for number in range(500)]
    assert await asyncio.gather(*calls) == list(range(1, 501))
    assert await any_store.redis.lrange(KEY, 0, -1) == [b"%d" % n for n in range(500)]


async def test_a_large_argument_and_a_large_reply_pass(any_store: Store) -> None:
    large = "x" * 2_000_000
    reply = await any_store.call(ECHO, KEY, [large])
    assert reply[1] == large.encode()


async def test_a_call_whose_reply_is_given_up_still_takes_effect(any_store: Store) -> None:
    call = any_store.call(APPEND, KEY, "x")
    call.cancel()
    assert await any_store.call(APPEND, KEY, "y") == 2


async def test_a_waiter_that_is_cancelled_leaves_the_others_their_replies(
    any_store: Store,
) -> None:
    async def wait(number: int) -> list[object]:
        reply: list[object] = await any_store.call(ECHO, KEY, [number])
        return reply

    waiters = [asyncio.create_task(wait(number)) for number in range(10)]
    await asyncio.sleep(0)
    waiters[4].cancel()
    replies = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(replies.pop(4), asyncio.CancelledError)
    assert replies == [[KEY, number, 1] for number in range(10) if number != 4]


async def test_a_server_that_forgot_the_script_is_told_it_again(any_store: Store) -> None:
    await any_store.call(ECHO, KEY, [1])
    await any_store.redis.script_flush()
    calls = [any_store.call(ECHO, KEY, [number]) for number in range(5)]
    assert await asyncio.gather(*calls) == [[KEY, number, 1] for number in range(5)]


async def test_a_fault_in_a_script_costs_no_connection_and_is_logged_once(
    any_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = Script(FAULTY.name, FAULTY.text.decode())
    for _ in range(5):
        with pytest.raises(StoreDown, match="faulty"):
            await any_store.call(faulty, KEY, 0)
    assert any_store.up
    errors = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert len(errors) == 1
    assert errors[0].startswith("script 'faulty' is faulty: ")


async def test_a_server_that_cannot_serve_is_down_after_three_refusals(
    any_server: Server, any_store: Store
) -> None:
    any_server.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        for still in (True, True, False):
            with pytest.raises(StoreDown, match="OOM"):
                await any_store.call(APPEND, KEY, "x")
            assert any_store.up is still
        assert "OOM" in str(any_store.failure)
    finally:
        any_server.ask("CONFIG", "SET", "maxmemory", "0")
    await eventually(lambda: any_store.up)
    assert await any_store.call(APPEND, KEY, "x") == 1


async def test_a_dead_connection_is_noticed_at_once_and_replaced(
    any_server: Server, any_store: Store
) -> None:
    seen: list[bool] = []
    any_store.on_change(seen.append)
    any_server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await eventually(lambda: not any_store.up)
    with pytest.raises(StoreDown, match="the connection ended"):
        await any_store.call(ECHO, KEY, [1])
    await eventually(lambda: any_store.up)
    assert await any_store.call(ECHO, KEY, [1]) == [KEY, 1, 1]
    assert seen == [False, True]


async def test_a_store_that_is_too_slow_counts_as_down_and_comes_back(any_server: Server) -> None:
    store = Store(any_server.endpoint(), deadline_s=0.05)
    await store.open()
    any_server.pause(400)
    calls = [store.call(ECHO, KEY, [number]) for number in range(3)]
    for call in calls:
        with pytest.raises(StoreDown, match="no reply within 50 ms"):
            await call
    assert not store.up
    await eventually(lambda: store.up)
    assert await store.call(ECHO, KEY, [1]) == [KEY, 1, 1]
    await store.aclose()


async def test_a_closed_store_answers_no_call_and_lets_nobody_wait(any_server: Server) -> None:
    store = Store(any_server.endpoint(), deadline_s=5)
    await store.open()
    pending = store.call(ECHO, KEY, [1])
    await store.aclose()
    for call in (pending, store.call(ECHO, KEY, [1])):
        with pytest.raises(StoreDown):
            await call
    await store.aclose()


async def test_a_reader_that_waits_gets_what_comes_and_holds_up_nobody(any_store: Store) -> None:
    async with any_store.blocking(5.0) as mailbox:
        reading = mailbox.command(*READ, b"5000", b"STREAMS", KEY, b"0")
        assert (await any_store.call(ECHO, KEY, [1]))[2] == 1
        assert not reading.done()
        post = Script("post", "return redis.call('XADD', KEYS[1], '*', 'a', ARGV[1])")
        await any_store.call(post, KEY, 7)
        ((_, entries),) = await reading
        assert entries[0][1] == [b"a", b"\x07"]


async def test_a_reader_may_wait_longer_than_a_call_may_take(any_server: Server) -> None:
    store = Store(any_server.endpoint(), deadline_s=0.2)
    await store.open()
    async with store.blocking(5.0) as mailbox:
        assert await mailbox.command(*READ, b"500", b"STREAMS", KEY, b"0") is None
    await store.aclose()


async def test_a_reader_whose_connection_breaks_hears_of_it(
    any_server: Server, any_store: Store
) -> None:
    async with any_store.blocking(5.0) as mailbox:
        reading = mailbox.command(*READ, b"5000", b"STREAMS", KEY, b"0")
        any_server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(StoreDown, match="the connection ended"):
            await reading
    await eventually(lambda: any_store.up)


async def test_a_reader_that_leaves_fails_what_it_waited_for(any_store: Store) -> None:
    async with any_store.blocking(5.0) as mailbox:
        reading = mailbox.command(*READ, b"5000", b"STREAMS", KEY, b"0")
    with pytest.raises(StoreDown, match="was closed"):
        await reading
    assert any_store.up


async def test_a_script_that_was_loaded_is_known(any_store: Store) -> None:
    script = Script("fresh", "return 'known' -- and nothing else")
    await any_store.load([script])
    assert await any_store.redis.script_exists(script.sha.decode()) == [True]
    assert await any_store.call(script, KEY, 0) == b"known"


EACH = Script(
    "each",
    "local r = {} for i, a in ipairs(cmsgpack.unpack(ARGV[1])) do "
    "r[i] = a == 'wrong' and {err = 'ERR it went wrong'} or redis.call('RPUSH', KEYS[1], a) end "
    "return r",
    batched=True,
)


async def test_calls_of_one_turn_that_may_leave_as_one_do_and_are_answered_each(
    any_store: Store,
) -> None:
    calls = [any_store.call(EACH, KEY, number) for number in range(200)]
    assert any_store.tell(EACH, KEY, "told")
    assert await asyncio.gather(*calls) == list(range(1, 201))
    assert (await any_store.redis.lrange(KEY.decode(), -1, -1)) == [b"told"]


async def test_what_is_told_at_once_leaves_before_what_comes_in_the_same_turn(
    any_store: Store,
) -> None:
    assert any_store.tell(APPEND, KEY, "first", at_once=True)
    # A batch is under way now: this one waits for its reply.
    assert any_store.tell(APPEND, KEY, "second", at_once=True)
    assert await any_store.call(APPEND, KEY, "third") == 3
    assert await any_store.redis.lrange(KEY.decode(), 0, -1) == [b"first", b"second", b"third"]


async def test_one_call_of_several_that_goes_wrong_does_not_take_the_others_with_it(
    any_store: Store,
) -> None:
    before, wrong, after = (any_store.call(EACH, KEY, each) for each in (1, "wrong", 2))
    assert (await before, await after) == (1, 2)
    with pytest.raises(StoreDown, match="it went wrong"):
        await wrong
    assert any_store.up


async def test_calls_of_different_scripts_keep_their_order(any_store: Store) -> None:
    calls = [any_store.call(script, KEY, n) for n in range(3) for script in (EACH, APPEND)]
    assert await asyncio.gather(*calls) == list(range(1, 7))


async def test_what_cannot_be_packed_fails_alone(any_store: Store) -> None:
    calls = [any_store.call(ECHO, KEY, [each]) for each in (1, 10**30, 2)]
    with pytest.raises(StoreDown, match="cannot be packed"):
        await calls[1]
    assert [(await call)[1] for call in (calls[0], calls[2])] == [1, 2]


async def test_a_call_beside_one_that_is_sent_again_is_answered_too(any_store: Store) -> None:
    await any_store.call(EACH, KEY, 0)
    await any_store.redis.script_flush()
    calls = []
    for _ in range(20):
        calls.append(any_store.call(EACH, KEY, 1))
        await asyncio.sleep(0)
    assert sorted(await asyncio.gather(*calls)) == list(range(2, 22))
    assert any_store.up


PUSH = Library(
    "contract",
    [
        "function operations.push(a, b) return call('RPUSH', P, a .. b) end "
        "function operations.fail() return call('NO-SUCH-COMMAND') end "
        "local seen = 0 at_the_start[1] = function() seen = 0 end "
        "function operations.seen() seen = seen + 1 return {seen, now > 0} end"
    ],
)


async def test_operations_of_a_library_are_called_by_name(any_store: Store) -> None:
    calls = [any_store.call(PUSH, KEY, ("push", "no ", number)) for number in range(200)]
    assert await asyncio.gather(*calls) == list(range(1, 201))
    assert await any_store.redis.lindex(KEY.decode(), -1) == b"no 199"


async def test_a_library_keeps_nothing_of_one_call_for_the_next(any_store: Store) -> None:
    one = [any_store.call(PUSH, KEY, ("seen",)) for _ in range(2)]
    assert await asyncio.gather(*one) == [[1, 1], [2, 1]]
    assert await any_store.call(PUSH, KEY, ("seen",)) == [1, 1]


async def test_an_operation_that_fails_or_is_unknown_does_not_take_others_with_it(
    any_store: Store,
) -> None:
    names = ("push", "fail", "nothing", "push")
    calls = [any_store.call(PUSH, KEY, (name, "a", "b")) for name in names]
    assert (await calls[0], await calls[3]) == (1, 2)
    for call in calls[1:3]:
        with pytest.raises(StoreDown, match="script 'contract'"):
            await call
    assert any_store.up


async def test_a_server_that_lost_a_library_is_told_it_again(any_store: Store) -> None:
    await any_store.load([PUSH])
    await any_store.call(PUSH, KEY, ("push", "a", 0))
    await any_store.redis.function_flush()
    calls = []
    for number in range(20):
        calls.append(any_store.call(PUSH, KEY, ("push", "a", number)))
        await asyncio.sleep(0)
    assert sorted(await asyncio.gather(*calls)) == list(range(2, 22))
    assert any_store.up


async def test_a_library_that_the_server_does_not_take_is_not_offered_for_ever(
    any_store: Store,
) -> None:
    broken = Library("broken", ["this is no Lua"])
    with pytest.raises(StoreDown, match="script 'broken': ERR Function not found"):
        await asyncio.wait_for(any_store.call(broken, KEY, ("push",)), 5)
    assert any_store.up


async def test_libraries_of_two_versions_stand_beside_each_other(any_store: Store) -> None:
    other = Library("contract", ["function operations.push() return 'another' end"])
    assert await any_store.call(PUSH, KEY, ("push", "a", "b")) == 1
    assert await any_store.call(other, KEY, ("push", "a", "b")) == b"another"
    assert await any_store.call(PUSH, KEY, ("push", "a", "b")) == 2
