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

from gateway.store.command import packed

logger = logging.getLogger(__name__)

_pack = msgspec.msgpack.Encoder().encode


class Script:
    """A script that takes one key, the prefix of all keys it touches, and one packed argument."""

    def __init__(self, name: str, text: str, *, batched: bool = False) -> None:
        """`batched`: it takes a list of arguments and yields a list of replies, and calls of one
        turn of the event loop leave as one."""
        self.batched = batched
        self.name = name
        self.text = text.encode()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()
        self._reported = False
        self._prefixes: dict[bytes, bytes] = {}  # by key, of which a script has a few

    @classmethod
    def of_files(cls, name: str, package: str, parts: Iterable[str]) -> Script:
        """Join the named files of a package, in order."""
        folder = files(package)
        return cls(name, "\n".join(folder.joinpath(part).read_text("utf-8") for part in parts))

    def command(self, key: bytes, arguments: Any) -> bytes:
        """The bytes of one call."""
        prefix = self._prefixes.get(key)
        if prefix is None:
            # All but the last of the five parts.
            whole = packed(*self._call(), b"1", key, b"")
            prefix = self._prefixes[key] = whole.removesuffix(b"0\r\n\r\n")
        argument = _pack(arguments)
        return b"%b%d\r\n%b\r\n" % (prefix, len(argument), argument)

    def introduction(self) -> tuple[bytes, ...]:
        """The command that makes a server know it."""
        return (b"SCRIPT", b"LOAD", self.text)

    def report_fault(self, text: str) -> None:
        """Log what the store found wrong with the script: once, because it would come each time."""
        if not self._reported:
            self._reported = True
            logger.error("script '%s' is faulty: %s", self.name, text)

    def _call(self) -> tuple[bytes, ...]:
        return (b"EVALSHA", self.sha)
