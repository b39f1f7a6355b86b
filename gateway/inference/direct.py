"""What our own server offers an application beyond ASGI, in `scope["extensions"]`.

Any ASGI server can run the gateway; with one that offers this, a request costs less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from starlette.types import Scope

EXTENSION = "sluicegate.direct"


class Direct(Protocol):
    """One request, as the server sees it."""

    def on_departure(self, callback: Callable[[], None] | None) -> bool:
        """Call `callback` when the client leaves, None to forget it; False if it has left."""
        ...

    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole response at once; False if that must wait for a slow reader."""
        ...


def direct(scope: Scope) -> Direct | None:
    """What the server offers, if it does."""
    extensions = scope.get("extensions")
    return None if extensions is None else cast("Direct | None", extensions.get(EXTENSION))
