"""Tokens a second, from totals that only grow."""

from __future__ import annotations

from collections import deque

from gateway.admin.state import TokenRates

WINDOW_S = 10.0
"""Tokens are counted when answers end: over less, the figure would jump between zero and much."""


class Throughput:
    """Remembers the totals of the last seconds. Pure: whoever looks says what time it is."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque(maxlen=64)

    def add(self, now: float, tokens: tuple[int, int]) -> None:
        """Note the totals of prompts and answers."""
        # The newest one that is older than the window is where the window begins.
        while len(self._seen) > 1 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()
        self._seen.append((now, *tokens))

    def rates(self, now: float, tokens: tuple[int, int]) -> TokenRates:
        """The mean over the window, or since the first look where that is less."""
        began, prompt, answer = self._seen[0] if self._seen else (now, *tokens)
        over_s = max(1.0, now - began)
        return TokenRates(
            prompt=round((tokens[0] - prompt) / over_s, 1),
            answer=round((tokens[1] - answer) / over_s, 1),
            over_s=round(over_s, 1),
        )
