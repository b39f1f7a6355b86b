"""The script and its oracle side by side: whatever is asked is asked of both."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tests.gateway.admission.scripted import ScriptedScheduler
from tests.gateway.admission.stored import oracle_state, script_state
from tests.gateway.admission.traces import Letters
from tests.gateway.admission.traffic import FLOWS, ROUTES
from tests.oracle.request import Asked, Held
from tests.oracle.scheduler import Scheduler

_ROUTES = {route.id: route for route in ROUTES}
_FLOWS = {flow.id: flow for flow in FLOWS}


class Both:
    """A target for traces that compares every reply, every letter and, now and then, everything."""

    def __init__(self, script: ScriptedScheduler, *, compare_every: int = 20) -> None:
        self.script = script
        self.oracle = Scheduler()
        self.operations = 0
        self.asked: list[tuple[object, ...]] = []
        """Time, operation and arguments of everything so far; the operation `flush` for that."""
        self._compare_every = compare_every
        self._recent: deque[str] = deque(maxlen=30)

    def ask(self, now: int, operation: str, *arguments: object) -> tuple[list[object], Letters]:
        """Ask both; AssertionError with what led to it where they differ."""
        self.asked.append((now, operation, *arguments))
        (reply,), letters = self.together(now, [(operation, *arguments)])
        return reply, letters

    def together(
        self, now: int, operations: Sequence[tuple[object, ...]]
    ) -> tuple[list[list[object]], Letters]:
        """The script does several in one call, the oracle one after the other."""
        before = self.operations // self._compare_every
        self.operations += len(operations)
        replies, letters = self.script.together(now, operations)
        expected = [_of_oracle(self.oracle, now, str(o), rest) for o, *rest in operations]
        written: Letters = {}
        for replica, letter in self.oracle.domain.mail:
            written.setdefault(replica, []).append([*letter])
        self.oracle.domain.mail.clear()
        for each, reply in zip(operations, replies, strict=True):
            self._recent.append(f"{now} {each} -> {reply}")
        self._recent.append(f"{letters or ''}")
        story = "\n".join(self._recent)
        assert replies == expected, f"{story}\nthe oracle replies: {expected}"
        assert letters == written, f"{story}\nthe oracle writes: {written}"
        if self.operations // self._compare_every > before:
            self.compare()
        return expected, letters

    def compare(self) -> None:
        """Everything that is stored against everything the oracle knows."""
        stored = script_state(self.script.client)
        known = oracle_state(self.oracle)
        for name, value in known.items():
            story = "\n".join([*self._recent, f"stored {name}: {stored[name]}"])
            assert stored[name] == value, f"{story}\nthe oracle has: {value}"

    def flush(self) -> None:
        """The store, and the oracle, start empty."""
        self._recent.append("FLUSHALL")
        self.asked.append((0, "flush"))
        self.script.flush()
        self.oracle = Scheduler()


def _of_oracle(
    oracle: Scheduler, now: int, operation: str, arguments: Sequence[object]
) -> list[object]:
    a: list = list(arguments)  # type: ignore[type-arg]  # as the script takes them: anything
    match operation:
        case "submit":
            return oracle.submit(now, _asked(a))
        case "finish":
            return oracle.finish(now, a[0], a[1], a[2], learn=a[3] == 1)
        case "cancel":
            return oracle.cancel(now, a[0], expired=a[1] == 1)
        case "sync":
            runners = list(zip(a[1][::2], a[1][1::2], strict=True))
            return oracle.sync(
                now, a[0], runners, [_held(each) for each in a[2]], a[3], afresh=a[4:] == [1, 1]
            )
        case _:
            reply: list[object] = getattr(oracle, operation)(now, *a)
            return reply


def _asked(a: list) -> Asked:  # type: ignore[type-arg]
    replica, ticket, _, route, _, flow, _, _, _, *numbers = a
    cost, budget, lead, age, order, in_flow, in_route, in_order, retry, patience, books, test = (
        numbers
    )
    return Asked(
        *(replica, ticket, _ROUTES[route], _FLOWS[flow], cost, budget, lead, age, order),
        *(in_flow, in_route, in_order, retry, patience, books == 1, test == 1),
    )


def _held(a: list) -> Held:  # type: ignore[type-arg]
    ticket, fence, runner, _, route, flow, _, _, cost = a
    return Held(ticket, fence, runner, _ROUTES[route], _FLOWS[flow], cost)
