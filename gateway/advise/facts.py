"""What is known before anything is decided: steps that were measured, on which engine, for whom."""

from __future__ import annotations

from dataclasses import dataclass

from backends.base import BackendKind
from gateway.advise.hardware import Hardware
from gateway.advise.use import Use


@dataclass(frozen=True, slots=True)
class Step:
    """What happened while a number of people kept one request each under way."""

    users: float
    """People at once; from a running gateway a mean, elsewhere a whole number."""
    duration_s: float
    completed: int
    """Whole answers."""
    refused: int = 0
    """Told to come back later (429, 503)."""
    broken: int = 0
    """Failed, cut short or timed out: what nobody should ever see."""
    first_token_p99_s: float | None = None
    tokens_per_s: float | None = None
    """All answers together."""
    answer_tokens_per_s: float | None = None
    """One answer as its reader sees it."""
    answer_s: float | None = None
    """From the request to its last byte, median."""
    doubts: tuple[str, ...] = ()
    """Why the figures should not be believed, in words."""

    @property
    def per_s(self) -> float:
        """Whole answers a second; 0 for a step that took no time."""
        return self.completed / self.duration_s if self.duration_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Engine:
    """One runner and what was measured on it."""

    name: str
    """What people call it here: the name of the target."""
    backend: BackendKind
    model: str
    """The name that clients send."""
    upstream_model: str
    """The name that the runner knows."""
    url: str | None = None
    """Where it listens, if it is known and is not a gateway's."""
    runner: str | None = None
    """Its name in the gateway's configuration."""
    slots: int | None = None
    """How many requests it works on at once, if somebody said so."""
    raw: tuple[Step, ...] = ()
    """Asked directly, in order of users."""
    queued: tuple[Step, ...] = ()
    """Asked through a gateway, in order of users."""
    context_length: int | None = None
    asked_users: int = 0
    """Most people at once that it was asked to serve, in steps that cannot be used as well."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, direct ones first."""
        return (*self.raw, *self.queued)

    @property
    def completed(self) -> int:
        """Whole answers over all steps."""
        return sum(step.completed for step in self.steps)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a decision rests on."""

    source: str
    """Where the figures come from, for the reader."""
    current: Engine
    """The engine that is in use now."""
    others: tuple[Engine, ...] = ()
    """Other engines that were measured with the same model and load."""
    hardware: Hardware | None = None
    """The machine the current runner works on; None when it cannot be seen from here."""
    uses: frozenset[Use] = frozenset()
    """What the clients' requests make use of."""
    doubts: tuple[str, ...] = ()
    """What is wrong with the figures as a whole."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator wants to hold. Times in seconds."""

    users: int | None = None
    """People at once; None: as many as the facts show."""
    think_s: float = 0.0
    """How long a person reads and types between two requests."""
    patience_s: float = 60.0
    """The longest wait for a slot that people put up with."""
    first_token_s: float = 2.0
    """Up to here, 99 of 100 first tokens feel prompt, and there is nothing to decide."""
    answer_tokens_per_s: float = 5.0
    """The slowest answer that is still readable as it comes: a little above reading speed."""
