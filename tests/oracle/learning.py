"""What a pool learns from how its predictions came true (rule 8); all in thousandths."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.oracle.limits import MILLISECOND
from tests.oracle.ticket import Ticket

QUANTILES = {"q50": 500, "q90": 900}
FIRST_GUESS = {"q50": 1000, "q90": 1500}
LEAST_WAIT = 50 * MILLISECOND
"""Predictions below this say nothing."""


@dataclass(slots=True)
class Learnt:
    """Of one pool: service times beside their predictions, and waits beside theirs."""

    mean: int = 1000
    square: int = 2000
    factors: dict[str, int] = field(default_factory=lambda: dict(FIRST_GUESS))
    """For each quantile: actual over predicted wait."""

    def from_service(self, ticket: Ticket, actual: int) -> None:
        """Moving averages over about sixteen requests."""
        ratio = min(20_000, actual * 1000 // ticket.cost)
        self.mean = max(20, self.mean + (ratio - self.mean) // 16)
        self.square = max(1, self.square + (ratio * ratio // 1000 - self.square) // 16)

    def from_wait(self, ticket: Ticket, waited: int) -> None:
        """Steps up and down that balance when the share of waits below the factor is right."""
        if ticket.predicted < LEAST_WAIT:
            return
        ratio = waited * 1000 // ticket.predicted
        for name, share in QUANTILES.items():
            factor = self.factors[name]
            if ratio > factor:
                factor += factor * share // 20_000 + 1
            else:
                factor -= factor * (1000 - share) // 20_000
            self.factors[name] = max(250, min(8000, factor))

    def corrected(self, wait: int, quantile: str) -> int:
        """A predicted wait, as experience has it."""
        return wait * self.factors[quantile] // 1000
