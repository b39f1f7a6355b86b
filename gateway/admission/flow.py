"""A flow, tenant x class: the unit of fairness."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from gateway.principal import ServiceClass

_RANK = {
    ServiceClass.CRITICAL: 0,
    ServiceClass.INTERACTIVE: 1,
    ServiceClass.DEFAULT: 1,
    ServiceClass.BATCH: 2,
}
_SHARE = {ServiceClass.INTERACTIVE: 4}
"""Interactive has four times the share of default; it does not go strictly first."""


class Flow:
    """In whose name a ticket waits. Make it with `flow_of`, which keeps those in use."""

    __slots__ = ("id", "label", "rank", "service_class", "tenant", "weight")

    def __init__(self, tenant: str, service_class: ServiceClass, weight: int) -> None:
        self.tenant = tenant
        self.service_class = service_class
        self.weight = weight * _SHARE.get(service_class, 1)
        """Share beside the other flows of its rank."""
        self.rank = _RANK[service_class]
        """Lower ranks go strictly first."""
        named = f"{service_class.value} {tenant}"
        self.id = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
        """Names it in the store, whatever characters the tenant's name has."""
        self.label = named
        """For people: the class, a space, the tenant."""


@lru_cache(maxsize=4096)
def flow_of(tenant: str, service_class: ServiceClass, weight: int = 1) -> Flow:
    """The flow of a tenant's requests of one class."""
    return Flow(tenant, service_class, weight)


NOBODY = flow_of("", ServiceClass.DEFAULT)
