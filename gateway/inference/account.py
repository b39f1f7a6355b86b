"""What a request is charged in the end, whatever has become of it."""

from __future__ import annotations

from gateway.exchange import Exchange
from gateway.limits.estimate import BYTES_PER_TOKEN
from gateway.limits.reservation import Reservation


class Account:
    """One reservation, ended exactly once by `close`."""

    __slots__ = ("_body_bytes", "_reservation")

    def __init__(self, reservation: Reservation, body_bytes: int) -> None:
        self._reservation = reservation
        self._body_bytes = body_bytes

    def refund(self) -> None:
        """Nothing of an answer was sent. Never waits or raises."""
        self._reservation.refund()

    def close(self, exchange: Exchange) -> None:
        """Settle with what is known of the exchange. Never waits or raises.

        What no runner got costs nothing, nor does what failed before the first token. What was
        answered costs the tokens that the runner counted; of an answer that broke off, or whose
        caller left while the runner worked on it, the prompt as estimated and the pieces that came.
        """
        usage = exchange.usage
        if usage is not None:
            self._reservation.settle(usage.prompt_tokens + usage.completion_tokens)
        elif exchange.sent is None or (exchange.code is not None and exchange.first_token is None):
            self._reservation.refund()
        else:
            self._reservation.settle(self._body_bytes // BYTES_PER_TOKEN + exchange.chunks)
