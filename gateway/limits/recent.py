"""What one process remembers of a bucket. Only hints: nothing is ever granted because of them."""

from __future__ import annotations

from gateway.limits.refusal import LONGEST_RETRY_S

FIRST_GUESS_S = 2.0
LOG_EVERY_S = 10.0


class Recent:
    """Times are seconds of one monotonic clock."""

    __slots__ = ("_logged_at", "_next_place", "held_s")

    def __init__(self) -> None:
        self.held_s = FIRST_GUESS_S
        """How long a request runs, as a running mean: nobody can say when one will end."""
        self._next_place = 0.0
        self._logged_at = float("-inf")

    def book(self, now: float, *, wait_s: float, interval_s: float) -> float:
        """How long a refused caller should stay away: places are `interval_s` apart.

        If all refused callers were told when the bucket has room for one, all would come back then,
        and all but one in vain. Those beyond a minute share the last place.
        """
        place = min(max(now + wait_s, self._next_place), now + LONGEST_RETRY_S)
        self._next_place = place + interval_s
        return max(0.001, place - now)

    def observe_held(self, held_s: float) -> None:
        """A request ran for `held_s`."""
        self.held_s += (held_s - self.held_s) / 8

    def may_log(self, now: float) -> bool:
        """Whether it is time for a line in the log again; if so, this was it."""
        if now - self._logged_at < LOG_EVERY_S:
            return False
        self._logged_at = now
        return True
