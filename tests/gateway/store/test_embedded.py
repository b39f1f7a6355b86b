"""The server that the gateway starts for itself."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.errors import CannotStart
from gateway.settings import StoreSettings
from gateway.store import Script, Store
from gateway.store.embedded import EmbeddedServer
from gateway.store.opening import opened
from gateway.store.private_folder import Lock, make_private, socket_in
from gateway.store.shared import SharedEndpoint
from tests.backends.launch.processes import is_gone
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.anyio

KEY = b"{sg:default}"
SET = Script("set", "return redis.call('SET', KEYS[1], cmsgpack.unpack(ARGV[1]))")
GET = Script("get", "return redis.call('GET', KEYS[1])")


async def test_what_it_holds_outlives_it(embedded: StoreSettings) -> None:
    async with opened(embedded) as store:
        await store.call(SET, KEY, "kept")
    async with opened(embedded) as store:
        assert await store.call(GET, KEY, 0) == b"kept"


async def test_only_this_user_can_reach_it(embedded: StoreSettings, state: Path) -> None:
    async with opened(embedded):
        folder = state / "store"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "store.sock").stat().st_mode) == 0o600


async def test_a_folder_that_others_can_read_is_closed_to_them(
    embedded: StoreSettings, state: Path
) -> None:
    (state / "store").mkdir(mode=0o755)
    async with opened(embedded):
        assert stat.S_IMODE((state / "store").stat().st_mode) == 0o700


async def test_a_file_in_the_place_of_the_folder_is_a_fault_with_its_remedy(
    embedded: StoreSettings, state: Path
) -> None:
    (state / "store").symlink_to("/tmp")
    with pytest.raises(CannotStart, match=r"is not a folder. Remove it, or set store.state_dir"):
        async with opened(embedded):
            pass


async def test_a_state_dir_that_cannot_be_written_to_is_a_fault_with_its_remedy() -> None:
    settings = StoreSettings(state_dir=Path("/proc/nowhere"))
    with pytest.raises(CannotStart, match=r"Set store.state_dir \(SLUICEGATE_STORE__STATE_DIR\)"):
        async with opened(settings):
            pass


async def test_no_place_for_state_is_a_fault_with_its_remedy() -> None:
    with pytest.raises(CannotStart, match="neither HOME nor XDG_STATE_HOME is set"):
        async with opened(StoreSettings()):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(state: Path) -> None:
    os.chown(state, 12345, 12345)
    child = os.fork()
    if child == 0:  # the rest of this process must stay root
        os.setuid(54321)
        try:
            make_private(state)
        except CannotStart as error:
            os._exit(0 if "belongs to user 12345, not to user 54321" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_path_too_long_for_a_socket_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90)
    assert socket_in(tmp_path / "a") == tmp_path / "a" / "store.sock"
    assert len(os.fsencode(socket_in(deep))) < 100
    assert socket_in(deep) == socket_in(deep)
    assert socket_in(deep) != socket_in(tmp_path / ("y" * 90))


async def test_a_server_with_a_long_path_works(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("x" * 90))
    await server.start()
    try:
        assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
        store = Store(server.endpoint(), deadline_s=5)
        await store.open()
        assert await store.call(SET, KEY, "x") == b"OK"
        await store.aclose()
    finally:
        await server.stop()
        server.socket.parent.rmdir()


async def test_a_file_that_a_crash_cut_short_loses_only_its_end(
    embedded: StoreSettings, state: Path
) -> None:
    async with opened(embedded) as store:
        await store.call(SET, KEY, "kept")
        await store.call(SET, KEY + b":late", "x" * 1000)
    (newest,) = (state / "store" / "appendonlydir").glob("*.incr.aof")
    with newest.open("r+b") as file:
        file.truncate(newest.stat().st_size - 500)
    async with opened(embedded) as store:
        assert await store.call(GET, KEY, 0) == b"kept"
        assert await store.call(GET, KEY + b":late", 0) is None


async def test_a_file_that_is_no_such_file_is_a_fault_that_says_what_the_server_said(
    embedded: StoreSettings, state: Path
) -> None:
    (state / "store" / "appendonlydir").mkdir(parents=True)
    (state / "store" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(CannotStart, match=r"(?s)ended at once. It said:.*manifest"):
        async with opened(embedded):
            pass


async def test_a_start_that_is_cancelled_leaves_no_process(state: Path) -> None:
    server = EmbeddedServer(state / "store")
    starting = asyncio.create_task(server.start())
    await eventually(lambda: server.pid is not None)
    pid = server.pid
    starting.cancel()
    await asyncio.wait([starting])
    assert pid is not None
    assert is_gone(pid)
    lock = Lock.take(state / "store" / "server.lock")
    assert lock is not None
    lock.release()


def _start(argv: tuple[str, ...], inherited: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, pass_fds=(inherited,), stdout=subprocess.DEVNULL)


async def test_a_server_that_lost_guard_and_gateway_is_replaced(
    embedded: StoreSettings, state: Path
) -> None:
    folder = state / "store"
    make_private(folder)
    lock = Lock.take(folder / "server.lock")
    assert lock is not None
    argv = EmbeddedServer(folder)._argv()
    stray = _start(argv, lock.descriptor)
    lock.release()
    await eventually((folder / "store.sock").exists)
    async with opened(embedded) as store:
        assert await store.call(SET, KEY, "x") == b"OK"
        assert stray.wait(5) == 0
        assert store.up


async def test_a_server_that_dies_is_started_again_with_what_it_held(
    embedded: StoreSettings,
) -> None:
    async with opened(embedded) as store:
        await store.call(SET, KEY, "kept")
        endpoint = store._lines._endpoint
        assert isinstance(endpoint, SharedEndpoint)
        pid = endpoint._server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not store.up)
        await eventually(lambda: store.up)
        assert await store.call(GET, KEY, 0) == b"kept"
        assert endpoint._server.pid not in (None, pid)
