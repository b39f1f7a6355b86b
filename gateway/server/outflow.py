"""What goes out to one client: no faster than it reads, and not for ever if it does not."""

from __future__ import annotations

import asyncio

from backends.transport.outbox import Outbox


class Outflow:
    """Write side of a connection.

    A client that reads too slowly makes `drain` wait; one that reads nothing for `stall_s` is cut.
    """

    def __init__(self, transport: asyncio.Transport, outbox: Outbox, *, stall_s: float) -> None:
        self._transport = transport
        self._outbox = outbox
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ending = False
        self.full: asyncio.Future[None] | None = None
        """Set while the client reads too slowly; done when it has caught up, or left."""

    def write(self, data: bytes) -> None:
        """Send bytes to the client, at the end of this turn of the loop."""
        self._outbox.post(self._transport, data)

    def flush(self) -> None:
        """Send them now, because the connection is about to be closed."""
        self._outbox.flush()

    def pause(self) -> None:
        """The client reads too slowly."""
        if self.full is None:
            self.full = self._loop.create_future()
            self._arm(self._stall_s)

    def resume(self) -> None:
        """The client has caught up, or left."""
        if not self._ending:
            self.stop()
        full, self.full = self.full, None
        if full is not None and not full.done():
            full.set_result(None)

    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""
        if self.full is not None:
            await asyncio.shield(self.full)

    def cut_in(self, time_s: float) -> None:
        """Nothing more is to come: cut the connection after `time_s`, unless it has ended."""
        self._ending = True
        self._arm(time_s)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, time_s: float) -> None:
        self.stop()
        self._timer = self._loop.call_later(time_s, self._transport.abort)
