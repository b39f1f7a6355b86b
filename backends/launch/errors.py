"""The one error of this package."""

from __future__ import annotations


class LaunchError(Exception):
    """A runner could not be started; the message names it, the fault and the remedy."""

    def __init__(self, runner: str, fault: str) -> None:
        super().__init__(f"runner {runner!r}: {fault}")
        self.runner = runner
        self.fault = fault
