"""What our own server offers an application beyond ASGI, in `scope["extensions"]`.

Any ASGI server can run the gateway; with one that offers this, a request costs less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from starlette.types import Scope

EXTENSION = "sluicegate.direct"


class Direct(Protocol):
    """One request, as the server sees it."""

    task: asyncio.Task[None] | None
    """What runs it."""

    def on_departure(self, callback: Callable[[], None] | None) -> bool:
        """Call `callback` when the client leaves, None to forget it; False if it has left."""
        ...

    def whole_body(self) -> bytes | None:
        """The request body, if all of it is here and none was read yet; it counts as read then."""
        ...

    def answer(self, status: int, lines: bytes, body: bytes) -> bool:
        """Send a whole response at once; False if it must go the other way, as ASGI messages: to a
        slow reader, for one.

        `lines` are its headers, content-length among them, each ended by CRLF; they are not
        checked.
        """
        ...

    def begin(self, status: int, lines: bytes) -> None:
        """Begin a response of unknown length; `lines` are as those of `answer`."""
        ...

    def part(self, data: bytes) -> bool:
        """Send a piece of a response that has begun; False as `answer`."""
        ...


def direct(scope: Scope) -> Direct | None:
    """What the server offers, if it does."""
    extensions = scope.get("extensions")
    return None if extensions is None else cast("Direct | None", extensions.get(EXTENSION))
