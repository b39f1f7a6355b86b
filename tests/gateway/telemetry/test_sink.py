"""Log lines that never make a request wait."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from gateway.telemetry import sink as sink_module
from gateway.telemetry.sink import Sink


@dataclass
class Pipe:
    far: int
    near: int
    drops: list[None] = field(default_factory=list)

    def drop(self) -> None:
        self.drops.append(None)

    def sink(self) -> Sink:
        return Sink(self.near, on_drop=self.drop, interval_s=0.005)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(self.far, size - len(data))
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    far, near = os.pipe()
    fcntl.fcntl(near, fcntl.F_SETPIPE_SZ, 4096)
    made = Pipe(far, near)
    yield made
    for descriptor in (made.far, made.near):
        os.close(descriptor)


def eventually(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_lines_arrive_in_order_without_being_flushed(pipe: Pipe) -> None:
    sink = pipe.sink()
    lines = [b"line %d\n" % number for number in range(200)]
    for line in lines:
        sink.write(line)
    assert pipe.read(sum(map(len, lines))) == b"".join(lines)
    sink.close()
    assert pipe.drops == []


def test_closing_writes_what_is_pending(pipe: Pipe) -> None:
    sink = Sink(pipe.near, on_drop=pipe.drop, interval_s=60.0)
    sink.write(b"one\n")
    sink.write(b"two\n")
    sink.close()
    assert pipe.read(8) == b"one\ntwo\n"


def test_closing_twice_is_fine(pipe: Pipe) -> None:
    sink = pipe.sink()
    sink.close()
    sink.close()


def test_a_full_pipe_never_blocks_the_writer_but_drops_and_counts(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "MAX_PENDING", 100)
    sink = pipe.sink()
    line = b"x" * 999 + b"\n"
    written = 3000
    began = time.monotonic()
    for _ in range(written):
        sink.write(line)
    assert time.monotonic() - began < 1.0
    assert len(pipe.drops) >= written - 2 * 500 - 100
    # What was taken arrives whole once the reader wakes up, and nothing is lost uncounted.
    kept = written - len(pipe.drops)
    assert pipe.read(kept * len(line)) == line * kept
    sink.close()
    assert len(pipe.drops) == written - kept


def test_closing_gives_up_on_a_reader_that_is_stuck(pipe: Pipe) -> None:
    sink = pipe.sink()
    for _ in range(100):
        sink.write(b"x" * 999 + b"\n")
    began = time.monotonic()
    sink.close(timeout_s=0.05)
    assert time.monotonic() - began < 1.0
    pipe.read(100_000)  # lets the thread end
    eventually(lambda: not sink._thread.is_alive())


def test_a_pipe_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.near, False)
    sink = pipe.sink()
    lines = [b"%04d %s\n" % (number, b"x" * 100) for number in range(300)]
    for line in lines:
        sink.write(line)
    assert pipe.read(sum(map(len, lines))) == b"".join(lines)
    sink.close()
    assert pipe.drops == []


def test_lines_for_a_reader_that_is_gone_are_dropped_and_counted_one_by_one() -> None:
    far, near = os.pipe()
    os.close(far)
    pipe = Pipe(-1, near)
    sink = Sink(near, on_drop=pipe.drop, interval_s=0.005)
    for _ in range(7):
        sink.write(b"line\n")
    eventually(lambda: len(pipe.drops) == 7)
    sink.write(b"one more\n")
    sink.close()
    assert len(pipe.drops) == 8
    os.close(near)


def test_it_does_not_keep_the_process_alive(pipe: Pipe) -> None:
    sink = pipe.sink()
    assert sink._thread.daemon
    assert sink._thread in threading.enumerate()
    sink.close()
    assert sink._thread not in threading.enumerate()


def test_lines_of_two_writers_of_one_pipe_are_never_mixed(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.near, fcntl.F_SETPIPE_SZ, 1 << 16)
    sinks = [pipe.sink(), pipe.sink()]
    for number in range(1000):
        for sink, letter in zip(sinks, (b"a", b"b"), strict=True):
            sink.write(letter * (300 + number % 50) + b"\n")
    reading = threading.Thread(target=lambda: seen.append(pipe.read(size)))
    seen: list[bytes] = []
    size = 2 * sum(301 + number % 50 for number in range(1000))
    reading.start()
    reading.join(10)
    assert len(seen) == 1
    assert all(len(set(line)) == 1 for line in seen[0].split(b"\n")[:-1])
    for sink in sinks:
        sink.close()
