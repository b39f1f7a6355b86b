"""Why a ticket was refused, in the caller's terms."""

from __future__ import annotations

import random

from gateway.admission.base import Ticket
from gateway.admission.pacing import MAX_RETRY_AFTER_S
from gateway.admission.scheduler import Refused
from gateway.errors import GatewayError, Overloaded


def refusal(ticket: Ticket, refused: Refused, *, slots: int) -> GatewayError:
    """The error that says so. Places in line get a little jitter, later rather than earlier."""
    retry_after_s = _with_jitter(refused.retry_after_s)
    again = f"Try again in {retry_after_s:.0f} s."
    if refused.reason == "flow":
        return GatewayError(
            f"Too many of your requests wait already. {again}",
            status=429,
            type="rate_limit_error",
            code="too_many_waiting",
            retry_after_s=retry_after_s,
        )
    return Overloaded(
        f"Model '{ticket.model}' is overloaded: {_why(ticket, refused, slots)}. {again}",
        retry_after_s=retry_after_s,
    )


def _why(ticket: Ticket, refused: Refused, slots: int) -> str:
    if refused.reason == "full":
        return "its queue is full"
    if refused.reason == "expired":
        return f"no slot became free within {ticket.wait_s:.3g} s"
    slots_text = f"{slots} slot{'' if slots == 1 else 's'}"
    return (
        f"with {slots_text} the wait would be about {refused.predicted_s:.0f} s, and this request "
        f"may wait {ticket.wait_s:.3g} s"
    )


def _with_jitter(retry_after_s: float) -> float:
    if retry_after_s >= MAX_RETRY_AFTER_S:
        return MAX_RETRY_AFTER_S * random.uniform(0.9, 1.0)
    return min(MAX_RETRY_AFTER_S, max(1.0, retry_after_s * random.uniform(1.0, 1.1)))
