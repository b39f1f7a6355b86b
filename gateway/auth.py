"""Who is calling: keys are random, kept as SHA-256, and compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import Unauthenticated
from gateway.principal import ANYONE, Principal


@dataclass(frozen=True, slots=True)
class Key:
    """A known key: the SHA-256 of its text, and whose it is."""

    digest: bytes
    principal: Principal


class Authenticator:
    """Finds the principal of a request; with no keys at all, everybody is `ANYONE`."""

    def __init__(self, keys: Sequence[Key] | None) -> None:
        self._keys = None if keys is None else tuple(keys)

    def authenticate(self, authorization: bytes | None, api_key: bytes | None) -> Principal:
        """Take `Authorization: Bearer …`, `x-api-key` or `api-key`. Raises `Unauthenticated`."""
        if self._keys is None:
            return ANYONE
        presented = api_key
        if authorization is not None:
            scheme, _, rest = authorization.partition(b" ")
            if scheme.lower() == b"bearer":
                presented = rest.strip() or api_key
        if not presented:
            raise Unauthenticated
        digest = hashlib.sha256(presented).digest()
        found: Principal | None = None
        # Every key is compared, so that the time taken does not tell which one came close.
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key.principal
        if found is None:
            raise Unauthenticated
        return found
