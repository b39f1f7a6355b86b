"""The words a decision is made of. Made in `decide`, told in `words`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backends.base import BackendKind
from gateway.advise.migration import Change


class Verdict(StrEnum):
    """What to do; the value is what people and programs read."""

    STAY = "stay"
    """As it is, people are served promptly."""
    GRAY_ZONE = "gray zone"
    """The runner is fast enough for all, but not at once: a queue in front of it carries them."""
    MOVE = "move"
    """No queue helps: the runner works off less than people ask."""
    UNKNOWN = "unknown"
    """The figures do not allow a decision."""


class Sureness(StrEnum):
    """How much the decision can be relied on."""

    SURE = "sure"
    FAIRLY_SURE = "fairly sure"
    NOT_SURE = "not sure"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason to be less sure, and what to measure against it."""

    text: str
    measure: str | None = None
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to set, for the gateway's configuration and for the runner itself."""

    backend: BackendKind
    runner: str
    url: str | None
    model: str
    upstream_model: str
    slots: int
    queue_s: int
    """Seconds a request may wait for a slot."""
    max_waiting: int
    """Requests that may wait at once."""
    start: str | None = None
    """The command that starts such a runner, where it has to be started anew."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, the figures behind it, and how sure that is."""

    verdict: Verdict
    users: int | None
    """For how many people at once; None when there is nothing to go by."""
    backend: BackendKind | None
    """The backend to be on after it."""
    headline: str
    figures: tuple[str, ...] = ()
    carries_users: int | None = None
    """How many people the plan carries; None where nobody has measured that."""
    plan: Plan | None = None
    changes: tuple[Change, ...] = ()
    """What clients will notice of a move."""
    sureness: Sureness = Sureness.NOT_SURE
    doubts: tuple[Doubt, ...] = ()

    @property
    def measure_next(self) -> tuple[str, ...]:
        """What would make it surer, most important first, each once."""
        ordered = sorted(self.doubts, key=lambda doubt: not doubt.grave)
        return tuple(dict.fromkeys(doubt.measure for doubt in ordered if doubt.measure))


def sureness(doubts: tuple[Doubt, ...]) -> Sureness:
    """One grave doubt or three others make a decision unsure."""
    if any(doubt.grave for doubt in doubts) or len(doubts) > 2:
        return Sureness.NOT_SURE
    return Sureness.FAIRLY_SURE if doubts else Sureness.SURE
