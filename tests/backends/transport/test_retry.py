"""The one case in which a request is sent twice: a kept connection that dies unanswered."""

from __future__ import annotations

import pytest

from backends.errors import ConnectFailed, ConnectionLost, RunnerTimeout
from backends.transport import Timeouts
from tests.backends.transport.client import client, fetch, post
from tests.fakes.bad_peer import BadPeer, Wire, answer, answers

pytestmark = pytest.mark.anyio


async def hang_up(wire: Wire) -> None:
    """Read a request and close without a word."""
    await wire.request()


async def answer_then_hang_up(wire: Wire) -> None:
    """Answer one request and close on the second, as if it had crossed with the close."""
    await wire.request()
    await wire.send(answer(b"first"))
    await wire.request()


async def test_a_kept_connection_that_dies_unanswered_is_replaced_once() -> None:
    peer = BadPeer(answer_then_hang_up, answers(answer(b"second")))
    async with peer, client(peer.url) as transport:
        assert await fetch(transport, b"1") == b"first"
        response = await post(transport, b"2")
        assert not response.reused
        assert await response.read(10) == b"second"
        response.close()
        assert [request.body for request in peer.requests] == [b"1", b"2", b"2"]


async def test_the_replacement_is_a_new_connection_even_if_another_is_idle() -> None:
    peer = BadPeer(answer_then_hang_up, answer_then_hang_up, answers(answer(b"third")))
    async with peer, client(peer.url) as transport:
        for response in [await post(transport), await post(transport)]:
            response.close()
        assert transport.idle_connections == 2
        assert await fetch(transport) == b"third"


async def test_the_replacement_is_not_replaced() -> None:
    async with BadPeer(answer_then_hang_up, hang_up) as peer, client(peer.url) as transport:
        await fetch(transport)
        with pytest.raises(ConnectionLost, match=f"{peer.url} closed the connection without answ"):
            await fetch(transport)
        assert len(peer.requests) == 3


async def test_a_fresh_connection_that_dies_unanswered_is_not_replaced() -> None:
    async with BadPeer(hang_up) as peer, client(peer.url) as transport:
        with pytest.raises(ConnectionLost) as lost:
            await fetch(transport)
        assert lost.value.reached
        assert len(peer.requests) == 1
        assert transport.open_connections == 0


async def test_a_kept_connection_that_dies_after_a_first_byte_is_not_replaced() -> None:
    async def one_byte(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.request()
        await wire.send(b"H")

    async with BadPeer(one_byte) as peer, client(peer.url) as transport:
        await fetch(transport)
        with pytest.raises(ConnectionLost, match="in the middle of its response head"):
            await fetch(transport)
        assert len(peer.requests) == 2


async def test_a_kept_connection_that_stays_silent_is_a_time_out_and_not_replaced() -> None:
    async def then_silence(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.gone()

    async with BadPeer(then_silence) as peer, client(peer.url) as transport:
        await fetch(transport)
        with pytest.raises(RunnerTimeout):
            await fetch(transport, timeouts=Timeouts(first_byte_s=0.1))
        assert len(peer.wires) == 1


async def test_a_replacement_that_cannot_be_made_does_not_say_the_runner_was_never_reached() -> (
    None
):
    async def last_words(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer())
        await wire.request()
        peer.refuse()

    async with BadPeer(last_words) as peer, client(peer.url) as transport:
        await fetch(transport)
        with pytest.raises(ConnectionLost, match="without answering; then: cannot connect") as lost:
            await fetch(transport)
        assert lost.value.reached
        with pytest.raises(ConnectFailed):
            await fetch(transport)
