"""Who is calling, and what that entitles them to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ServiceClass(StrEnum):
    """How a request is served beside others; in the order of precedence."""

    CRITICAL = "critical"
    """Before everything else. Only for keys that are entitled to it."""
    INTERACTIVE = "interactive"
    """Four times the share of `default`."""
    DEFAULT = "default"
    BATCH = "batch"
    """Only what nobody else wants."""

    # An enumeration's own is a function in Python, and this is a key of many a dictionary.
    __hash__ = str.__hash__


_ORDER = {each: place for place, each in enumerate(ServiceClass)}


def precedes(one: ServiceClass, other: ServiceClass) -> bool:
    """Whether `one` is served before `other`."""
    return _ORDER[one] < _ORDER[other]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one bucket owner (a key, a tenant or a model) may use; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    concurrent: int | None = None
    log_only: bool = False
    """Count and report, never refuse: to try a limit before it bites."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key, or anybody where no key is asked for."""

    name: str
    """Names the key in logs and metrics."""
    tenant: str
    """Whom the requests are counted for; the unit of fairness, together with the class."""
    key_id: str = ""
    """Tells the key from every other, also from an earlier one of the same name; not secret."""
    models: frozenset[str] | None = None
    """Public models that it may use; None is all."""
    best_class: ServiceClass = ServiceClass.INTERACTIVE
    """The first class, in the order of precedence, that it may ask for."""
    default_class: ServiceClass = ServiceClass.DEFAULT
    """What a request that does not ask gets."""
    weight: int = 1
    """Share of the tenant beside other tenants, 1 to 1000."""
    limits: Limits = NO_LIMITS
    tenant_limits: Limits = NO_LIMITS
    may_name_tenant: bool = False
    """Whether it may say on whose behalf it calls: a front end that serves many people."""


ANYONE = Principal(name="anyone", tenant="")
