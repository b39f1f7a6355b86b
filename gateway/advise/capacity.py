"""How many requests a runner works off: a small model fitted to measured steps. Pure.

With n requests at work at once, one of them takes S(n) = a + b·n seconds: `a` is the part that
requests have in common (a batch that is read once for all), `b` what each costs the others. So a
runner answers n / S(n) requests a second, and never more than 1 / b.

Few people keep n at their own number; more than the runner has slots keep it at its slots, and the
rest wait. U people who think for Z seconds between requests then see each answer after
U / X - Z seconds, of which all but S is waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import floor
from statistics import fmean

from gateway.advise.facts import Engine, Step

HEADROOM = 1.5
"""Waits scatter round their mean: closed-loop users see almost no refusal while
1.5 · users · S / slots stays within the budget."""
_GROWING = 1.1
"""Throughput counts as growing while more users bring a tenth more of it."""
_ENOUGH = 0.95
"""The smallest number of slots that brings this share of the best throughput is the best one."""
_LEAST_ANSWERS = 3
"""A step with fewer whole answers says nothing about throughput."""
_SHORTEST_S = 0.01
"""Nothing can be told from a shorter time, and dividing by it would be dividing by nothing."""
_FEWEST_USERS = 0.01
MOST_USERS = 1_000_000
"""More users than this are not told apart."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """A fitted runner. `at` says how fast it is with n requests at work."""

    shared_s: float
    """`a`, seconds."""
    own_s: float
    """`b`, seconds."""
    most: int
    """Requests at work up to which the fit is based on measurement."""
    error: float
    """Mean relative error of the fitted throughput on the measured steps."""
    points: int
    """Steps it was fitted to."""

    def service_s(self, slots: int) -> float:
        """Seconds that one request is at work with all slots in use."""
        return self.shared_s + self.own_s * slots

    def per_s(self, slots: int) -> float:
        """Requests answered a second with all slots in use."""
        return slots / self.service_s(slots)

    def best_slots(self, slowest_service_s: float | None = None) -> int:
        """The fewest slots that bring nearly the best throughput, none of them slower than asked.

        Never more than were measured; at least 1, even if that is slower than asked.
        """
        usable = [
            slots
            for slots in range(1, self.most + 1)
            if slowest_service_s is None or self.service_s(slots) <= slowest_service_s
        ] or [1]
        best = max(self.per_s(slots) for slots in usable)
        return next(slots for slots in usable if self.per_s(slots) >= _ENOUGH * best)

    def budget_s(self, users: float, slots: int, think_s: float) -> float:
        """The wait to allow for so that almost nobody is refused; 0 if nobody has to wait."""
        if users <= slots:
            return 0.0
        return max(0.0, HEADROOM * (users / self.per_s(slots) - think_s))

    def usual_wait_s(self, users: float, slots: int, think_s: float) -> float:
        """How long a request usually waits for a slot."""
        waited = users / self.per_s(slots) - think_s - self.service_s(slots)
        return max(0.0, waited) if users > slots else 0.0

    def users(self, slots: int, budget_s: float, think_s: float) -> int:
        """How many people it carries within a budget of waiting; at least as many as slots."""
        carried = (budget_s / HEADROOM + think_s) * self.per_s(slots)
        return max(slots, min(MOST_USERS, floor(carried + 1e-9)))

    def burst(self, slots: int, budget_s: float) -> int:
        """How many requests at the same moment are all answered, counting two retries of 120 s."""
        answered = self.per_s(slots) * (budget_s + 2 * 120.0)
        return max(slots, min(MOST_USERS, floor(answered + 1e-9)))


def fit(engine: Engine) -> Capacity | None:
    """Fit one engine; None when no step has enough whole answers to say anything.

    Steps asked directly say more than those through a gateway, which adds its own wait. They are
    used alone where there are any that held.
    """
    raw = [step for step in engine.raw if _tells(step)]
    queued = [step for step in engine.queued if _tells(step)]
    steps = raw or queued
    if not steps:
        return None
    most = _most_at_work(engine, steps)
    return _fit([(min(step.users, most), step.per_s) for step in steps])


def _tells(step: Step) -> bool:
    return (
        step.completed >= _LEAST_ANSWERS
        and step.duration_s >= _SHORTEST_S
        and step.users >= _FEWEST_USERS
    )


def _most_at_work(engine: Engine, steps: Sequence[Step]) -> float:
    """How many the runner worked on at once: what is said of it, or where it stopped growing."""
    seen = max(step.users for step in steps)
    if engine.slots is not None:
        return min(float(engine.slots), max(1.0, seen))
    knee = steps[0]
    for step in steps[1:]:
        if step.per_s > _GROWING * knee.per_s:
            knee = step
    return max(1.0, knee.users)


def _fit(points: Iterable[tuple[float, float]]) -> Capacity:
    """Least squares of S = n / X over n, with neither part below zero."""
    at = sorted((n, per_s) for n, per_s in points)
    xs = [n for n, _ in at]
    ys = [n / per_s for n, per_s in at]
    mean_x, mean_y = fmean(xs), fmean(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    own = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    own = max(0.0, own / spread) if spread > 0 else 0.0
    shared = mean_y - own * mean_x
    if shared < 0:  # through the origin: they only take turns
        shared = 0.0
        own = sum(x * y for x, y in zip(xs, ys, strict=True)) / sum(x * x for x in xs)
    most = max(1, floor(max(chain(xs, (1.0,)))))
    errors = [
        abs(n / (shared + own * n) - per_s) / per_s for n, per_s in at if shared + own * n > 0
    ]
    return Capacity(shared, own, most, fmean(errors) if errors else 0.0, len(at))
