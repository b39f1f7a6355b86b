"""The keys of the store: made, listed, revoked, rotated, and followed as they change."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.keys.record import KeyRecord, Secret, decode, encode
from gateway.keys.text import digest_of, new_text
from gateway.store import Script, Store

KEYS = Script.of_files("keys", "gateway.keys", ["keys.lua"])
MOST_KEYS = 10_000
"""Keys of one domain, with those that ended in the last thirty days."""
_TRIES = 5


class KeyRefused(Exception):
    """A key cannot be made or changed as it was asked; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A key together with its text, which is nowhere else and cannot be had again."""

    text: str
    record: KeyRecord


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different since a version: records by id, None where one is gone."""

    version: str
    complete: bool
    """Whether `records` are all there are, rather than those that changed."""
    records: Mapping[str, bytes | None]


class Keyring:
    """The keys of one domain. Every change is atomic: two callers at once never get one name.

    Each method raises `StoreDown` where the store does not answer, and may be cancelled; whether
    a change took effect is then not known.
    """

    def __init__(
        self, store: Store, domain: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._prefix = b"{keys:%b}" % domain.encode("ascii")
        self._clock = clock

    @property
    def up(self) -> bool:
        """Whether a call has a chance now."""
        return self._store.up

    async def create(self, record: KeyRecord) -> Issued:
        """Keep a key as described, with an id, a text and a date of its own.

        Raises `KeyRefused` where the name is in use or there are too many keys.
        """
        text = new_text()
        now = self._clock()
        record = replace(
            record,
            id=f"key_{secrets.token_hex(8)}",
            secrets=(Secret(digest_of(text.encode("ascii")).hex()),),
            created=now,
        )
        outcome = await self._call("create", now, encode(record), MOST_KEYS)
        if outcome == b"taken":
            raise KeyRefused(
                f"A key named '{record.name}' exists. Choose another name, revoke that key, or "
                f"give it a new text with 'sluicegate keys rotate {record.name}'."
            )
        if outcome == b"full":
            raise KeyRefused(
                f"There are {MOST_KEYS} keys, which is the most the store keeps. Revoke some; one "
                "that ended is forgotten after 30 days."
            )
        return Issued(text, record)

    async def list(self) -> tuple[KeyRecord, ...]:
        """Every key, also those that ended in the last thirty days; the oldest first.

        Raises `KeyRefused` where something in the store is no record of a key.
        """
        found = [self._read(key, raw) for key, raw in (await self.changes("")).records.items()]
        return tuple(sorted(found, key=lambda record: (record.created, record.id)))

    async def revoke(self, reference: str) -> KeyRecord:
        """End a key, by name or id. Raises `KeyRefused` where there is none to end."""
        return await self._change(reference, lambda record, now: replace(record, revoked=now))

    async def rotate(self, reference: str, *, grace_s: float) -> Issued:
        """Give a key a new text; the one it has stays valid for `grace_s` more.

        It stays the same key: limits count on, and revoking it ends every text.
        """
        text = new_text()
        sha256 = digest_of(text.encode("ascii")).hex()
        record = await self._change(
            reference, lambda record, now: record.rotated(sha256, now, grace_s=grace_s)
        )
        return Issued(text, record)

    async def holder(self, digest: bytes) -> tuple[str, bytes] | None:
        """Id and record of the key that a text with this digest belongs to."""
        found = await self._call("holder", digest.hex())
        return None if found is None else (_id(found[0]), found[1])

    async def changes(self, since: str) -> Changes:
        """What changed after that version; everything, if it is empty or not known any more.

        Everything is read a page at a time, because the queue waits for the same store. What
        changes meanwhile may be there as it was: it comes with the changes after this version.
        """
        version, known, flat = await self._call("since", since)
        records = _by_id(flat)
        if not known:
            cursor = b"0"
            while True:
                cursor, flat = await self._call("page", cursor.decode("ascii"))
                records.update(_by_id(flat))
                if cursor == b"0":
                    break
        return Changes(version.decode("ascii"), not known, records)

    async def _change(
        self, reference: str, change: Callable[[KeyRecord, float], KeyRecord]
    ) -> KeyRecord:
        # Somebody may change the same key in between: then it is read again.
        for _ in range(_TRIES):
            raw = await self._call("named", reference)
            if raw is None:
                raise KeyRefused(
                    f"No key {reference[:80]!r} is in the store; see 'sluicegate keys list'."
                )
            record = self._read(reference, raw)
            now = self._clock()
            if record.state(now) != "active":
                raise KeyRefused(
                    f"Key '{record.name}' ({record.id}) is {record.state(now)} already."
                )
            try:
                changed = change(record, now)
            except ValueError as error:
                raise KeyRefused(f"Key '{record.name}': {error}.") from error
            if await self._call("replace", record.id, raw.decode(), encode(changed)):
                return changed
        raise KeyRefused(f"Key {reference[:80]!r} is being changed by others; try again.")

    @staticmethod
    def _read(reference: str, raw: bytes | None) -> KeyRecord:
        try:
            return decode(raw or b"")
        except ValueError as error:
            raise KeyRefused(
                f"What the store has of key {reference[:80]!r} is no record of a key ({error}). "
                "Was it written by something else, or by a newer version?"
            ) from error

    async def _call(self, operation: str, *arguments: Any) -> Any:
        return await self._store.call(KEYS, self._prefix, [operation, *arguments])


def _by_id(flat: list[bytes]) -> dict[str, bytes | None]:
    return {_id(key): raw for key, raw in zip(flat[::2], flat[1::2], strict=True)}


def _id(key: bytes) -> str:
    # One that something else wrote must not cost the others.
    return key.decode("utf-8", "backslashreplace")
