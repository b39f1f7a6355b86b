from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from backends.transport.happy_eyeballs import Endpoint, first_to_connect, interleave, resolve

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener() -> Iterator[Endpoint]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Endpoint(socket.AF_INET, server.getsockname())


@pytest.fixture
def refusing() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return Endpoint(socket.AF_INET, server.getsockname())


@pytest.fixture
def unanswering() -> Iterator[Endpoint]:
    """An address that drops what knocks: its queue of unaccepted connections is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        with socket.create_connection(server.getsockname()):
            yield Endpoint(socket.AF_INET, server.getsockname())


def sockets_of_this_process() -> int:
    return len(psutil.Process().net_connections("tcp"))


async def test_a_refusal_costs_no_waiting(listener: Endpoint, refusing: Endpoint) -> None:
    began = time.monotonic()
    with await first_to_connect([refusing, refusing, listener]) as sock:
        assert sock.getpeername() == listener.address
    assert time.monotonic() - began < 0.2


async def test_an_address_that_does_not_answer_is_overtaken(
    listener: Endpoint, unanswering: Endpoint
) -> None:
    before = sockets_of_this_process()
    began = time.monotonic()
    with await first_to_connect([unanswering, listener]) as sock:
        assert sock.getpeername() == listener.address
        assert sockets_of_this_process() == before + 1
    assert 0.2 < time.monotonic() - began < 2


async def test_the_preferred_address_wins_if_it_answers(listener: Endpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        second = Endpoint(socket.AF_INET, other.getsockname())
        with await first_to_connect([listener, second]) as sock:
            assert sock.getpeername() == listener.address


async def test_if_none_answers_the_preferred_ones_error_is_raised(refusing: Endpoint) -> None:
    with pytest.raises(ConnectionRefusedError):
        await first_to_connect([refusing, refusing])


async def test_cancelled_while_connecting_it_leaves_no_socket(unanswering: Endpoint) -> None:
    before = sockets_of_this_process()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await first_to_connect([unanswering, unanswering])
    assert sockets_of_this_process() == before


def test_families_take_turns() -> None:
    six = [Endpoint(socket.AF_INET6, n) for n in range(3)]
    four = [Endpoint(socket.AF_INET, n) for n in range(2)]
    assert interleave([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert interleave(four) == four


async def test_a_name_is_resolved_to_all_its_addresses() -> None:
    assert ("127.0.0.1", 7) in [endpoint.address[:2] for endpoint in await resolve("localhost", 7)]


async def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(socket.gaierror):
        await resolve("no-such-host.invalid", 7)
