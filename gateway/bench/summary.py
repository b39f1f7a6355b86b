"""The table that ends a run, and what must be said below it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.bench.plan import Load
from gateway.bench.prompts import answer_lengths
from gateway.bench.result import Distribution, PromptFacts, Result, Step
from gateway.bench.units import UNKNOWN, counts, number, percent, seconds
from gateway.bench.verdict import REMEDIES

HEADER = (
    "LOAD",
    "TARGET",
    "TOKENS/S",
    "PER USER",
    "TTFT p50/p99",
    "ITL p50/p99",
    "E2E p50/p99",
    "QUEUE p50",
    "DONE",
    "REFUSED",
    "FAILED",
    "CUT",
    "TIMED OUT",
    "FAIR",
    "GOOD",
)
VOID = "void"
_NOTHING = {
    "QUEUE p50": UNKNOWN,
    "REFUSED": "0",
    "FAILED": "0",
    "CUT": "0",
    "TIMED OUT": "0",
    "FAIR": UNKNOWN,
    "GOOD": UNKNOWN,
}
"""Columns that are left out when every cell of them says so."""


def load_name(step: Step) -> str:
    """`5 users`, `2.5 requests/s`."""
    return str(Load(step.users, step.rate))


def answer_length(prompts: PromptFacts) -> str:
    """`at most 128 tokens`; of made prompts that differ, `16 tokens on average (8 to 24)`."""
    mean, spread = prompts.output_tokens, prompts.output_spread
    if not spread:
        return f"at most {mean} tokens"
    lengths = answer_lengths(mean, spread, prompts.count)
    return f"{mean} tokens on average ({min(lengths)} to {max(lengths)})"


def table(steps: Sequence[Step]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows, without the columns that have nothing to say."""
    rows = [_row(step, first) for step, first in zip(steps, _firsts(steps), strict=True)]
    kept = [
        position
        for position, title in enumerate(HEADER)
        if any(row[position] != _NOTHING.get(title) for row in rows)
    ]
    header = tuple(HEADER[position] for position in kept)
    return header, [tuple(row[position] for position in kept) for row in rows]


def notes(result: Result) -> list[str]:
    """What the verdicts say, and what figures rest on that a table cannot show."""
    lines = []
    short = 0
    if result.steps and all(s.figures.completed == s.figures.sent > 0 for s in result.steps):
        lines.append("note: every request got its whole answer: none refused, failed, cut or late")
    for step in result.steps:
        for verdict in step.verdicts:
            if verdict.name == "short":
                short += 1
            else:
                kind = VOID if verdict.voids else "note"
                lines.append(f"{kind}: {load_name(step)}, {step.target}: {verdict.message}")
    named = {verdict.name for step in result.steps for verdict in step.verdicts}
    lines.extend(f"remedy: {text}" for name, text in REMEDIES.items() if name in named)
    if short:
        lines.append(
            f"note: {short} of {len(result.steps)} steps completed fewer than 100 requests: "
            "their p99 is the slowest one"
        )
    shares = ((step.target, step.figures.counted_by_runner) for step in result.steps)
    uncounted = sorted({target for target, share in shares if share is not None and share < 1})
    if uncounted:
        lines.append(
            f"note: {', '.join(uncounted)} did not count tokens: a piece of text counts as one"
        )
    if result.interrupted:
        lines.append("note: interrupted; what had been measured by then is shown")
    return lines


def _firsts(steps: Iterable[Step]) -> Iterable[bool]:
    before: tuple[int | None, float | None] | None = None
    for step in steps:
        yield (step.users, step.rate) != before
        before = (step.users, step.rate)


def _row(step: Step, first: bool) -> tuple[str, ...]:
    figures = step.figures
    return (
        load_name(step) if first else "",
        step.target,
        VOID if step.void else number(figures.output_tokens_per_s),
        UNKNOWN if step.void else number(_p50(figures.user_tokens_per_s)),
        _times(figures.ttft_s, step.void),
        _times(figures.itl_s, step.void),
        _times(figures.e2e_s, step.void),
        seconds(_p50(figures.queue_s)),
        str(figures.completed),
        counts(figures.refused),
        counts(figures.failed),
        str(figures.truncated),
        str(figures.timed_out),
        number(figures.fairness),
        percent(figures.good_share),
    )


def _p50(values: Distribution | None) -> float | None:
    return None if values is None else values.p50


def _times(values: Distribution | None, void: bool) -> str:
    if values is None or void:
        return UNKNOWN
    return f"{seconds(values.p50)} / {seconds(values.p99)}"
