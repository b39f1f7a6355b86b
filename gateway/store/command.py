"""How a command goes over the wire: the protocol's array of strings."""

from __future__ import annotations


def packed(*parts: bytes) -> bytes:
    """Its bytes."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)
