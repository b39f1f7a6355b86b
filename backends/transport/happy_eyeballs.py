"""Connecting to a name that has several addresses without waiting for the dead ones.

RFC 8305 in little. asyncio has it built in, uvloop tries one address after the other and would
spend the whole time budget on an IPv6 address that nobody answers.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

_HEAD_START_S = 0.25
"""RFC 8305, section 5: Connection Attempt Delay."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a name, as `socket` wants it."""

    family: int
    address: Any


async def resolve(host: str, port: int) -> list[Endpoint]:
    """Every address of `host`, families taking turns. Raises `socket.gaierror`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return interleave([Endpoint(family, address) for family, _, _, _, address in found])


def interleave(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Keep the resolver's order within a family, and let the families take turns."""
    first = [e for e in endpoints if e.family == endpoints[0].family]
    others = [e for e in endpoints if e.family != endpoints[0].family]
    return [e for e in chain.from_iterable(zip_longest(first, others)) if e is not None]


async def first_to_connect(endpoints: Sequence[Endpoint]) -> socket.socket:
    """A socket connected to the first endpoint that answers.

    Each endpoint gets its turn when the one before it has failed, or after its share of patience.
    Raises the error of the most preferred one if none answers. Whatever happens, cancellation
    included, no other socket stays open.
    """
    connected: list[socket.socket] = []
    failed = [asyncio.Event() for _ in endpoints]
    errors: dict[int, OSError] = {}
    attempts: list[asyncio.Task[None]] = []

    async def attempt(turn: int) -> None:
        if turn:
            with suppress(TimeoutError):
                async with asyncio.timeout(turn * _HEAD_START_S):
                    await failed[turn - 1].wait()
        try:
            connected.append(await _connect(endpoints[turn]))
        except OSError as exc:
            errors[turn] = exc
            failed[turn].set()
        else:
            for other in attempts:
                if other is not asyncio.current_task():
                    other.cancel()

    try:
        async with asyncio.TaskGroup() as group:
            attempts += [group.create_task(attempt(turn)) for turn in range(len(endpoints))]
    except BaseException:
        _close(connected)
        raise
    if not connected:
        raise errors[0]
    _close(connected[1:])
    return connected[0]


def _close(sockets: Iterable[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


async def _connect(endpoint: Endpoint) -> socket.socket:
    sock = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, endpoint.address)
    except BaseException:
        sock.close()
        raise
    return sock
