from __future__ import annotations

import pytest

from gateway.advise.scrape import Histogram, NotAGateway, PairReading, read_metrics

METRICS = """
# TYPE sluicegate_requests counter
sluicegate_requests_total{operation="chat",model="llama3",backend="ollama",status="200"} 10.0
sluicegate_requests_total{operation="completions",model="llama3",backend="ollama",status="200"} 2.0
sluicegate_requests_total{operation="chat",model="llama3",backend="",status="503"} 3.0
# TYPE sluicegate_runner_requests counter
sluicegate_runner_requests_total{model="llama3",backend="ollama",runner="laptop"} 11.0
sluicegate_runner_requests_total{model="llama3",backend="ollama",runner="box"} 1.0
# TYPE sluicegate_ignored_parameters counter
sluicegate_ignored_parameters_total{model="llama3",backend="ollama",parameter="think"} 1.0
# TYPE sluicegate_tokens counter
sluicegate_tokens_total{model="llama3",backend="ollama",direction="out"} 1200.0
sluicegate_tokens_total{model="llama3",backend="ollama",direction="in"} 7.0
# TYPE sluicegate_request_duration_seconds histogram
sluicegate_request_duration_seconds_bucket{model="llama3",backend="ollama",le="1.0"} 0.0
sluicegate_request_duration_seconds_bucket{model="llama3",backend="ollama",le="5.0"} 12.0
sluicegate_request_duration_seconds_bucket{model="llama3",backend="ollama",le="+Inf"} 12.0
sluicegate_request_duration_seconds_sum{model="llama3",backend="ollama"} 36.0
sluicegate_request_duration_seconds_count{model="llama3",backend="ollama"} 12.0
# TYPE sluicegate_in_flight gauge
sluicegate_in_flight{runner="laptop"} 1.0
# TYPE sluicegate_waiting gauge
sluicegate_waiting{runner="laptop"} 4.0
# TYPE sluicegate_slots gauge
sluicegate_slots{runner="laptop"} 1.0
"""


def test_a_page_of_metrics_is_read_by_model_backend_and_runner() -> None:
    reading = read_metrics(METRICS)
    pair = reading.pairs["llama3", "ollama"]
    assert pair.answered == 12
    assert pair.tokens_out == 1200
    assert pair.ignored == {"think"}
    assert pair.by_runner == {"laptop": 11.0, "box": 1.0}
    assert (pair.duration.count, pair.duration.mean_s) == (12, 3.0)
    assert reading.pairs["llama3", ""].by_status == {"503": 3.0}
    assert (reading.in_flight, reading.waiting) == ({"laptop": 1.0}, {"laptop": 4.0})
    assert reading.slots == {"laptop": 1.0}


@pytest.mark.parametrize("text", ["", "<html>", "up 1\n", "a{b 3\n", "sluice gate\n"])
def test_any_other_page_is_not_a_gateways(text: str) -> None:
    with pytest.raises(NotAGateway):
        read_metrics(text)


def test_a_quantile_is_the_bound_of_its_bucket_and_none_beyond_all() -> None:
    histogram = Histogram(((1.0, 50.0), (2.0, 99.0), (float("inf"), 100.0)), 120.0)
    assert histogram.quantile_s(0.5) == 1.0
    assert histogram.quantile_s(0.99) == 2.0
    assert histogram.quantile_s(0.995) is None
    assert Histogram().quantile_s(0.5) is None
    assert Histogram().mean_s is None


def test_what_was_before_is_taken_off_unless_the_gateway_began_anew() -> None:
    def reading(count: float) -> PairReading:
        return PairReading(
            duration=Histogram(((float("inf"), count),), 2 * count),
            tokens_out=10 * count,
            by_status={"200": count},
            by_runner={"laptop": count},
        )

    lately = reading(30).since(reading(10))
    assert lately.by_runner == {"laptop": 20}
    assert (lately.answered, lately.tokens_out, lately.duration.mean_s) == (20, 200, 2.0)
    assert reading(5).since(reading(10)).answered == 5
    assert reading(5).since(None).answered == 5
