"""From a key to the principal that calls with it, under the limits of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.keys.record import KeyRecord
from gateway.principal import NO_LIMITS, Limits, Principal


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the configuration gives to keys and tenants that say nothing themselves."""

    default_key: Limits = NO_LIMITS
    tenants: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def principal(self, record: KeyRecord) -> Principal:
        """Who calls with this key."""
        return Principal(
            name=record.name,
            tenant=record.tenant,
            key_id=record.id,
            models=None if record.models is None else frozenset(record.models),
            best_class=record.best_class,
            default_class=record.default_class,
            weight=record.weight,
            limits=self.default_key if record.limits is None else record.limits,
            tenant_limits=self.tenants.get(record.tenant, NO_LIMITS),
            may_name_tenant=record.may_name_tenant,
        )

    def stranger(self, address: str) -> Principal:
        """Who calls from this address where no key is asked for: what a key would get, it gets."""
        return Principal(
            name="anyone",
            tenant=address,
            tenant_limits=self.tenants.get(address, self.default_key),
        )
