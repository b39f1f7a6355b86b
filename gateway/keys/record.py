"""One key as the store keeps it: whose it is and what it may do, never its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec

from gateway.principal import Limits, ServiceClass, precedes

State: TypeAlias = Literal["active", "expired", "revoked"]

MOST_SECRETS = 8
"""Texts of one key that can be valid at once, each made by a rotation."""
MOST_MODELS = 100

_LABEL = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_MODEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Secret:
    """One text of a key, by its hash."""

    sha256: str
    """In hex, lower case."""
    expires: float | None = None
    """Unix time from which it is refused, where a rotation has replaced it."""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("the hash of a key is not 64 lower-case hex digits")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key. Times are Unix times in seconds. Raises `ValueError` for what no key can be."""

    id: str
    name: str
    tenant: str
    secrets: tuple[Secret, ...]
    """Newest first."""
    created: float
    models: tuple[str, ...] | None = None
    """Public models or aliases that it may use; None is all."""
    best_class: ServiceClass = ServiceClass.INTERACTIVE
    default_class: ServiceClass = ServiceClass.DEFAULT
    weight: int = 1
    limits: Limits | None = None
    """None is whatever the configuration gives to a key that says nothing."""
    may_name_tenant: bool = False
    expires: float | None = None
    revoked: float | None = None

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("tenant", self.tenant)):
            if not _LABEL.fullmatch(text):
                raise ValueError(f"{what} {text[:80]!r}: use 1 to 64 letters, digits or . _ @ + -")
        if self.models is not None and not 1 <= len(self.models) <= MOST_MODELS:
            raise ValueError(f"{len(self.models)} models: name 1 to {MOST_MODELS}, or none for all")
        for model in self.models or ():
            if not _MODEL.fullmatch(model):
                raise ValueError(
                    f"model {model[:80]!r}: use 1 to 200 letters, digits or . _ : / @ + -"
                )
        if not 1 <= self.weight <= 1000:
            raise ValueError(f"weight {self.weight}: give 1 to 1000")
        if precedes(self.default_class, self.best_class):
            raise ValueError(
                f"default class '{self.default_class}' is better than the best class "
                f"'{self.best_class}': raise the best class or lower the default one"
            )
        if len(self.secrets) > MOST_SECRETS:
            raise ValueError(
                f"{len(self.secrets)} texts of one key would be valid at once, at most "
                f"{MOST_SECRETS} can be: rotate with --grace 0 to end the earlier ones now"
            )

    def state(self, now: float) -> State:
        """What has become of it."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"

    def valid_until(self, secret: Secret) -> float:
        """Unix time from which this text of the key is refused."""
        if self.revoked is not None:
            return 0.0
        ends = [at for at in (self.expires, secret.expires) if at is not None]
        return min(ends, default=float("inf"))

    def rotated(self, sha256: str, now: float, *, grace_s: float) -> KeyRecord:
        """The same key with a new text; the earlier ones stay valid for `grace_s` at most."""
        end = now + grace_s
        former = [
            Secret(secret.sha256, min(end, end if secret.expires is None else secret.expires))
            for secret in self.secrets
        ]
        kept = [each for each in former if each.expires is not None and each.expires > now]
        return replace(self, secrets=(Secret(sha256), *kept))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(KeyRecord)


def encode(record: KeyRecord) -> str:
    """The record as the store keeps it; text, because a script takes no other bytes."""
    return _encoder.encode(record).decode("ascii")


def decode(raw: bytes) -> KeyRecord:
    """Raises `ValueError` for what is no record. Fields of a newer version are passed over."""
    return _decoder.decode(raw)
