"""What is wrong with the configuration: one value a fault, one error for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where a value was written. `line` is 0 where lines mean nothing (environment, default)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. `value` is ready to print (secrets are masked); None if there is none."""

    origin: Origin
    path: str
    value: str | None
    problem: str
    remedy: str

    def __str__(self) -> str:
        subject = " = ".join(part for part in (self.path, self.value) if part)
        return f"{self.origin}: {subject + ': ' if subject else ''}{self.problem}; {self.remedy}"


class SettingsError(Exception):
    """The configuration is refused. `faults` holds all of them, in the order of the files."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(dict.fromkeys(faults), key=_reading_order))
        super().__init__(self.faults)

    def __str__(self) -> str:
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        return "\n".join([f"the configuration has {count}:", *(f"  {f}" for f in self.faults)])


def _reading_order(fault: Fault) -> tuple[Origin, str, str]:
    return (fault.origin, fault.path, fault.problem)
