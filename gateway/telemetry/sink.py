"""Write log lines without ever making a request wait for the disk or the terminal.

Telemetry is lossy by design: when the reader of the log is too slow, records are dropped and
counted, instead of filling the memory or blocking the event loop.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

MAX_PENDING = 20_000
"""Lines that may wait; some 8 MB."""


class Sink:
    """A thread that writes lines to a file descriptor, in order, many at a time."""

    def __init__(
        self, descriptor: int, *, on_drop: Callable[[], None], interval_s: float = 0.1
    ) -> None:
        self._descriptor = descriptor
        self._on_drop = on_drop
        self._interval_s = interval_s
        self._pending: deque[bytes] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-record", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Take one line, with its line end. Never blocks."""
        if len(self._pending) >= MAX_PENDING:
            self._on_drop()
        else:
            self._pending.append(line)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is pending and stop; gives up after `timeout_s` on a stuck reader."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._pending:
            self._write_all(self._piece())

    def _piece(self) -> bytes:
        """The next whole lines, as many as a pipe takes in one: several workers may share it."""
        lines = [self._pending.popleft()]
        size = len(lines[0])
        while self._pending and size + len(self._pending[0]) <= select.PIPE_BUF:
            lines.append(self._pending.popleft())
            size += len(lines[-1])
        return b"".join(lines)

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # Whoever shares the descriptor has made it non-blocking, for us too.
                time.sleep(self._interval_s)
            except OSError:
                for _ in range(data.count(b"\n")):
                    self._on_drop()
                return
