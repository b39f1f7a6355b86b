"""How long a refused caller should stay away: a paced place in line, not a guess.

If every refused caller of a burst is told the same time, the burst comes back as a burst. So each
refusal books the next free place: places are one service time divided by the slots apart, and the
first one lies behind the work that is already waiting.
"""

from __future__ import annotations

MAX_RETRY_AFTER_S = 60.0
"""Client libraries ignore longer waits (openai-node) or give up on them (openai-python)."""


class Pacer:
    """Books places for refused callers of one model; all times in seconds of one clock."""

    def __init__(self) -> None:
        self._next_place = 0.0

    def book(self, now: float, *, backlog_s: float, interval_s: float) -> float:
        """Return the seconds to wait, 1 to 60.

        `backlog_s`: predicted time until today's queue is worked off; `interval_s`: predicted time
        between two free slots. Callers beyond 60 s share the last place, because a place further
        away is never honoured.
        """
        earliest = max(now + backlog_s, self._next_place)
        place = min(earliest + interval_s, now + MAX_RETRY_AFTER_S)
        self._next_place = place
        return min(MAX_RETRY_AFTER_S, max(1.0, place - now))


class ServiceTime:
    """Running mean of how long a slot is held, in seconds (exponentially weighted, 1/8)."""

    def __init__(self, initial_s: float = 2.0) -> None:
        self.mean_s = initial_s
        self._seen = False

    def observe(self, held_s: float) -> None:
        """A slot was held for `held_s`; the first observation replaces the initial guess."""
        if self._seen:
            self.mean_s += (held_s - self.mean_s) / 8
        else:
            self.mean_s = held_s
            self._seen = True
