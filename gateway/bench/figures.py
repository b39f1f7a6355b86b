"""From what was seen to what is reported. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from math import fsum

from gateway.bench.measure import Measured
from gateway.bench.result import Figures, Record, Slo
from gateway.bench.statistics import distribution, jain, ratio
from gateway.bench.timeline import TIMED_OUT, TRUNCATED, Timeline

LEFT_OUT = "not sent"
"""Failure kind of arrivals that the generator had no room for."""


def figures(measured: Sequence[Measured], slo: Slo | None, *, users: int | None) -> Figures:
    """Count and time one measurement, or all repeats of one. `users`: of a closed loop."""
    timelines = [timeline for each in measured for timeline in each.timelines]
    done = [timeline for timeline in timelines if timeline.completed]
    window_s = fsum(each.window_s for each in measured)
    good = None if slo is None else [timeline for timeline in done if keeps(slo, timeline)]
    # Arrivals of an open loop are nobody's second: of those, the served ones are the users.
    served = _each_user(done if users is None else timelines)
    return Figures(
        window_s=window_s,
        sent=len(timelines),
        completed=len(done),
        refused=_refused(timelines),
        refused_with_retry_after=sum(t.told_to_come_back for t in timelines if t.refused_status),
        failed=_failed(measured),
        truncated=sum(timeline.outcome == TRUNCATED for timeline in timelines),
        timed_out=sum(timeline.outcome == TIMED_OUT for timeline in timelines),
        retries=sum(timeline.attempts - 1 for timeline in timelines),
        output_tokens=sum(timeline.tokens for timeline in done),
        input_tokens=_input_tokens(done),
        counted_by_runner=ratio(sum(t.output_tokens is not None for t in done), len(done)),
        output_tokens_per_s=ratio(fsum(t.tokens * t.share_in_window for t in done), window_s)
        if done
        else None,
        requests_per_s=_rate(done, window_s),
        user_tokens_per_s=distribution(
            tokens / seconds for tokens, seconds in served.values() if done and seconds > 0
        ),
        decode_tokens_per_s=distribution(
            1 / tpot for t in done if (tpot := t.tpot_s) is not None and tpot > 0
        ),
        ttft_s=distribution(ttft for t in done if (ttft := t.ttft_s) is not None),
        itl_s=distribution(chain.from_iterable(timeline.gaps for timeline in done)),
        e2e_s=distribution(timeline.e2e_s for timeline in done),
        queue_s=distribution(t.queue_s for t in done if t.queue_s is not None),
        good_per_s=None if good is None else _rate(good, window_s),
        good_share=None if good is None else ratio(len(good), len(timelines)),
        fairness=None if users is None else jain([served[user][0] for user in range(users)]),
        generator_cpu=max((each.cpu_share for each in measured), default=0.0),
        generator_late_s=max((each.late_s for each in measured), default=0.0),
        generator_late_p99_s=max((each.late_p99_s for each in measured), default=0.0),
    )


def keeps(slo: Slo, timeline: Timeline) -> bool:
    """Whether a completed request was good service. An answer without text has no first token."""
    ttft_s, tpot_s = timeline.ttft_s, timeline.tpot_s
    return (
        (slo.ttft_s is None or (ttft_s is not None and ttft_s <= slo.ttft_s))
        and (slo.itl_s is None or tpot_s is None or tpot_s <= slo.itl_s)
        and (slo.e2e_s is None or timeline.e2e_s <= slo.e2e_s)
    )


def records(measured: Measured) -> Iterable[Record]:
    """Each request of a measurement, in the order in which they were sent."""
    for timeline in sorted(measured.timelines, key=lambda each: each.sent_at):
        yield Record(
            user=timeline.user,
            sent_s=timeline.sent_at - measured.opened_at,
            outcome=timeline.outcome,
            attempts=timeline.attempts,
            ttft_s=timeline.ttft_s,
            e2e_s=timeline.e2e_s,
            chunks=timeline.chunks,
            input_tokens=timeline.input_tokens,
            output_tokens=timeline.tokens,
            queue_s=timeline.queue_s,
        )


def _rate(done: Sequence[Timeline], window_s: float) -> float | None:
    return ratio(fsum(timeline.share_in_window for timeline in done), window_s) if done else None


def _refused(timelines: Iterable[Timeline]) -> dict[str, int]:
    statuses = (t.refused_status for t in timelines)
    return dict(sorted(Counter(str(status) for status in statuses if status is not None).items()))


def _failed(measured: Iterable[Measured]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for each in measured:
        counts.update(
            timeline.outcome.removeprefix("failed ")
            for timeline in each.timelines
            if timeline.outcome.startswith("failed ")
        )
        if each.left_out:
            counts[LEFT_OUT] += each.left_out
    return dict(sorted(counts.items()))


def _input_tokens(done: Iterable[Timeline]) -> int | None:
    counted = [t.input_tokens for t in done if t.input_tokens is not None]
    return sum(counted) if counted else None


def _each_user(timelines: Iterable[Timeline]) -> dict[int, tuple[int, float]]:
    """Tokens of whole answers, and seconds spent waiting for them or for nothing."""
    served: defaultdict[int, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for timeline in timelines:
        tokens, seconds = served[timeline.user]
        more = timeline.tokens if timeline.completed else 0
        served[timeline.user] = tokens + more, seconds + timeline.e2e_s
    return served
