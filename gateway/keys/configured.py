"""Keys and limits as the configuration gives them."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from gateway.keys.allowance import Allowance
from gateway.keys.record import KeyRecord, Secret
from gateway.principal import ServiceClass
from gateway.settings import AuthSettings, LimitsSettings
from gateway.settings.auth import moment_s


def configured_keys(settings: AuthSettings) -> Iterator[KeyRecord]:
    """The keys that `auth.keys` lists.

    The id is made from the name, so that limits count on when a hash is replaced by another.
    """
    for key in settings.keys:
        yield KeyRecord(
            id=f"config:{key.name}",
            name=key.name,
            tenant=key.tenant,
            secrets=(Secret(key.sha256),),
            created=0.0,
            models=key.models,
            best_class=ServiceClass(key.best_class),
            default_class=ServiceClass(key.default_class),
            weight=key.weight,
            limits=None if key.limits is None else key.limits.limits(),
            may_name_tenant=key.may_name_tenant,
            expires=None if key.expires is None else moment_s(key.expires),
        )


def allowance_of(settings: LimitsSettings) -> Allowance:
    """What `limits` gives to keys and tenants."""
    tenants = {name: limits.limits() for name, limits in settings.tenants.items()}
    return Allowance(settings.default_key.limits(), MappingProxyType(tenants))
