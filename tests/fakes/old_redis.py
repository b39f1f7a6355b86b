"""A server that claims to be any version: it answers what is asked before a store is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def claiming(info: str) -> AsyncIterator[int]:
    """Serve `info` as the answer to INFO, on the port that is yielded; refuse everything else."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while command := await _command(reader):
            if command[0].upper() == b"INFO":
                text = info.replace("\n", "\r\n").encode()
                writer.write(b"$%d\r\n%b\r\n" % (len(text), text))
            else:
                writer.write(b"-ERR unknown command '%b'\r\n" % command[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    try:
        parts = int((await reader.readuntil(b"\r\n"))[1:])
        command = []
        for _ in range(parts):
            size = int((await reader.readuntil(b"\r\n"))[1:])
            command.append((await reader.readexactly(size + 2))[:-2])
        return command
    except (asyncio.IncompleteReadError, ConnectionError):
        return []
