"""What must hold after every call of the script, whatever has happened before."""

from __future__ import annotations

from random import Random

import pytest

from tests.gateway.admission.scripted import ScriptedScheduler
from tests.gateway.admission.stored import Everything, script_state
from tests.gateway.admission.traces import Letters, Trace
from tests.gateway.admission.traffic import ROUTES, RUNNERS, SECOND, START

ALIVE, OFFER = 6 * SECOND, 5 * SECOND
BY_ID = {route.id: route for route in ROUTES}


class Watched:
    """A target for traces that looks at everything after each call."""

    def __init__(self, script: ScriptedScheduler) -> None:
        self.script = script
        self.now = START
        self.grants: dict[str, tuple[int, int]] = {}
        """For each ticket its last fence, and when it was given."""
        self.before = script_state(script.client)

    def ask(self, now: int, operation: str, *arguments: object) -> tuple[list[object], Letters]:
        """Ask the script, and hold it to the rules."""
        self.now = max(self.now, now)
        reply, letters = self.script.call(now, operation, *arguments)
        state = script_state(self.script.client)
        assert isinstance(reply, list)
        taken_up = {held[0] for held in arguments[2]} if operation == "sync" else set()  # type: ignore[attr-defined]
        self._no_slot_is_held_twice(taken_up, state)
        self._no_ticket_is_granted_twice(operation, arguments, reply, letters)
        self._what_is_over_is_not_offered(letters)
        if operation in ("pump", "sync"):
            self._nobody_waits_for_a_free_slot(state)
        if reply == ["stale"]:
            assert state == self.before
        self.before = state
        return reply, letters

    def flush(self) -> None:
        """The store forgets; so does whoever watches it."""
        self.script.flush()
        self.grants.clear()
        self.now = START
        self.before = script_state(self.script.client)

    def _no_slot_is_held_twice(self, taken_up: set[str], state: Everything) -> None:
        for runner in RUNNERS:
            held = state["leases"].get(runner, {})
            if len(held) > state["slots"].get(runner, 0):
                had = self.before["leases"].get(runner, {})
                assert set(held) - set(had) <= taken_up, f"{runner} has more than its slots"

    def _no_ticket_is_granted_twice(
        self, operation: str, arguments: tuple[object, ...], reply: list[object], letters: Letters
    ) -> None:
        granted = [
            (str(of[1]), of[3]) for box in letters.values() for of in box if of[0] == "offer"
        ]
        if operation == "submit" and reply[0] == "granted":
            granted.append((str(arguments[1]), reply[2]))
        for ticket, fence in granted:
            assert isinstance(fence, int)
            last, at = self.grants.get(ticket, (0, 0))
            if fence != last:
                assert fence > last
                assert self.now - at >= OFFER, f"{ticket} has two slots"
                self.grants[ticket] = fence, self.now

    def _what_is_over_is_not_offered(self, letters: Letters) -> None:
        for replica, box in letters.items():
            for letter in box:
                if letter[0] == "offer":
                    ticket = self.before["tickets"].get(letter[1])
                    assert ticket is None or ticket[7] >= self.now
                    assert letter[4] == self.now
                    assert self.now - self._seen(replica) <= ALIVE

    def _nobody_waits_for_a_free_slot(self, state: Everything) -> None:
        for runner, slots in state["slots"].items():
            if len(state["leases"].get(runner, ())) >= slots:
                continue
            for ticket, t in state["tickets"].items():
                if t[0].value == "waiting" and runner in BY_ID[t[2]].runners:
                    can_use = state["fits"].get(runner, {}).get(t[8], 0) > 0
                    alive = self.now - state["replicas"].get(t[8], 0) <= ALIVE
                    assert not (can_use and alive), f"{ticket} waits, {runner} is free"

    def _seen(self, replica: str) -> int:
        state = script_state(self.script.client)
        return int(state["replicas"].get(replica, 0))


@pytest.mark.parametrize("seed", range(100, 104))
def test_the_rules_hold_after_every_call(script: ScriptedScheduler, seed: int) -> None:
    trace = Trace(Random(seed), Watched(script))
    trace.run(150)


@pytest.mark.parametrize("seed", range(200, 203))
def test_when_everything_has_ended_nothing_is_left(script: ScriptedScheduler, seed: int) -> None:
    trace = Trace(Random(seed), Watched(script))
    trace.run(150)
    trace.drain()
    state = script_state(script.client)
    for kind in ("tickets", "deadlines", "work", "waited for", "count", "load", "ready", "lines"):
        assert state[kind] == {}, kind
    assert state["leases"] == {}
    assert state["promises"] == {}
