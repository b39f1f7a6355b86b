"""How long one exchange with a runner may take, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time budgets of one exchange, in seconds; `math.inf` switches one off.

    Each ends in `RunnerTimeout` whose `phase` is the field's name without the unit.
    """

    connect_s: float = 5.0
    """Finding the address, connecting and the TLS handshake together."""
    first_byte_s: float = 120.0
    """From the request's being handed over until the whole response head is here."""
    idle_s: float = 60.0
    """Between two pieces of the body, counted only while the caller waits for one."""
    total_s: float = 900.0
    """From `send` to the last byte of the body, connecting included."""
