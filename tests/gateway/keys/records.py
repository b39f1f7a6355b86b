"""Records of keys that say no more than a test needs."""

from __future__ import annotations

from typing import Any

from gateway.keys.record import KeyRecord


def described(name: str, **more: Any) -> KeyRecord:
    """A key as it is asked for: the keyring adds id, text and date."""
    return KeyRecord(id="", name=name, secrets=(), created=0.0, **{"tenant": name, **more})
