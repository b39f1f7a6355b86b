"""What a request takes of the limits that apply, and what it is charged in the end."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec import Struct

from gateway.exchange import Exchange
from gateway.limits.estimate import BYTES_PER_TOKEN
from gateway.limits.pending import Pending


class Account(Struct, eq=False):
    """One reservation, made by `check` or `wait` and ended exactly once by `refund` or `close`."""

    _pending: Pending
    _exchange: Exchange
    _body_bytes: int
    checked: bool = False
    """Whether the limits have let the request in."""

    @property
    def answered(self) -> bool:
        """Whether `check` may be called."""
        return self._pending.answered

    def check(self) -> None:
        """Raises what refuses the request. Only once the store has answered."""
        reservation = self._pending.result()
        self.checked = True
        self._exchange.limit_lines = reservation.lines

    def permit(self) -> Awaitable[None] | None:
        """`check`, unless that has been done; to be awaited where the answer has still to come.

        A store that did not know the script yet was told it, and answers after what came later.
        """
        if self.checked:
            return None
        if not self._pending.answered:
            return self.wait()
        self.check()
        return None

    async def wait(self) -> None:
        """`check`, as soon as the store has answered."""
        await self._pending.wait()
        self.check()

    def refund(self) -> None:
        """Nothing of an answer was sent. Never waits or raises."""
        reservation = self._pending.taken
        if reservation is not None:
            reservation.refund()

    def close(self) -> None:
        """Settle with what is known of the exchange. Never waits or raises.

        What no runner got costs nothing, nor does what failed before the first token. What was
        answered costs the tokens that the runner counted; of an answer that broke off, or whose
        caller left while the runner worked on it, the prompt as estimated and the pieces that came.
        """
        reservation = self._pending.taken
        if reservation is None:
            self._pending.abandon()
            return
        exchange = self._exchange
        usage = exchange.usage
        if usage is not None:
            reservation.settle(usage.prompt_tokens + usage.completion_tokens)
        elif exchange.sent is None or (exchange.code is not None and exchange.first_token is None):
            reservation.refund()
        else:
            reservation.settle(self._body_bytes // BYTES_PER_TOKEN + exchange.chunks)
