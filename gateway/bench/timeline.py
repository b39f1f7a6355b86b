"""What happened to one request, and when. Filled in while it runs, read when it is over."""

from __future__ import annotations

from array import array

COMPLETED = "completed"
TRUNCATED = "truncated"
TIMED_OUT = "timed out"


class Timeline:
    """One request. All times are those of one monotonic clock, in seconds.

    Made for each request and touched for each chunk, hence neither frozen nor a dataclass.
    """

    __slots__ = (
        "attempts",
        "chunks",
        "chunks_in_window",
        "ended_at",
        "first_at",
        "gaps",
        "input_tokens",
        "last_at",
        "outcome",
        "output_tokens",
        "queue_s",
        "refused_status",
        "retry_after_s",
        "sent_at",
        "told_to_come_back",
        "user",
    )

    def __init__(self, user: int, sent_at: float) -> None:
        self.user = user
        self.sent_at = sent_at
        self.first_at: float | None = None
        """First text, reasoning or tool call."""
        self.last_at = sent_at
        self.ended_at = sent_at
        self.gaps = array("f")
        """Between pieces of text, in seconds."""
        self.chunks = 0
        """Pieces of text so far."""
        self.chunks_in_window: int | None = None
        """How many of them came before the window closed; None = it had not closed yet."""
        self.outcome = ""
        self.refused_status: int | None = None
        self.told_to_come_back = False
        """A refusal carried Retry-After."""
        self.retry_after_s: float | None = None
        self.attempts = 0
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        """As the runner counted them; None = it told nothing."""
        self.queue_s: float | None = None

    def text(self, pieces: int, now: float) -> None:
        """`pieces` of text have arrived together at `now`."""
        if self.first_at is None:
            self.first_at = now
        else:
            self.gaps.append(now - self.last_at)
        if pieces > 1:
            self.gaps.extend([0.0] * (pieces - 1))
        self.last_at = now
        self.chunks += pieces

    @property
    def completed(self) -> bool:
        """Whether a whole answer came."""
        return self.outcome == COMPLETED

    @property
    def tokens(self) -> int:
        """Tokens of the answer: as the runner counted them, else pieces of text."""
        return self.chunks if self.output_tokens is None else self.output_tokens

    @property
    def share_in_window(self) -> float:
        """Which part of the answer came before the window closed."""
        if self.chunks_in_window is None or self.chunks == 0:
            return 1.0 if self.chunks_in_window is None else 0.0
        return self.chunks_in_window / self.chunks

    @property
    def ttft_s(self) -> float | None:
        return None if self.first_at is None else self.first_at - self.sent_at

    @property
    def e2e_s(self) -> float:
        return self.ended_at - self.sent_at

    @property
    def tpot_s(self) -> float | None:
        """Mean time between the tokens of the answer."""
        if self.first_at is None or self.tokens < 2:
            return None
        return (self.last_at - self.first_at) / (self.tokens - 1)
