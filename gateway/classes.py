"""What a request gets beside others: its class and tenant, as far as its key entitles it.

Callers ask by header or by OpenAI's `service_tier`. What they may not have is not refused: they
get the best that they may, and are told which wish was cut.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest
from gateway.principal import Principal, ServiceClass, precedes

MOST_NAMED = 4096
"""Principals kept of tenants that front ends have named."""

_CLASSES = {each.value.encode("ascii"): each for each in ServiceClass}
_tier = msgspec.json.Decoder(str | None)
_TENANT = re.compile(rb"[A-Za-z0-9._@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class Standing:
    """On whose behalf a request runs, and in which class."""

    principal: Principal
    service_class: ServiceClass
    clamped: tuple[str, ...] = ()
    """Wishes that were cut: `class`, `tenant`, `weight`, the value of `x-sluicegate-clamped`."""


class Standings:
    """Works out the standing of requests; keeps the principals of tenants that were named."""

    def __init__(self) -> None:
        self._named: OrderedDict[tuple[Principal, bytes], Principal] = OrderedDict()

    def of(
        self,
        principal: Principal,
        *,
        asked: bytes | None = None,
        tier: str | None = None,
        tenant: bytes | None = None,
        weight: bytes | None = None,
    ) -> Standing:
        """`asked`, `tenant` and `weight` are values of headers, `tier` is the body's field.

        Raises `InvalidRequest` for a class that does not exist, and for the name of a tenant that
        cannot be one, from a key that may name tenants.
        """
        clamped = []
        service_class, cut = service_class_of(principal, asked=asked, tier=tier)
        if cut:
            clamped.append("class")
        if tenant is not None:
            if principal.may_name_tenant:
                principal = self._on_behalf(principal, tenant)
            else:
                clamped.append("tenant")
        if weight is not None:  # no key may choose its own
            clamped.append("weight")
        return Standing(principal, service_class, tuple(clamped))

    def _on_behalf(self, principal: Principal, tenant: bytes) -> Principal:
        known = self._named.get((principal, tenant))
        if known is not None:
            self._named.move_to_end((principal, tenant))
            return known
        if not _TENANT.fullmatch(tenant):
            raise InvalidRequest(
                "Invalid value for header 'x-sluicegate-tenant': use 1 to 64 letters, digits or "
                ". _ @ + -, such as a user's id.",
                param="x-sluicegate-tenant",
            )
        # Within the front end's own tenant, so that it cannot take the place of another one's.
        named = replace(principal, tenant=f"{principal.tenant}/{tenant.decode('ascii')}")
        if len(self._named) >= MOST_NAMED:
            self._named.popitem(last=False)
        self._named[principal, tenant] = named
        return named


def tier_of(fields: Mapping[str, Raw]) -> str | None:
    """`service_tier` of a body's fields. Raises `InvalidRequest` where it is no text."""
    raw = fields.get("service_tier")
    if raw is None:
        return None
    try:
        tier: str | None = _tier.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _no_tier() from None
    return tier


def service_class_of(
    principal: Principal, *, asked: bytes | None, tier: str | None
) -> tuple[ServiceClass, bool]:
    """The class of a request, and whether a better one was asked for. The header goes first."""
    if asked is not None:
        wanted = _CLASSES.get(asked.strip().lower())
        if wanted is None:
            raise InvalidRequest(
                f"Invalid value for header 'x-sluicegate-class': give one of "
                f"{', '.join(ServiceClass)}.",
                param="x-sluicegate-class",
            )
    elif tier is None or tier in ("auto", "default", "scale"):
        return principal.default_class, False
    elif tier == "flex":
        wanted = ServiceClass.BATCH
    elif tier == "priority":
        # It asks for better service, not for the best there is.
        entitled = principal.best_class is ServiceClass.CRITICAL
        wanted = ServiceClass.CRITICAL if entitled else ServiceClass.INTERACTIVE
    else:
        raise _no_tier()
    if precedes(wanted, principal.best_class):
        return principal.best_class, True
    return wanted, False


def _no_tier() -> InvalidRequest:
    return InvalidRequest(
        "Invalid value for 'service_tier': give one of auto, default, flex, priority.",
        param="service_tier",
    )
