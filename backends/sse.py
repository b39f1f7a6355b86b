"""Framing of `text/event-stream`: bytes in, whole events out. Pure functions, no state.

Only what the protocol calls *data* matters to us: comments, `id:` and `retry:` are for a browser's
EventSource, and client libraries for chat stumble over them (an `id:` followed by a comment makes
openai-python raise JSONDecodeError).
"""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def split_events(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut `buffer` into complete events (without their blank line) and an incomplete rest.

    Line ends CRLF and CR become LF. A CR at the very end stays in the rest as it is, for it may be
    the first half of a CRLF.
    """
    if b"\r" in buffer:
        held = b"\r" if buffer.endswith(b"\r") else b""
        whole = buffer[: len(buffer) - len(held)]
        *events, rest = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n")
        return events, rest + held
    *events, rest = buffer.split(b"\n\n")
    return events, rest


def event_data(event: bytes) -> bytes | None:
    """The data of one event, its `data:` lines joined by LF, or None when it carries none."""
    lines = []
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
    data = b"\n".join(lines).strip()
    return data or None
