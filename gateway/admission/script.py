"""The scheduler's Lua, put together: for each operation a script of the files that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from gateway.store import Script

_LINES = ("flows", "learning", "dispatch")
_ADMISSION = ("flows", "learning", "prediction", "refusal", "dispatch")
_RUNNERS = (*_LINES, "report", "runners")
_TIME = (*_ADMISSION, "report", "retest", "upkeep", "sync")

_FILES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "submit": (*_ADMISSION, "submit"),
        "finish": (*_LINES, "finish"),
        "cancel": (*_ADMISSION, "cancel"),
        "set_runner": _RUNNERS,
        "forget_runner": _RUNNERS,
        "leave": _RUNNERS,
        "sync": _TIME,
        "pump": _TIME,
        "state": ("flows", "learning", "prediction", "state"),
    }
)

OPERATIONS = tuple(_FILES)
REQUESTS = ("submit", "finish", "cancel")
"""What requests do, as opposed to replicas."""


def script_text(operation: str, *, clock: str | None = None) -> str:
    """The Lua of one operation. `clock` stands in for the file of that name.

    A server makes all functions of a script anew at every call, and that is most of what a call
    costs: so each script has only what it needs. Inside a function, what the first files declare is
    found at once, instead of along a list for each function that uses it; hence the nesting.
    """
    outer = (_read("clock") if clock is None else clock, _read("constants"))
    inner = ("records", *_FILES[operation], "call")
    return "\n".join((*outer, "return (function()", *map(_read, inner), "end)()"))


def requests_text() -> str:
    """The Lua of what requests do, several at once: what a script costs to begin with is then paid
    once for all requests of a turn of the event loop."""
    outer = (_read("clock"), _read("constants"))
    inner = ("records", *_ADMISSION, *REQUESTS, "batch")
    return "\n".join((*outer, "return (function()", *map(_read, inner), "end)()"))


def _read(part: str) -> str:
    return (files("gateway.admission") / "lua" / f"{part}.lua").read_text("utf-8")


def scripts() -> Mapping[str, Script]:
    """Every operation's script, by its name."""
    requests = Script("requests", requests_text(), batched=True)
    others = [name for name in OPERATIONS if name not in REQUESTS]
    return MappingProxyType(
        {name: requests for name in REQUESTS}
        | {name: Script(name, script_text(name)) for name in others}
    )
