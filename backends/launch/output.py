"""The last lines that a runner printed, in bounded memory. Sans-I/O."""

from __future__ import annotations

from collections import deque

MAX_LINES = 200
MAX_LINE_CHARS = 2000
# UTF-8 takes up to four bytes a character.
_MAX_PARTIAL_BYTES = MAX_LINE_CHARS * 4


class OutputTail:
    """Keeps the last `MAX_LINES` lines, each cut at `MAX_LINE_CHARS`; blank ones are left out.

    Of a line that was written over with carriage returns (a progress bar) the last state counts.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take what was printed, cut anywhere."""
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._append(self._partial + line)
            self._partial = b""
        self._partial = _unwritten(self._partial + rest)[:_MAX_PARTIAL_BYTES]

    def lines(self) -> tuple[str, ...]:
        """Oldest first, the unfinished last line included."""
        partial = _text(self._partial)
        return (*self._lines, partial)[-MAX_LINES:] if partial else tuple(self._lines)

    def _append(self, line: bytes) -> None:
        text = _text(_unwritten(line))
        if text:
            self._lines.append(text)


def _unwritten(line: bytes) -> bytes:
    # A trailing return stays: a new line may follow it, or the line be written anew.
    return line[line.rstrip(b"\r").rfind(b"\r") + 1 :]


def _text(line: bytes) -> str:
    kept = line[:_MAX_PARTIAL_BYTES].decode("utf-8", "replace").rstrip()
    return "".join(c if c.isprintable() or c == "\t" else " " for c in kept[:MAX_LINE_CHARS])
