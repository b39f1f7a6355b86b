"""Admission within one replica: `SlotQueue` with futures, time-outs and refusals round it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from gateway.admission.base import UNKNOWN_COST_S, Ticket
from gateway.admission.pacing import Pacer, ServiceTime
from gateway.admission.slot_queue import SlotQueue, Waiter
from gateway.errors import Overloaded


class LocalLease:
    """A slot of this replica's own gate."""

    __slots__ = ("_gate", "_since", "runner")

    def __init__(self, gate: LocalGate, runner: str, since: float) -> None:
        self._gate: LocalGate | None = gate
        self.runner = runner
        self._since = since

    def release(self, *, served: bool = True) -> None:
        """See `Lease.release`."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate._release(self.runner, self._since if served else None)


class LocalGate:
    """FIFO slots for one process.

    `clock` is monotonic, in seconds. Time-outs run on the event loop, so a gate belongs to one.
    """

    def __init__(self, *, max_waiting: int, clock: Callable[[], float]) -> None:
        self._queue = SlotQueue(max_waiting=max_waiting)
        self._clock = clock
        self._futures: dict[Waiter, asyncio.Future[LocalLease]] = {}
        self._service: dict[str, ServiceTime] = {}
        self._pacers: dict[str, Pacer] = {}

    async def admit(self, ticket: Ticket) -> LocalLease:
        """See `Admission.admit`. Returns without suspending when a slot is free."""
        runner = self._queue.take(ticket.candidates, ticket.policy)
        if runner is not None:
            return LocalLease(self, runner, self._clock())
        if not self._queue.room(ticket.model, ticket.max_waiting):
            raise self._refusal(ticket, "the queue is full")
        return await self._wait(ticket)

    async def _wait(self, ticket: Ticket) -> LocalLease:
        loop = asyncio.get_running_loop()
        waiter = Waiter(ticket.model, ticket.candidates)
        future: asyncio.Future[LocalLease] = loop.create_future()
        self._futures[waiter] = future
        self._queue.wait(waiter)
        timer = loop.call_later(ticket.wait_s, self._expire, waiter, ticket)
        try:
            return await future
        except asyncio.CancelledError:
            # The grant and the cancellation may fall into the same turn of the loop.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._pass_on(future.result().runner)
            raise
        finally:
            timer.cancel()
            self._queue.cancel(waiter)
            self._futures.pop(waiter, None)

    def know(self, runner: str, identity: str) -> None:
        """See `Admission.know`. Here, a name is a runner."""

    def connect(self, routes: Iterable[tuple[str, ...]]) -> None:
        """See `Admission.connect`. Here, every runner has a line of its own."""

    def set_slots(self, runner: str, slots: int) -> None:
        """See `Admission.set_slots`."""
        for waiter in self._queue.set_slots(runner, slots):
            self._hand_over(runner, waiter)

    def forget(self, runner: str) -> None:
        """See `Admission.forget`."""
        self._queue.set_slots(runner, 0)
        self._service.pop(runner, None)

    def in_flight(self, runner: str) -> int:
        """See `Admission.in_flight`."""
        return self._queue.in_flight(runner)

    def waiting(self, runner: str) -> int:
        """See `Admission.waiting`."""
        return self._queue.waiting(runner)

    @property
    def waiting_total(self) -> int:
        """Tickets waiting in this replica."""
        return self._queue.waiting_total

    def predicted_wait_s(self, runner: str) -> float:
        """What a newcomer for this runner alone would wait; 0 while it has no slots either."""
        slots, waiting = self._queue.slots(runner), self._queue.waiting(runner)
        if not slots or (self._queue.in_flight(runner) < slots and not waiting):
            return 0.0
        service = self._service.get(runner)
        mean_s = service.mean_s if service is not None else UNKNOWN_COST_S
        return (waiting + 1) * mean_s / slots

    def _release(self, runner: str, since: float | None) -> None:
        if since is not None:
            self._service.setdefault(runner, ServiceTime()).observe(self._clock() - since)
        self._pass_on(runner)

    def _pass_on(self, runner: str) -> None:
        """Give a slot that is in nobody's hands to the next in line."""
        self._hand_over(runner, self._queue.release(runner))

    def _hand_over(self, runner: str, waiter: Waiter | None) -> None:
        # A ticket that was cancelled in this very turn of the loop is still in line. A whole crowd
        # may have been, so this must be no recursion.
        while waiter is not None:
            future = self._futures.pop(waiter, None)
            if future is not None and not future.done():
                future.set_result(LocalLease(self, runner, self._clock()))
                return
            waiter = self._queue.release(runner)

    def _expire(self, waiter: Waiter, ticket: Ticket) -> None:
        self._queue.cancel(waiter)
        future = self._futures.pop(waiter, None)
        if future is not None and not future.done():
            waited = f"no slot became free within {ticket.wait_s:.3g} s"
            future.set_exception(self._refusal(ticket, waited))

    def _refusal(self, ticket: Ticket, why: str) -> Overloaded:
        slots = sum(self._queue.slots(name) for name in ticket.candidates)
        waiting = min(self._queue.waiting(name) for name in ticket.candidates)
        means = [s.mean_s for n in ticket.candidates if (s := self._service.get(n))]
        interval_s = (sum(means) / len(means) if means else UNKNOWN_COST_S) / max(1, slots)
        pacer = self._pacers.setdefault(ticket.model, Pacer())
        retry_after_s = pacer.book(
            self._clock(), backlog_s=waiting * interval_s, interval_s=interval_s
        )
        return Overloaded(
            f"Model '{ticket.model}' is overloaded: {why} ({waiting} waiting for {slots} "
            f"slot{'' if slots == 1 else 's'}). Try again in {retry_after_s:.0f} s.",
            retry_after_s=retry_after_s,
        )
