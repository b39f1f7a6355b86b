"""A store whose master sentinels know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from gateway.errors import CannotStart
from gateway.settings import StoreSettings
from gateway.store import Script, StoreDown
from gateway.store.opening import opened
from tests.fakes.eventually import eventually
from tests.fakes.store_sets import MASTER, Watched, watched
from tests.fakes.stores import free_port

pytestmark = pytest.mark.anyio

KEY = b"{sg:default}"
READ = (b"XREAD", b"BLOCK", b"19000", b"STREAMS", KEY + b":mailbox", b"0")
SET = Script("set", "return redis.call('SET', KEYS[1], cmsgpack.unpack(ARGV[1]))")
GET = Script("get", "return redis.call('GET', KEYS[1])")


@pytest.fixture
def three() -> Iterator[Watched]:
    """A set that may be broken."""
    with watched() as made:
        yield made


@pytest.fixture(scope="module")
def unbroken() -> Iterator[Watched]:
    with watched() as made:
        yield made


def settings_of(three: Watched, *, first: str = "") -> StoreSettings:
    nodes = f"{first}127.0.0.1:{three.sentinel_port}"
    return StoreSettings(url=f"redis+sentinel://{nodes}/{MASTER}", timeout_ms=5000)


async def test_the_master_is_found_and_its_successor_too(three: Watched) -> None:
    # A sentinel that is away costs little.
    settings = settings_of(three, first=f"127.0.0.1:{free_port()},")
    async with opened(settings) as store:
        await store.call(SET, KEY, "kept")
        await store.redis.wait(1, 5000)
        async with store.blocking(20) as connection:
            reading = connection.command(*READ)
            three.master.process.kill()
            with pytest.raises(StoreDown):
                await reading
        await eventually(lambda: not store.up)
        await eventually(lambda: store.up, within_s=30)
        assert three.master_port() == three.replica.port
        assert await store.call(GET, KEY, 0) == b"kept"
        assert await store.redis.get(KEY) == b"kept"
        assert await store.redis.set(KEY, "x")
        async with store.blocking(20) as connection:
            assert await connection.command(*READ[:2], b"10", *READ[3:]) is None


async def test_a_master_that_is_demoted_is_left(three: Watched) -> None:
    async with opened(settings_of(three)) as store:
        await store.call(SET, KEY, "kept")
        await store.redis.wait(1, 5000)
        await asyncio.to_thread(three.fail_over)
        three.master.ask("REPLICAOF", "127.0.0.1", three.replica.port)

        async def writes() -> bool:
            try:
                return bool(await store.call(SET, KEY, "new") == b"OK")
            except Exception:
                return False

        async with asyncio.timeout(30):
            while not await writes():  # noqa: ASYNC110 - tried until it works
                await asyncio.sleep(0.05)
        assert three.replica.ask("GET", KEY) == b"new"


async def test_sentinels_that_know_no_such_master_are_a_fault(unbroken: Watched) -> None:
    url = f"redis+sentinel://127.0.0.1:{unbroken.sentinel_port}/other"
    with pytest.raises(CannotStart, match=r"no sentinel names a master 'other' \(127.0.0.1:\d+: "):
        async with opened(StoreSettings(url=url)):
            pass


async def test_a_sentinel_is_no_store(unbroken: Watched) -> None:
    url = f"redis://127.0.0.1:{unbroken.sentinel_port}"
    with pytest.raises(CannotStart, match=r"it is a sentinel. Write store.url: redis\+sentinel"):
        async with opened(StoreSettings(url=url)):
            pass


async def test_sentinels_and_master_with_one_password_are_let_in_with_it() -> None:
    with watched("let me in") as three:
        settings = settings_of(three)
        with pytest.raises(CannotStart, match=r"store\.password_file"):
            async with opened(settings):
                pass
        async with opened(
            settings.model_copy(update={"password": SecretStr("let me in")})
        ) as store:
            assert await store.call(SET, KEY, "x") == b"OK"
