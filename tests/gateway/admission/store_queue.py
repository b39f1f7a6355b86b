"""The script as one test sees it: short calls, a clock of its own, offers that are read."""

from __future__ import annotations

from dataclasses import replace

from tests.gateway.admission.scripted import PREFIX, ScriptedScheduler
from tests.oracle.request import Asked, Held
from tests.oracle.ticket import Flow, Route

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
LAB = Flow("f1", 1, 1, "default lab")
ONE = Route("r1", "p1", ("x1",))
Reply = list


class StoreQueue:
    """Replica R1 knows runner x1 with `slots`; all else is for the test to say."""

    def __init__(self, script: ScriptedScheduler, *, slots: int = 1) -> None:
        self.script = script
        self.now = START
        self.offers: list[tuple[str, str, int]] = []
        """Ticket, runner and fence of every offer, in the order of their coming."""
        self.refusals: list[str] = []
        self._made = 0
        self._asked: dict[str, Asked] = {}
        self.sync("R1", x1=slots)

    def ask(self, operation: str, *arguments: object) -> list:  # type: ignore[type-arg]
        """Any operation, now."""
        reply, mail = self.script.call(self.now, operation, *arguments)
        for box in mail.values():
            for letter in box:
                if letter[0] == "offer":
                    self.offers.append((str(letter[1]), str(letter[2]), int(str(letter[3]))))
                else:
                    self.refusals.append(str(letter[1]))
        assert isinstance(reply, list)
        return reply

    def submit(self, flow: Flow = LAB, route: Route = ONE, **of: object) -> tuple[str, list]:  # type: ignore[type-arg]
        """A new ticket of 1 s that may wait for a minute; its id and the reply."""
        self._made += 1
        plain = Asked("R1", f"t{self._made:05d}", route, flow, SECOND, 60 * SECOND, 60 * SECOND)
        asked = replace(plain, **of)  # type: ignore[arg-type]
        self._asked[asked.ticket] = asked
        return asked.ticket, self.ask("submit", *asked.packed())

    def waits(self, flow: Flow = LAB, route: Route = ONE, **of: object) -> str:
        """A new ticket that has to wait."""
        ticket, reply = self.submit(flow, route, **of)
        assert reply[0] == "queued", reply
        return ticket

    def runs(self, flow: Flow = LAB, route: Route = ONE, **of: object) -> tuple[str, int]:
        """A new ticket that gets a slot at once, and its fence."""
        ticket, reply = self.submit(flow, route, **of)
        assert reply[0] == "granted", reply
        return ticket, reply[2]

    def finish(self, ticket: str, fence: int, actual: int = SECOND) -> str:
        """The end of a request; `finished` or `stale`."""
        return str(self.ask("finish", ticket, fence, actual, 0)[0])

    def sync(
        self,
        replica: str,
        *,
        held: list[tuple[str, int]] | None = None,
        waiting: list[str] | None = None,
        afresh: bool = False,
        **slots: int,
    ) -> list:  # type: ignore[type-arg]
        """A sign of life; leases by ticket and fence are taken to be on runner x1."""
        runners = [each for pair in slots.items() for each in pair]
        packed = []
        for ticket, fence in held or []:
            asked = self._asked[ticket]
            packed.append(Held(ticket, fence, "x1", asked.route, asked.flow, asked.cost).packed())
        return self.ask("sync", replica, runners, packed, waiting or [], 1, int(afresh))

    def in_flight(self, runner: str = "x1") -> int:
        """Leases on a runner."""
        return int(self.script.client.zcard(f"{PREFIX}:lease:{runner}"))

    def stored(self) -> set[str]:
        """The keys of this scheduling domain, without their prefix."""
        keys = self.script.client.keys(f"{PREFIX}:*")
        return {str(key, "utf-8").removeprefix(f"{PREFIX}:") for key in keys} - {"test-clock"}
