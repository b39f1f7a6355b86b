"""Passes a reply too large to be held (embeddings, images) on in constant memory."""

from __future__ import annotations

import re

import msgspec

from backends.base import Usage
from backends.usage import read_usage

WINDOW = 4096
"""Bytes held back, so that what is looked for is seen whole across two pieces."""

_MODEL = re.compile(rb'"model"\s*:\s*"[^"\\]*(?:\\.[^"\\]*)*"')
_USAGE = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')


class BulkReplyReader:
    """A `BulkReader`. Inside strings every quotation mark is escaped, so text is never touched."""

    def __init__(self, public: str) -> None:
        self.usage: Usage | None = None
        self._public = b'"model":' + msgspec.json.encode(public)
        self._named = False
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """See `BulkReader.feed`."""
        window = self._mend(self._held + data)
        cut = max(0, len(window) - WINDOW)
        self._held = window[cut:]
        return window[:cut]

    def finish(self) -> bytes:
        """See `BulkReader.finish`."""
        held, self._held = self._held, b""
        return held

    def _mend(self, window: bytes) -> bytes:
        if not self._named and b'"model"' in window:
            window, found = _MODEL.subn(lambda _: self._public, window, count=1)
            self._named = bool(found)
        if self.usage is None and b'"usage"' in window:
            match = _USAGE.search(window)
            if match is not None:
                self.usage = _read(match[1])
        return window


def _read(raw: bytes) -> Usage | None:
    try:
        return read_usage(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
