"""Who is calling: keys are random, kept as SHA-256, and compared in constant time.

A key is hashed anew with each request rather than remembered by its text: that takes half a
microsecond, and no text of a key outlives the request that brought it.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable

from gateway.errors import Unauthenticated
from gateway.keys.allowance import Allowance
from gateway.keys.lookup import KeyLookup
from gateway.keys.table import KeyTable
from gateway.keys.text import MOST_BYTES, is_well_formed
from gateway.principal import ANYONE, Principal

try:
    # CPython's own. A key is so short that what counts is how much code has to be fetched for it:
    # OpenSSL's takes three times as long, as each request finds the cache.
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]  # before 3.12
    except ImportError:
        from hashlib import sha256

MOST_STRANGERS = 4096
"""Addresses whose principal is kept, where no key is asked for."""


class NotInMemory(Unauthenticated):
    """A key that may be one, but is not known here; `Authenticator.look_up` asks the store.

    Whoever does not ask refuses the caller, which is the safe way to forget it.
    """

    def __init__(self, digest: bytes) -> None:
        super().__init__()
        self.digest = digest


class Authenticator:
    """Finds the principal of a request. `clock` is Unix time, for keys that expire.

    Without a table no key is asked for, and whoever calls is told apart by address.
    """

    def __init__(
        self,
        table: KeyTable | None,
        *,
        lookup: KeyLookup | None = None,
        allowance: Allowance | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        self._lookup = lookup
        self._allowance = allowance or Allowance()
        self._clock = clock
        self._strangers: dict[str, Principal] = {}

    async def identify(
        self,
        authorization: bytes | None,
        api_key: bytes | None,
        client: tuple[str, int] | None = None,
    ) -> Principal:
        """`authenticate`, and `look_up` where that is needed; else it never waits."""
        try:
            return self.authenticate(authorization, api_key, client)
        except NotInMemory as unknown:
            digest = unknown.digest
        return await self.look_up(digest)

    def authenticate(
        self,
        authorization: bytes | None,
        api_key: bytes | None,
        client: tuple[str, int] | None = None,
    ) -> Principal:
        """Take `Authorization: Bearer …`, `x-api-key` or `api-key`; `client` is the peer's address.

        Raises `Unauthenticated`, and `NotInMemory` where the store may know more.
        """
        if self._table is None:
            return ANYONE if client is None else self._stranger(client[0])
        presented = api_key
        if authorization is not None and authorization[:7].lower() == b"bearer ":
            presented = authorization[7:].strip() or api_key
        if not presented or len(presented) > MOST_BYTES:
            raise Unauthenticated
        digest: bytes = sha256(presented).digest()
        key = self._table.find(digest)
        if key is None:
            if self._lookup is not None and is_well_formed(presented):
                raise NotInMemory(digest)
            raise Unauthenticated
        if not hmac.compare_digest(key.digest, digest) or key.ends <= self._clock():
            raise Unauthenticated
        return key.principal

    async def look_up(self, digest: bytes) -> Principal:
        """Ask the store for a key. Raises `Unauthenticated`, or `Unavailable` if it is down."""
        key = None if self._lookup is None else await self._lookup.find(digest)
        if key is None or not hmac.compare_digest(key.digest, digest) or key.ends <= self._clock():
            raise Unauthenticated
        return key.principal

    def _stranger(self, address: str) -> Principal:
        known = self._strangers.get(address)
        if known is None:
            if len(self._strangers) >= MOST_STRANGERS:
                del self._strangers[next(iter(self._strangers))]  # the oldest
            known = self._allowance.stranger(network_of(address))
            self._strangers[address] = known
        return known


def network_of(address: str) -> str:
    """What tells one caller from another: an IPv4 address, or the /64 of IPv6 that one line gets.

    Who has a /64 can call from 2^64 addresses, and would otherwise be as many callers.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed.packed[:8] + bytes(8), 64)))
