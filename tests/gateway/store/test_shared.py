"""Several processes of one configuration share one embedded server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.settings import StoreSettings
from gateway.store import Script, Store
from gateway.store.opening import opened
from gateway.store.shared import SharedEndpoint
from tests.backends.launch.processes import is_gone
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.anyio

KEY = b"{sg:default}"
SET = Script("set", "return redis.call('SET', KEYS[1], cmsgpack.unpack(ARGV[1]))")
GET = Script("get", "return redis.call('GET', KEYS[1])")

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def other(state: Path) -> Iterator[Start]:
    """Start another process on the same folder."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gateway.store.store_user", str(state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def owns(store: Store) -> bool:
    endpoint = store._lines._endpoint
    assert isinstance(endpoint, SharedEndpoint)
    return endpoint.owner


async def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await asyncio.to_thread(process.stdout.readline)).split()


async def test_the_second_uses_the_server_of_the_first(embedded: StoreSettings) -> None:
    async with opened(embedded) as first, opened(embedded) as second:
        assert (owns(first), owns(second)) == (True, False)
        await first.call(SET, KEY, "shared")
        assert await second.call(GET, KEY, 0) == b"shared"


async def test_several_that_start_at_once_have_one_owner(embedded: StoreSettings) -> None:
    opening = [opened(embedded) for _ in range(6)]
    stores = await asyncio.gather(*(each.__aenter__() for each in opening))
    assert sum(map(owns, stores)) == 1
    await stores[0].call(SET, KEY, "x")
    assert [await store.call(GET, KEY, 0) for store in stores] == [b"x"] * 6
    for each in reversed(opening):
        await each.__aexit__(None, None, None)


async def test_a_user_takes_over_when_the_owner_leaves(embedded: StoreSettings) -> None:
    first = opened(embedded)
    owner = await first.__aenter__()
    async with opened(embedded) as user:
        await owner.call(SET, KEY, "kept")
        await first.__aexit__(None, None, None)
        await eventually(lambda: not user.up)
        await eventually(lambda: user.up)
        assert owns(user)
        assert await user.call(GET, KEY, 0) == b"kept"


async def test_a_user_takes_over_when_the_owner_is_killed(
    embedded: StoreSettings, other: Start
) -> None:
    process = other()
    word, pid = await said(process)
    assert word == "owner"
    async with opened(embedded) as user:
        assert not owns(user)
        await user.call(SET, KEY, "kept")
        process.kill()
        await eventually(lambda: not user.up)
        await eventually(lambda: user.up)
        assert owns(user)
        assert is_gone(int(pid))
        assert await user.call(GET, KEY, 0) == b"kept"


async def test_a_server_ends_with_an_owner_that_is_killed(other: Start) -> None:
    process = other()
    _, pid = await said(process)
    process.kill()
    await eventually(lambda: is_gone(int(pid)))


async def test_a_user_that_leaves_ends_nothing(embedded: StoreSettings, other: Start) -> None:
    async with opened(embedded) as owner:
        process = other()
        assert await said(process) == ["user"]
        process.communicate("\n", timeout=20)
        assert process.returncode == 0
        assert await owner.call(SET, KEY, "x") == b"OK"
        assert owner.up


async def test_opening_that_is_cancelled_leaves_neither_server_nor_lock(
    embedded: StoreSettings,
) -> None:
    for milliseconds in (1, 5, 20, 60):
        opening = opened(embedded)
        entering = asyncio.create_task(opening.__aenter__())
        await asyncio.wait([entering], timeout=milliseconds / 1000)
        entering.cancel()
        await asyncio.wait([entering])
        if not entering.cancelled():
            await opening.__aexit__(None, None, None)
    async with opened(embedded) as store:
        assert owns(store)
