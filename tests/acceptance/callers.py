"""Keys as an operator lists them in the configuration."""

from __future__ import annotations

import hashlib
from typing import Any

ALL_LIMITS = {
    "requests_per_minute": 100_000,
    "tokens_per_minute": 100_000_000,
    "requests_per_day": 1_000_000,
    "tokens_per_day": 1_000_000_000,
    "concurrent": 1000,
}
"""One of each kind, and none that a test comes near to."""


def listed_key(name: str, **more: Any) -> dict[str, Any]:
    """An entry of `auth.keys`; the key's text is `text_of(name)`."""
    return {"name": name, "sha256": hashlib.sha256(text_of(name).encode()).hexdigest(), **more}


def listed(*keys: dict[str, Any]) -> dict[str, Any]:
    """`auth` with these keys and no others."""
    return {"mode": "keys", "keys": list(keys)}


def text_of(name: str) -> str:
    """What a caller with that key sends."""
    return f"the-text-of-{name}"


def bearer(name: str) -> str:
    """The header `authorization` of that caller."""
    return f"Bearer {text_of(name)}"
