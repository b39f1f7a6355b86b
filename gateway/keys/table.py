"""The keys that this replica has in memory, found by the digest of what a caller presents.

Finding one in a dictionary tells a stranger nothing: to come close to a digest, one would have to
know a text that hashes close to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.keys.allowance import Allowance
from gateway.keys.record import KeyRecord, decode
from gateway.principal import Principal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One text that opens the gateway, by its digest."""

    digest: bytes
    principal: Principal
    ends: float = float("inf")
    """Unix time from which it is refused; 0 where it was revoked."""


@dataclass(frozen=True, slots=True)
class _Entry:
    raw: bytes
    record: KeyRecord
    keys: tuple[KnownKey, ...]


class KeyTable:
    """Keys of the configuration, and beside them those of the store as far as they are known.

    Where both have the same text, the configuration's word holds: its owner can see and change it.
    """

    def __init__(
        self, configured: Iterable[KeyRecord] = (), allowance: Allowance | None = None
    ) -> None:
        self._allowance = allowance or Allowance()
        self._configured: dict[bytes, KnownKey] = {}
        self._stored: dict[bytes, KnownKey] = {}
        self._entries: dict[str, _Entry] = {}
        self.configure(configured, self._allowance)

    @property
    def empty(self) -> bool:
        """Whether there is no key that anybody could call with."""
        return not self._configured and not self._stored

    @property
    def allowance(self) -> Allowance:
        """What the configuration gives."""
        return self._allowance

    def find(self, digest: bytes) -> KnownKey | None:
        """The key whose text has this digest."""
        return self._configured.get(digest) or self._stored.get(digest)

    def configure(self, records: Iterable[KeyRecord], allowance: Allowance) -> None:
        """Take over a configuration, which may also change what stored keys are allowed."""
        self._allowance = allowance
        self._configured = {key.digest: key for record in records for key in self._known(record)}
        self._set({key: self._entry_of(e.raw, e.record) for key, e in self._entries.items()})

    def replace(self, records: Mapping[str, bytes | None]) -> None:
        """Know these keys of the store and no others. What has not changed is not read again."""
        entries: dict[str, _Entry] = {}
        for key, raw in records.items():
            entry = self._entries.get(key)
            if entry is None or entry.raw != raw:
                entry = self._entry(key, raw)
            if entry is not None:
                entries[key] = entry
        self._set(entries)

    def update(self, records: Mapping[str, bytes | None]) -> None:
        """Know these keys of the store as they are now; None is gone."""
        for key, raw in records.items():
            former = self._entries.pop(key, None)
            for known in former.keys if former else ():
                self._stored.pop(known.digest, None)
            entry = self._entry(key, raw)
            if entry is not None:
                self._entries[key] = entry
                self._stored.update((known.digest, known) for known in entry.keys)

    def forget_stored(self) -> None:
        """Know no key of the store any more."""
        self._set({})

    def _set(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries
        self._stored = {known.digest: known for e in entries.values() for known in e.keys}

    def _entry(self, key: str, raw: bytes | None) -> _Entry | None:
        if raw is None:
            return None
        try:
            record = decode(raw)
        except ValueError:
            # One that cannot be read must not cost the others. Its text is not for a log.
            logger.error("key %r of the store is no record of a key and is passed over", key[:80])
            return None
        return self._entry_of(raw, record)

    def _entry_of(self, raw: bytes, record: KeyRecord) -> _Entry:
        return _Entry(raw, record, tuple(self._known(record)))

    def _known(self, record: KeyRecord) -> Iterable[KnownKey]:
        principal = self._allowance.principal(record)
        for secret in record.secrets:
            yield KnownKey(bytes.fromhex(secret.sha256), principal, ends=record.valid_until(secret))
