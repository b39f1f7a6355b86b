"""The scheduler's operations, put together from its Lua, with those of others if they may join."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from gateway.store import Library

_PARTS = (
    *("constants", "kept", "records", "flows", "learning", "dispatch", "prediction", "refusal"),
    *("submit", "finish", "cancel", "report", "runners", "retest", "upkeep", "sync", "state"),
)
"""Each knows those before it."""


def library_of(more: Iterable[str] = (), *, clock: str | None = None) -> Library:
    """The library. `more` are the operations of others: what a request asks both of them for in one
    turn of the event loop then leaves, and is done, as one call."""
    return Library("queue", (*scheduler_texts(), *more), clock=clock)


def scheduler_texts() -> list[str]:
    """The parts of the scheduler."""
    folder = files("gateway.admission") / "lua"
    return [(folder / f"{part}.lua").read_text("utf-8") for part in _PARTS]
