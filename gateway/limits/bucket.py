"""What is limited: one bucket for each limit of each owner, and those that a request takes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

import msgspec

from gateway.principal import Limits, Principal


class Kind(IntEnum):
    """What a bucket counts; the numbers are those of the store's script."""

    REQUESTS_PER_MINUTE = 1
    TOKENS_PER_MINUTE = 2
    REQUESTS_PER_DAY = 3
    TOKENS_PER_DAY = 4
    CONCURRENT = 5

    @property
    def of_tokens(self) -> bool:
        """Whether it counts tokens, which are only known at the end."""
        return self in (Kind.TOKENS_PER_MINUTE, Kind.TOKENS_PER_DAY)

    @property
    def setting(self) -> str:
        """The name of the limit in the configuration."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit of one owner."""

    kind: Kind
    limit: int
    owner: str
    """`key`, `client` (an address, where there are no keys), `tenant` or `model`."""
    name: str
    """The owner's name, as its caller may see it."""
    id: str
    """Hash of owner and kind: no name gets into a key of the store, whatever is in it."""
    enforced: bool

    @property
    def label(self) -> str:
        """Owner and limit, as a bounded label of a metric: `key.requests_per_minute`."""
        return f"{self.owner}.{self.kind.setting}"


Packed = list[tuple[int, str, int, bool]]


def packed(buckets: tuple[Bucket, ...]) -> msgspec.Raw:
    """Buckets as the store's script reads them."""
    parts: Packed = [(b.kind, b.id, b.limit, b.enforced) for b in buckets]
    return msgspec.Raw(msgspec.msgpack.encode(parts))


def buckets_of(principal: Principal, model: str, model_limits: Limits) -> tuple[Bucket, ...]:
    """The buckets that a request of `principal` for `model` takes from; none where nothing limits.

    A key is told by its id, which no earlier key of the same name shares. A caller without a key is
    its tenant.
    """
    if principal.key_id:
        owned = _owned("key", principal.name, principal.key_id, principal.limits)
    else:
        owned = _owned("client", principal.tenant, principal.tenant, principal.limits)
    tenant = _owned("tenant", principal.tenant, principal.tenant, principal.tenant_limits)
    return owned + tenant + _owned("model", model, model, model_limits)


def _owned(owner: str, name: str, identity: str, limits: Limits) -> tuple[Bucket, ...]:
    found = []
    for kind in Kind:
        limit = getattr(limits, kind.setting)
        if limit is not None:
            # The name comes last, so that no name can pass for another owner or kind.
            text = f"{owner}\0{kind.setting}\0{identity}".encode("utf-8", "surrogatepass")
            id = blake2b(text, digest_size=8).hexdigest()
            found.append(Bucket(kind, limit, owner, name, id, not limits.log_only))
    return tuple(found)
