"""Random traffic for a scheduler: replicas that are slow, forgetful, silent, or start anew.

Every choice comes from one `random.Random`, so that Hypothesis can make and shrink it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tests.gateway.admission.traffic import (
    MILLISECOND,
    REPLICAS,
    RUNNERS,
    SECOND,
    START,
    brought_back,
    random_request,
)
from tests.oracle.request import Asked, Held

STEPS = (0, 1, 1, 1, 40 * MILLISECOND, 40 * MILLISECOND, 300 * MILLISECOND, SECOND)
RARE_STEPS = (-3 * SECOND, 6 * SECOND, 7 * SECOND, 11 * SECOND, 16 * SECOND, 70 * SECOND)


class Target(Protocol):
    """Whatever can be asked; see `tests.oracle.scheduler.Scheduler`."""

    def ask(self, now: int, operation: str, *arguments: object) -> tuple[list[object], Letters]:
        """The reply, and the new letters for each replica."""
        ...

    def flush(self) -> None:
        """Forget everything."""
        ...


Letters = dict[str, list[list[object]]]


@dataclass(slots=True)
class Replica:
    """What one replica believes."""

    waiting: dict[str, Asked] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    silent: bool = False


class Trace:
    """One run of random operations on a target."""

    def __init__(self, random: Random, target: Target) -> None:
        self.random = random
        self.target = target
        self.now = START
        self.replicas = {name: Replica() for name in REPLICAS}
        self.slots = {runner: random.randint(0, 3) for runner in RUNNERS}
        self.pressed = random.choice((1, 4))
        """How many tickets come for each other operation."""
        self._made = 0
        self._refused: list[str] = []
        self._past: list[Held] = []

    def run(self, steps: int) -> None:
        """Begin with replicas that know their runners, then anything."""
        for name in REPLICAS:
            self.sync(name)
        operations = (
            *(self.submit,) * 4 * self.pressed,
            *(self.finish,) * 5,
            *(self.sync_one,) * 3,
            *(self.cancel,) * 2,
            *(self.pump, self.set_runner, self.submit_again, self.finish_late),
        )
        rare = (self.forget_runner, self.leave, self.flush, self.fall_silent, self.cancel_unknown)
        for _ in range(steps):
            self.tick()
            usual = self.random.randint(0, 39) > 0
            self.random.choice(operations if usual else rare)()

    def drain(self) -> None:
        """Everything ends: what runs is finished, what waits is cancelled, the rest expires."""
        for name, replica in self.replicas.items():
            for held in list(replica.held.values()):
                self.ask("finish", held.ticket, held.fence, SECOND, 1)
            for ticket in list(replica.waiting):
                self.ask("cancel", ticket, 0)
            replica.held.clear()
            replica.waiting.clear()
            self.ask("sync", name, [], [], [])
        for _ in range(10):
            self.now += 61 * SECOND
            self.ask("pump")

    def ask(self, operation: str, *arguments: object) -> list[object]:
        """Call, and let the replicas read their mail, if it is not lost."""
        reply, letters = self.target.ask(self.now, operation, *arguments)
        for name, box in letters.items():
            for letter in box:
                if not self.replicas[name].silent and self.random.randint(0, 9) > 0:
                    self._read(self.replicas[name], letter)
        return reply

    def tick(self) -> None:
        rare = self.random.randint(0, 49) == 0
        self.now += self.random.choice(RARE_STEPS if rare else STEPS)

    def submit(self) -> None:
        name = self.random.choice(REPLICAS)
        self._made += 1
        self._submit(random_request(self.random, name, self._made, self._refused))

    def submit_again(self) -> None:
        """A reply was lost: the same ticket once more."""
        replica = self.replicas[self.random.choice(REPLICAS)]
        if replica.waiting:
            self._submit(self.random.choice(list(replica.waiting.values())))

    def finish(self) -> None:
        replica = self.replicas[self.random.choice(REPLICAS)]
        if replica.held:
            held = replica.held.pop(self.random.choice(list(replica.held)))
            self._past.append(held)
            actual = held.cost * self.random.randint(0, 30) // 10
            self.ask("finish", held.ticket, held.fence, actual, self.random.randint(0, 1))

    def finish_late(self) -> None:
        """Of what is over, or never was; or with another's fence."""
        if self._past:
            held = self.random.choice(self._past[-10:])
            fence = held.fence + self.random.randint(-1, 1)
            self.ask("finish", held.ticket, fence, SECOND, 1)
        else:
            self.ask("finish", "R9.000000", 1, SECOND, 1)

    def cancel(self) -> None:
        replica = self.replicas[self.random.choice(REPLICAS)]
        known = [*replica.waiting, *replica.held]
        if known:
            ticket = self.random.choice(known)
            replica.waiting.pop(ticket, None)
            replica.held.pop(ticket, None)
            self.ask("cancel", ticket, self.random.randint(0, 1))

    def cancel_unknown(self) -> None:
        self.ask("cancel", "R9.000000", self.random.randint(0, 1))

    def pump(self) -> None:
        self.ask("pump")

    def set_runner(self) -> None:
        runner = self.random.choice(RUNNERS)
        self.slots[runner] = self.random.randint(0, 3)
        self.ask("set_runner", self.random.choice(REPLICAS), runner, self.slots[runner])

    def forget_runner(self) -> None:
        self.ask("forget_runner", self.random.choice(REPLICAS), self.random.choice(RUNNERS))

    def leave(self) -> None:
        self.ask("leave", self.random.choice(REPLICAS))

    def fall_silent(self) -> None:
        """A replica stalls; what it believes, it still believes when it wakes up."""
        replica = self.replicas[self.random.choice(REPLICAS)]
        replica.silent = not replica.silent

    def flush(self) -> None:
        """The store loses everything; the replicas bring it back."""
        self.target.flush()
        for name in self.random.sample(REPLICAS, 3):
            self.tick()
            self.sync(name)

    def sync_one(self) -> None:
        name = self.random.choice(REPLICAS)
        if not self.replicas[name].silent:
            self.sync(name)

    def sync(self, name: str) -> None:
        replica = self.replicas[name]
        runners: list[object] = []
        for runner in RUNNERS if self.random.randint(0, 3) else ():
            usable = self.random.randint(0, 9) > 0
            runners += [runner, self.slots[runner] if usable else 0]
        held = [each.packed() for each in replica.held.values()]
        afresh = int(self.random.randint(0, 5) == 0)
        reply = self.ask("sync", name, runners, held, list(replica.waiting), 1, afresh)
        _, _, lost, unknown, offers = reply
        assert isinstance(lost, list)
        assert isinstance(unknown, list)
        assert isinstance(offers, list)
        for ticket in lost:
            self._past.append(replica.held.pop(ticket))
        for ticket, runner, fence, _ in offers:
            self._granted(replica, ticket, runner, fence)
        for ticket in unknown:
            asked = replica.waiting.pop(ticket)
            if self.random.randint(0, 3):
                self._submit(brought_back(self.random, asked, self.now))

    def _submit(self, asked: Asked) -> None:
        replica = self.replicas[asked.replica]
        replica.waiting[asked.ticket] = asked
        reply = self.ask("submit", *asked.packed())
        if reply[0] == "granted":
            _, runner, fence, _ = reply
            self._granted(replica, asked.ticket, str(runner), fence)
        elif reply[0] == "refused":
            del replica.waiting[asked.ticket]
            if asked.retry:
                self._refused.append(asked.retry)

    def _granted(self, replica: Replica, ticket: str, runner: str, fence: object) -> None:
        assert isinstance(fence, int)
        asked = replica.waiting.pop(ticket, None)
        if asked is not None:
            replica.held[ticket] = Held(ticket, fence, runner, asked.route, asked.flow, asked.cost)

    def _read(self, replica: Replica, letter: Sequence[object]) -> None:
        if letter[0] == "offer":
            _, ticket, runner, fence, _ = letter
            self._granted(replica, str(ticket), str(runner), fence)
        else:
            replica.waiting.pop(str(letter[1]), None)
