"""The queue itself: events in, grants out. No clock, no I/O, no tasks.

Rules for the next editor:
- A ticket waits in the line of every runner it could use and leaves all lines in the same step,
  so it can never be granted twice.
- A runner's line is served strictly from the front; a new ticket may take a free slot only where
  nobody waits.
- `in_flight` may exceed `slots` only after `slots` was lowered; nothing is granted meanwhile.

States of a ticket:  submit -> granted | waiting;  waiting -> granted | cancelled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.admission.base import PolicyName


@dataclass(slots=True, eq=False)
class Waiter:
    """A ticket in line; `runner` is set when it is granted."""

    model: str
    candidates: tuple[str, ...]
    runner: str | None = None


@dataclass(slots=True)
class _Line:
    slots: int = 0
    in_flight: int = 0
    waiters: OrderedDict[Waiter, None] = field(default_factory=OrderedDict)

    @property
    def open(self) -> bool:
        return self.in_flight < self.slots and not self.waiters


class SlotQueue:
    """Exact slot counts and one FIFO line for each runner."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lines: dict[str, _Line] = {}
        self._waiting_by_model: dict[str, int] = {}
        self.waiting_total = 0

    def take(self, candidates: Iterable[str], policy: PolicyName) -> str | None:
        """Take a free slot without waiting; None when there is none or others wait for it."""
        best: str | None = None
        best_load = 2.0
        for name in candidates:
            line = self._lines.get(name)
            if line is None or not line.open:
                continue
            load = line.in_flight / line.slots
            if load < best_load:
                best, best_load = name, load
                if policy == "ordered" or load == 0.0:
                    break
        if best is not None:
            self._lines[best].in_flight += 1
        return best

    def room(self, model: str, max_waiting: int) -> bool:
        """Whether one more ticket of this model may wait."""
        return (
            self.waiting_total < self._max_waiting
            and self._waiting_by_model.get(model, 0) < max_waiting
        )

    def wait(self, waiter: Waiter) -> None:
        """Put a ticket at the end of the line of each of its candidates."""
        for name in waiter.candidates:
            self._line(name).waiters[waiter] = None
        self.waiting_total += 1
        self._waiting_by_model[waiter.model] = self._waiting_by_model.get(waiter.model, 0) + 1

    def cancel(self, waiter: Waiter) -> None:
        """Take a waiting ticket out of every line. A granted one is left alone."""
        if waiter.runner is None:
            self._leave(waiter)

    def release(self, runner: str) -> Waiter | None:
        """A slot came back; returns the ticket that has it now, if any waits."""
        line = self._line(runner)
        line.in_flight -= 1
        waiter = self._grant(runner, line)
        self._drop_if_unused(runner, line)
        return waiter

    def set_slots(self, runner: str, slots: int) -> list[Waiter]:
        """Change the number of slots; returns the tickets that were granted by it."""
        line = self._line(runner)
        line.slots = slots
        granted = []
        while waiter := self._grant(runner, line):
            granted.append(waiter)
        self._drop_if_unused(runner, line)
        return granted

    def slots(self, runner: str) -> int:
        """Slots of a runner as last set."""
        line = self._lines.get(runner)
        return line.slots if line else 0

    def in_flight(self, runner: str) -> int:
        """Slots of a runner that are held."""
        line = self._lines.get(runner)
        return line.in_flight if line else 0

    def waiting(self, runner: str) -> int:
        """Tickets in a runner's line."""
        line = self._lines.get(runner)
        return len(line.waiters) if line else 0

    def _line(self, runner: str) -> _Line:
        line = self._lines.get(runner)
        if line is None:
            line = self._lines[runner] = _Line()
        return line

    def _grant(self, runner: str, line: _Line) -> Waiter | None:
        if not line.waiters or line.in_flight >= line.slots:
            return None
        waiter = next(iter(line.waiters))
        self._leave(waiter)
        waiter.runner = runner
        line.in_flight += 1
        return waiter

    def _drop_if_unused(self, runner: str, line: _Line) -> None:
        if not (line.slots or line.in_flight or line.waiters):
            self._lines.pop(runner, None)

    def _leave(self, waiter: Waiter) -> None:
        left = False
        for name in waiter.candidates:
            line = self._lines.get(name)
            if line is not None and waiter in line.waiters:
                del line.waiters[waiter]
                self._drop_if_unused(name, line)
                left = True
        if left:
            self.waiting_total -= 1
            count = self._waiting_by_model[waiter.model] - 1
            if count:
                self._waiting_by_model[waiter.model] = count
            else:
                del self._waiting_by_model[waiter.model]
