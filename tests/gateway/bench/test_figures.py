"""What is counted of requests: nothing twice, nothing divided by nothing, errors never as speed."""

from __future__ import annotations

import msgspec
import pytest

from gateway.bench.figures import figures, keeps, records
from gateway.bench.result import Slo
from gateway.bench.timeline import TIMED_OUT, TRUNCATED
from tests.gateway.bench.made import counted, measured, timeline


def test_each_outcome_is_counted_once() -> None:
    found = counted(
        timeline(),
        timeline(pieces=3, outcome=TRUNCATED),
        timeline(pieces=0, outcome=TIMED_OUT),
        timeline(pieces=0, refused=503, told_to_come_back=True),
        timeline(pieces=0, refused=429),
        timeline(pieces=0, outcome="failed http 500"),
        timeline(pieces=0, outcome="failed connect"),
        timeline(pieces=2, outcome="failed error in stream"),
    )
    assert (found.sent, found.completed, found.truncated, found.timed_out) == (8, 1, 1, 1)
    assert found.refused == {"429": 1, "503": 1}
    assert found.refused_with_retry_after == 1
    assert found.failed == {"connect": 1, "error in stream": 1, "http 500": 1}


def test_only_whole_answers_are_speed() -> None:
    whole = counted(timeline())
    cut = counted(timeline(), timeline(outcome=TRUNCATED))
    assert cut.output_tokens_per_s == whole.output_tokens_per_s == pytest.approx(1.1)
    assert cut.ttft_s == whole.ttft_s


def test_throughput_is_what_came_while_requests_were_sent() -> None:
    found = counted(timeline(), timeline(output_tokens=22, chunks_in_window=5))
    assert found.output_tokens_per_s == pytest.approx((11 + 22 * 5 / 11) / 10)
    assert found.requests_per_s == pytest.approx((1 + 5 / 11) / 10)
    assert found.output_tokens == 33


def test_tokens_are_those_of_the_runner_else_the_pieces() -> None:
    found = counted(timeline(output_tokens=30, input_tokens=5), timeline())
    assert (found.output_tokens, found.input_tokens) == (41, 5)
    assert found.counted_by_runner == 0.5
    assert counted(timeline()).input_tokens is None


def test_times_are_those_of_the_request() -> None:
    found = counted(timeline(sent_at=3.0, queue_s=0.25))
    assert found.ttft_s is not None
    assert found.itl_s is not None
    assert found.e2e_s is not None
    assert found.queue_s is not None
    assert found.ttft_s.p50 == pytest.approx(1.0)
    assert found.itl_s.p99 == pytest.approx(0.1, rel=1e-5)
    assert found.e2e_s.max == pytest.approx(2.0)
    assert found.queue_s.p50 == 0.25
    assert found.decode_tokens_per_s is not None
    assert found.decode_tokens_per_s.p50 == pytest.approx(10.0)


def test_each_user_gets_tokens_for_the_time_that_it_waited() -> None:
    found = counted(timeline(0), timeline(0), timeline(1, ttft_s=10.0), users=3)
    assert found.user_tokens_per_s is not None
    assert found.user_tokens_per_s.max == pytest.approx(5.5)
    assert found.user_tokens_per_s.min == pytest.approx(1.0)
    assert found.fairness == pytest.approx(33**2 / (3 * (22**2 + 11**2)))


def test_who_waited_in_vain_was_served_slowly() -> None:
    late = timeline(1, pieces=1, ttft_s=60.0, outcome="timed out")
    found = counted(timeline(0), late, users=2)
    assert found.user_tokens_per_s is not None
    assert (found.user_tokens_per_s.count, found.user_tokens_per_s.min) == (2, 0.0)


def test_of_arrivals_only_those_that_were_served_had_a_speed() -> None:
    found = counted(timeline(0), timeline(1, pieces=0, refused=503), users=None)
    assert found.user_tokens_per_s is not None
    assert found.user_tokens_per_s.count == 1


def test_arrivals_have_no_fairness() -> None:
    assert counted(timeline(0), timeline(1), users=None).fairness is None


def test_good_service_is_a_share_of_all_that_were_sent() -> None:
    slow = timeline(ttft_s=3.0)
    refused = timeline(pieces=0, refused=503)
    found = counted(timeline(), slow, refused, slo=Slo(ttft_s=2.0))
    assert found.good_share == pytest.approx(1 / 3)
    assert found.good_per_s == pytest.approx(0.1)
    assert counted(timeline()).good_share is None


@pytest.mark.parametrize(
    ("slo", "kept"),
    [
        (Slo(), True),
        (Slo(ttft_s=0.9), False),
        (Slo(itl_s=0.09), False),
        (Slo(itl_s=0.11), True),
        (Slo(e2e_s=1.9), False),
        (Slo(ttft_s=1.1, itl_s=0.11, e2e_s=2.1), True),
    ],
)
def test_each_limit_is_a_condition(slo: Slo, kept: bool) -> None:
    assert keeps(slo, timeline()) is kept


def test_an_answer_without_text_has_no_first_token() -> None:
    silent = timeline(pieces=0)
    assert not keeps(Slo(ttft_s=9), silent)
    assert keeps(Slo(e2e_s=9), silent)


def test_nothing_completed_leaves_unknowns_and_no_number_that_is_none() -> None:
    for found in (counted(), counted(timeline(pieces=0, outcome="failed connect"))):
        assert found.output_tokens_per_s is None
        assert found.ttft_s is found.user_tokens_per_s is found.fairness is None
        assert b"NaN" not in msgspec.json.encode(found)


def test_repeats_are_put_together_as_one_long_measurement() -> None:
    found = figures([measured(timeline()), measured(timeline(), late_s=0.5)], None, users=1)
    assert (found.window_s, found.sent, found.completed) == (20.0, 2, 2)
    assert found.output_tokens_per_s == pytest.approx(1.1)
    assert found.generator_late_s == 0.5


def test_arrivals_that_were_not_sent_are_a_failure_of_ours() -> None:
    found = figures([measured(timeline(), left_out=3)], None, users=None)
    assert found.failed == {"not sent": 3}


def test_records_are_in_the_order_in_which_requests_were_sent() -> None:
    seen = measured(timeline(1, sent_at=4.0), timeline(0, sent_at=2.0))
    found = list(records(seen))
    assert [(record.user, record.sent_s) for record in found] == [(0, 2.0), (1, 4.0)]
