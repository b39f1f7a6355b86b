"""Request bodies: too large, too slow, cut off, compressed, and bombs."""

from __future__ import annotations

import asyncio
import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.inference.body import BodyLimits, BodyReader, ClientGone

pytestmark = pytest.mark.anyio

MEGABYTE = 1 << 20
TEXT = b'{"model": "llama3", "messages": []}' * 100


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


Message = dict[str, Any]


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT: Message = {"type": "http.disconnect"}


class Client:
    """What a client sends, message by message; after the last one it keeps silent."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.asked = asyncio.Event()
        """Set when everything was taken and more is waited for."""

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self._messages:
            return self._messages.pop(0)
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")


async def read(
    *messages: Message | bytes,
    receive: Callable[[], Awaitable[Message]] | None = None,
    declared: bytes | None = None,
    encoding: bytes | None = None,
    limit: int = MEGABYTE,
    time_s: float = 30.0,
    reader: BodyReader | None = None,
) -> bytes:
    task = asyncio.current_task()
    assert task is not None
    whole = [part(each, more=False) if isinstance(each, bytes) else each for each in messages]
    return await (reader or BodyReader()).read(
        receive or Client(*whole).receive,
        task=task,
        declared=declared,
        encoding=encoding,
        limits=BodyLimits(bytes=limit, time_s=time_s),
    )


async def refused(*messages: Message | bytes, **options: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        await read(*messages, **options)
    return caught.value


# Plain bodies


async def test_a_body_in_one_piece_is_returned() -> None:
    assert await read(TEXT, declared=b"%d" % len(TEXT)) == TEXT


async def test_a_body_in_many_pieces_is_put_together() -> None:
    pieces = [part(TEXT[at : at + 7]) for at in range(0, len(TEXT), 7)]
    assert await read(*pieces, part(b"", more=False)) == TEXT


async def test_no_body_is_an_empty_one() -> None:
    assert await read({"type": "http.request"}) == b""


@pytest.mark.parametrize("declared", [b"1000001", b"9" * 30, b"9" * 5000])
async def test_a_declared_length_beyond_the_limit_is_refused_without_reading(
    declared: bytes,
) -> None:
    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    error = await refused(receive=receive, declared=declared, limit=1_000_000)
    assert error.status == 413
    assert error.code == "request_too_large"
    assert error.close
    assert "server.max_body_mb" in error.message


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert await read(b"x" * 1000, declared=b"1000", limit=1000) == b"x" * 1000
    halves = part(b"x" * 500), part(b"x" * 500, more=False)
    assert await read(*halves, limit=1000) == b"x" * 1000


async def test_one_byte_beyond_the_limit_is_too_much_with_and_without_a_declared_length() -> None:
    assert (await refused(b"x" * 1001, limit=1000)).status == 413
    assert (await refused(part(b"x" * 1000), part(b"x", more=False), limit=1000)).status == 413


async def test_an_endless_body_is_refused_when_the_limit_is_passed() -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return part(b"x" * 100)

    error = await refused(receive=receive, limit=1000)
    assert error.status == 413
    assert error.close
    assert asked == 11


@pytest.mark.parametrize("sent", [(), (part(b'{"model":'),), (part(b"a"), part(b"b"))])
async def test_a_client_that_leaves_before_the_end_is_gone(sent: tuple[Message, ...]) -> None:
    with pytest.raises(ClientGone):
        await read(*sent, LEFT)


# Time


async def test_a_body_that_does_not_come_is_refused_with_408_and_others_wait_on() -> None:
    reader = BodyReader()
    patient = Client()
    other = asyncio.create_task(read(receive=patient.receive, time_s=60, reader=reader))
    error = await refused(part(b'{"mod'), time_s=0.01, reader=reader)
    assert error.status == 408
    assert error.code == "request_timeout"
    assert error.close
    assert "within 0.01 s" in error.message
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not other.done()
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other


async def test_a_body_that_trickles_has_no_more_time_than_one_that_does_not() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.05)
        return part(b"x")

    assert (await refused(receive=receive, time_s=0.2)).status == 408


async def test_cancelling_a_read_stays_a_cancellation_and_leaves_nothing_behind() -> None:
    reader = BodyReader()
    client = Client(part(b"x"))
    task = asyncio.create_task(read(receive=client.receive, reader=reader))
    await client.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not reader._reading


@pytest.mark.parametrize("outer_first", [True, False])
async def test_a_cancellation_in_the_turn_of_the_time_out_is_not_lost(outer_first: bool) -> None:
    reader = BodyReader()
    client = Client()
    task = asyncio.create_task(read(receive=client.receive, reader=reader, time_s=0.0))
    await client.asked.wait()
    if outer_first:
        task.cancel()
    reader._sweep()
    if not outer_first:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Compressed bodies

COMPRESS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"zstd": zstandard.ZstdCompressor().compress,
}
codings = pytest.mark.parametrize("coding", COMPRESS)


def zstd_stream(data: bytes) -> bytes:
    """A frame that does not announce the length of its content."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(data) + compressor.flush()


@codings
@pytest.mark.parametrize("data", [b"", b"x", TEXT, bytes(range(256)) * 1000])
async def test_a_compressed_body_is_decompressed(coding: bytes, data: bytes) -> None:
    assert await read(COMPRESS[coding](data), encoding=coding) == data


async def test_a_zstd_body_of_unknown_length_is_decompressed() -> None:
    assert await read(zstd_stream(TEXT * 100), encoding=b"zstd") == TEXT * 100


@pytest.mark.parametrize("encoding", [b"GZIP", b" gzip ", b"x-gzip"])
async def test_the_name_of_a_coding_may_be_written_in_any_way(encoding: bytes) -> None:
    assert await read(gzip.compress(TEXT), encoding=encoding) == TEXT


@pytest.mark.parametrize("encoding", [None, b"", b"identity", b"Identity "])
async def test_no_coding_leaves_the_body_alone(encoding: bytes | None) -> None:
    assert await read(TEXT, encoding=encoding) == TEXT


@pytest.mark.parametrize("encoding", [b"br", b"deflate", b"gzip, gzip", b"zstd,identity", b"\xff"])
async def test_another_coding_is_refused_with_those_that_are_known(encoding: bytes) -> None:
    error = await refused(TEXT, encoding=encoding)
    assert error.status == 415
    assert error.code == "unsupported_encoding"
    assert "gzip or zstd" in error.message


async def test_an_absurd_coding_is_not_repeated_at_length() -> None:
    assert len((await refused(TEXT, encoding=b"x" * 10_000)).message) < 200


@codings
@pytest.mark.parametrize("body", [b"", b"{}", TEXT, b"\x00" * 100])
async def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    coding: bytes, body: bytes
) -> None:
    error = await refused(body, encoding=coding)
    assert error.status == 400
    assert error.code == "invalid_body"
    assert coding.decode() in error.message


@codings
async def test_a_compressed_body_cut_anywhere_is_refused(coding: bytes) -> None:
    whole = COMPRESS[coding](TEXT)
    for length in range(len(whole)):
        error = await refused(whole[:length], encoding=coding)
        assert error.code == "invalid_body"


async def test_a_zstd_stream_cut_after_a_complete_block_is_refused() -> None:
    whole = zstd_stream(bytes(range(256)) * 4000)
    error = await refused(whole[:-3], encoding=b"zstd", limit=1 << 24)
    assert "cut short" in error.message


@codings
async def test_what_follows_the_end_of_a_compressed_body_is_refused(coding: bytes) -> None:
    whole = COMPRESS[coding](TEXT)
    for more in (b"x", whole):
        assert "goes on after its end" in (await refused(whole + more, encoding=coding)).message


@codings
async def test_the_limit_holds_after_decompression(coding: bytes) -> None:
    body = COMPRESS[coding](b"x" * 1001)
    assert await read(body, encoding=coding, limit=1001) == b"x" * 1001
    assert (await refused(body, encoding=coding, limit=1000)).status == 413


def gzip_bomb() -> bytes:
    """Some 130 KB that become 128 MB."""
    compressor = zlib.compressobj(9, wbits=31)
    zeros = bytes(MEGABYTE)
    return b"".join(compressor.compress(zeros) for _ in range(128)) + compressor.flush()


def zstd_bomb() -> bytes:
    """32 KB that become 1 GB: blocks that say "this byte, 128 Ki times"."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0, (17 - 10) << 3])
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b" "
    last = struct.pack("<I", (1 << 17) << 3 | 1 << 1 | 1)[:3] + b" "
    return header + block * 8191 + last


@pytest.mark.parametrize(("coding", "make"), [(b"gzip", gzip_bomb), (b"zstd", zstd_bomb)])
async def test_a_bomb_is_refused_without_making_room_for_it(
    coding: bytes, make: Callable[[], bytes]
) -> None:
    bomb = make()
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        error = await refused(bomb, encoding=coding, limit=MEGABYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.status == 413
    assert peak < 8 * MEGABYTE


async def test_a_small_zstd_body_may_not_claim_a_large_window() -> None:
    window_128_mb = bytes([0, (27 - 10) << 3])
    greedy = b"\x28\xb5\x2f\xfd" + window_128_mb + b"\x09\x00\x00x"
    assert (await refused(greedy, encoding=b"zstd")).code == "invalid_body"


@given(st.binary(), st.sampled_from(sorted(COMPRESS)))
def test_arbitrary_bytes_are_refused_and_nothing_else(body: bytes, coding: bytes) -> None:
    assert asyncio.run(refused(body, encoding=coding)).status == 400
