"""Letters find whoever waits for them, and those that nobody waits for are noticed."""

from __future__ import annotations

import asyncio

import pytest

from gateway.admission.base import Ticket
from gateway.admission.scheduler import Granted
from gateway.admission.topology import Place
from gateway.admission.waiting import Waiting
from gateway.admission.waiting_room import WaitingRoom

pytestmark = pytest.mark.anyio
OFFER = Granted("runner", 7, 0.0)


def ticket(id: str) -> Waiting:
    plain = Ticket(model="demo", candidates=("box",), wait_s=60.0, max_waiting=8)
    place = Place("pool", "route", ("runner",))
    return Waiting(id, plain, place, 0.0, asyncio.get_running_loop())


async def test_a_letter_may_come_before_its_ticket_waits() -> None:
    room, waiting = WaitingRoom(), ticket("t1")
    room.end("t1", OFFER)
    with room.entered(waiting):
        assert waiting.outcome.result() is OFFER
    assert room.unclaimed() == []


async def test_an_offer_that_nobody_has_come_for_by_the_second_look_is_unclaimed() -> None:
    room = WaitingRoom()
    room.end("t1", OFFER)
    assert room.unclaimed() == []
    room.end("t2", OFFER)
    assert room.unclaimed() == ["t1"]
    assert room.unclaimed() == ["t2"]
    assert room.unclaimed() == []


async def test_an_offer_that_was_taken_in_between_is_not() -> None:
    room, waiting = WaitingRoom(), ticket("t1")
    room.end("t1", OFFER)
    assert room.unclaimed() == []
    with room.entered(waiting):
        assert room.unclaimed() == []
