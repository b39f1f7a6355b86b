"""Keep the values of a label few and harmless where somebody else makes them up.

Error codes come from runners, and names of ignored parameters from callers. Each new label value
is a time series for as long as the process lives.
"""

from __future__ import annotations

import re

MOST = 100
OTHER = "other"

_HARMLESS = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def harmless(name: str) -> str:
    """`name`, or `other` if it is long or could be anything but a name."""
    return name if _HARMLESS.fullmatch(name) else OTHER


class BoundedNames:
    """The first hundred harmless names as they are; every further one is `other`."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known = {OTHER}

    def label(self, name: str) -> str:
        """The value to use for `name`."""
        if name in self._known:
            return name
        if len(self._known) > MOST:
            return OTHER
        name = harmless(name)
        self._known.add(name)
        return name
