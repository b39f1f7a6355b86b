"""Compressed request bodies: whole, broken, cut, and bombs."""

from __future__ import annotations

import asyncio
import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.inference.bodies import (
    MEGABYTE,
    TEXT,
    read,
    refused,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


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
