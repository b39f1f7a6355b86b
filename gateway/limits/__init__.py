"""How much a key, a tenant or a model may use, counted in the store."""

from gateway.limits.estimate import estimate_tokens
from gateway.limits.limiter import Limiter
from gateway.limits.reservation import NOTHING, Reservation

__all__ = ["NOTHING", "Limiter", "Reservation", "estimate_tokens"]
