"""Messages between a supervisor and one of its workers, over a socket that only the two have."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, TypeAlias

import msgspec

MOST_BYTES = 64 << 20

Message: TypeAlias = tuple[str, Any]
"""What it is about, and the rest, which MessagePack can carry."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[str, Any]).decode


class Channel:
    """One end. Its closing, or the death of the other process, ends what the other end receives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Take over one end of a socket pair."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, about: str, payload: object = None) -> None:
        """Send one message; lost if the other end is gone. Does not wait."""
        if not self._writer.is_closing():
            data = _pack((about, payload))
            self._writer.write(len(data).to_bytes(4) + data)

    async def receive(self) -> Message | None:
        """The next message; None once there will be none."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4))
            if size > MOST_BYTES:
                return None
            return _unpack(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._writer.close()

    async def aclose(self, within_s: float = 1.0) -> None:
        """Hang up once everything is sent, or the time is over."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(within_s):
                await self._writer.wait_closed()
