"""A Lua script, and how a call of it goes over the wire.

All arguments travel as one MessagePack value: a call then has the same five parts whatever it
carries, numbers stay numbers, and no text of a caller can be taken for anything but text.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import msgspec

logger = logging.getLogger(__name__)

_pack = msgspec.msgpack.Encoder().encode


class Script:
    """A script that takes one key, the prefix of all keys it touches, and one packed argument."""

    def __init__(self, name: str, text: str, *, batched: bool = False, early: bool = False) -> None:
        """`batched`: it takes a list of arguments and yields a list of replies, and calls of one
        turn of the event loop leave as one. `early`: before the other calls of the turn."""
        self.batched = batched
        self.early = early
        self.name = name
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()
        self._reported = False
        self._prefixes: dict[bytes, bytes] = {}  # by key, of which a script has a few
        self._head = b"*5\r\n$7\r\nEVALSHA\r\n$40\r\n" + self.sha + b"\r\n$1\r\n1\r\n"

    @classmethod
    def of_files(
        cls,
        name: str,
        package: str,
        parts: Iterable[str],
        *,
        batched: bool = False,
        early: bool = False,
    ) -> Script:
        """Join the named files of a package, in order."""
        folder = files(package)
        text = "\n".join(folder.joinpath(part).read_text("utf-8") for part in parts)
        return cls(name, text, batched=batched, early=early)

    def command(self, key: bytes, arguments: Any) -> bytes:
        """The bytes of one call."""
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._prefixes[key] = b"%b$%d\r\n%b\r\n$" % (self._head, len(key), key)
        packed = _pack(arguments)
        return b"%b%d\r\n%b\r\n" % (prefix, len(packed), packed)

    def command_with_text(self, command: bytes) -> bytes:
        """The same call for a server that does not have the script yet."""
        rest = command[len(self._head) :]
        return b"*5\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n1\r\n%b" % (len(self.text), self.text, rest)

    def report_fault(self, text: str) -> None:
        """Log what the store found wrong with the script: once, because it would come each time."""
        if not self._reported:
            self._reported = True
            logger.error("script '%s' is faulty: %s", self.name, text)
