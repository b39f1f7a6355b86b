"""How long a request will hold its slot, predicted from what it asks for.

slot-seconds = a + b * prompt bytes + c * expected output tokens, fitted to finished requests of
the same model and operation by recursive least squares with forgetting (Haykin, Adaptive Filter
Theory, ch. 9). Sizes in bytes, because tokens are known only afterwards.
"""

from __future__ import annotations

import math
from collections import deque

from gateway.admission.base import UNKNOWN_COST_S
from gateway.exchange import Exchange

FORGETTING = 0.98
"""Weight of the last observation but one, beside the last: about fifty count."""
ENOUGH = 8
"""Observations below which the mean is a better guess than a fit."""
MOST_LEARNT = 64
"""Observations taken in at a time: a busy gateway has more than a fit needs, and each costs some
microseconds of the requests' time."""
SPREAD = 8.0
"""A fit is not believed beyond this multiple of the mean, or below its inverse."""
MIN_COST_S = 0.001
MOST_TOKENS = 10_000_000
MOST_DOUBT = 100.0
_AXES = range(3)


class Fit:
    """What is known of one kind of request."""

    def __init__(self) -> None:
        self.count = 0
        self.mean_s = UNKNOWN_COST_S
        self.output_tokens = 256.0
        """Mean tokens of an answer."""
        self._weights = [0.0, 0.0, 0.0]
        self._p: list[list[float]] = []
        self._forget()

    def predict(self, prompt_bytes: int, most_tokens: int | None) -> float:
        """Seconds. `most_tokens` is the caller's own limit on the answer, if it gave one."""
        if self.count < ENOUGH:
            return self.mean_s
        expected = self.output_tokens
        if most_tokens is not None and most_tokens < expected:
            expected = most_tokens
        base, of_bytes, of_tokens = self._weights
        _, size, tokens = _sizes(prompt_bytes, expected)
        fitted: float = base + of_bytes * size + of_tokens * tokens
        return min(self.mean_s * SPREAD, max(self.mean_s / SPREAD, fitted, MIN_COST_S))

    def observe(self, prompt_bytes: int, tokens: int, held_s: float) -> None:
        """A request of this kind has held its slot for `held_s`."""
        if not math.isfinite(held_s):
            return
        tokens = min(tokens, MOST_TOKENS)
        self.count += 1
        step = 1 / min(self.count, 16)
        self.mean_s += (held_s - self.mean_s) * step
        self.output_tokens += (tokens - self.output_tokens) * step
        self._update(_sizes(prompt_bytes, tokens), held_s)

    def _update(self, x: tuple[float, float, float], held_s: float) -> None:
        p = self._p
        px = [sum(row[j] * x[j] for j in _AXES) for row in p]
        scale = FORGETTING + sum(x[j] * px[j] for j in _AXES)
        gain = [value / scale for value in px]
        error = held_s - sum(self._weights[j] * x[j] for j in _AXES)
        weights = [self._weights[j] + gain[j] * error for j in _AXES]
        # Half of each triangle of the matrix, so that rounding cannot make it lopsided.
        p = [[(p[i][j] - (gain[i] * px[j] + gain[j] * px[i]) / 2) for j in _AXES] for i in _AXES]
        trace = sum(p[i][i] for i in _AXES)
        if not (scale > 0 and 0 < trace < math.inf and all(map(math.isfinite, weights))):
            self._forget()
            return
        # Forgetting lets what is never excited grow without end: the whole matrix is bounded, since
        # a part of it alone would leave one that belongs to no set of observations.
        grow = min(1 / FORGETTING, MOST_DOUBT / trace)
        self._weights, self._p = weights, [[grow * value for value in row] for row in p]

    def _forget(self) -> None:
        """Begin anew with the mean for all that is known."""
        self._weights = [self.mean_s, 0.0, 0.0]
        self._p = [[1.0 if i == j else 0.0 for j in _AXES] for i in _AXES]


def _sizes(prompt_bytes: int, tokens: float) -> tuple[float, float, float]:
    """Of about the same size as each other, which the arithmetic needs."""
    return (1.0, prompt_bytes / 4096, tokens / 256)


class ServiceTimes:
    """Predictions for every model and operation. Observations are noted at once and worked off in
    `learn`, which is called now and then, away from the requests."""

    def __init__(self) -> None:
        self._fits: dict[tuple[str, str], Fit] = {}
        self._noted: deque[tuple[str, str, int, int, float]] = deque(maxlen=MOST_LEARNT)

    def predict(
        self, model: str, operation: str, prompt_bytes: int, most_tokens: int | None
    ) -> float:
        """Slot-seconds of a request that has just come."""
        fit = self._fits.get((model, operation))
        if fit is None:
            return UNKNOWN_COST_S
        return fit.predict(prompt_bytes, most_tokens)

    def note(
        self, model: str, operation: str, prompt_bytes: int, tokens: int, held_s: float
    ) -> None:
        """A request was served to its end. `model` is a public name of the configuration."""
        self._noted.append((model, operation, prompt_bytes, tokens, held_s))

    def note_of(self, exchange: Exchange, prompt_bytes: int) -> None:
        """An exchange has ended; it is noted if its answer was complete."""
        sent, last, model = exchange.sent, exchange.last_token, exchange.model
        if exchange.code is not None or sent is None or last is None or model is None:
            return
        tokens = exchange.usage.completion_tokens if exchange.usage else exchange.chunks
        self.note(model, exchange.operation, prompt_bytes, tokens, last - sent)

    def learn(self) -> None:
        """Take in what was noted last."""
        while self._noted:
            model, operation, prompt_bytes, tokens, held_s = self._noted.popleft()
            fit = self._fits.get((model, operation))
            if fit is None:
                fit = self._fits[model, operation] = Fit()
            fit.observe(prompt_bytes, tokens, held_s)
