"""What a scrape says, read with Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backends.base import Operation, RunnerState, Usage
from gateway.telemetry.bounded_names import MOST
from gateway.telemetry.metrics import CONTENT_TYPE, Metrics
from tests.gateway.routing.runners import a_runner, ready, saw
from tests.gateway.telemetry.exchanges import an_exchange
from tests.gateway.telemetry.meters import metrics

Labels = dict[str, str]


def samples(of: Metrics, name: str) -> list[tuple[Labels, float]]:
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(of.render().decode())
        for sample in family.samples
        if sample.name == name
    ]


def value(of: Metrics, name: str, **labels: str) -> float:
    found = [value for labelled, value in samples(of, name) if labels.items() <= labelled.items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


PAIR = {"model": "llama3", "backend": "ollama"}


def observed(*exchanges: Any, ended: float = 103.0) -> Metrics:
    made = metrics()
    for exchange in exchanges:
        made.observe(exchange, ended=ended)
    return made


def test_a_finished_request_is_counted_everywhere_it_belongs() -> None:
    seen = observed(an_exchange())
    assert (
        value(
            seen,
            "sluicegate_requests_total",
            **PAIR,
            operation="/chat/completions",
            status="200",
        )
        == 1
    )
    assert value(seen, "sluicegate_tokens_total", **PAIR, direction="in") == 11
    assert value(seen, "sluicegate_tokens_total", **PAIR, direction="out") == 7
    for name, expected_s in (
        ("queue_wait", 0.25),
        ("time_to_first_token", 1.0),
        ("request_duration", 3.0),
    ):
        assert value(seen, f"sluicegate_{name}_seconds_count", **PAIR) == 1
        assert value(seen, f"sluicegate_{name}_seconds_sum", **PAIR) == expected_s
    assert samples(seen, "sluicegate_errors_total") == []


def test_an_error_is_counted_by_its_code_and_status() -> None:
    seen = observed(
        an_exchange(status=503, code="overloaded", backend=None, runner=None, usage=None)
    )
    assert value(seen, "sluicegate_errors_total", model="llama3", code="overloaded") == 1
    assert value(seen, "sluicegate_requests_total", model="llama3", status="503") == 1
    assert samples(seen, "sluicegate_request_duration_seconds_count") == []


def test_requests_add_up() -> None:
    seen = observed(*(an_exchange() for _ in range(5)))
    assert value(seen, "sluicegate_requests_total", **PAIR) == 5
    assert value(seen, "sluicegate_tokens_total", **PAIR, direction="in") == 55


def test_it_is_told_which_runners_a_model_was_sent_to() -> None:
    seen = observed(
        an_exchange(), an_exchange(), an_exchange(runner="box"), an_exchange(runner=None)
    )
    assert value(seen, "sluicegate_runner_requests_total", **PAIR, runner="laptop") == 2
    assert value(seen, "sluicegate_runner_requests_total", **PAIR, runner="box") == 1
    assert len(samples(seen, "sluicegate_runner_requests_total")) == 2


def test_a_request_for_no_model_of_ours_has_an_empty_label() -> None:
    seen = observed(
        an_exchange(model=None, backend=None, usage=None, status=404, code="model_not_found")
    )
    assert value(seen, "sluicegate_requests_total", status="404", model="", backend="") == 1


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sluicegate_errors_total", lambda text: {"code": text, "status": 500}),
        ("sluicegate_ignored_parameters_total", lambda text: {"ignored": (text,)}),
    ],
)
def test_labels_that_others_make_up_are_bounded_in_number_and_form(name: str, make: Any) -> None:
    hostile = ['say "hi"', "line\nbreak", "back\\slash", "x" * 10_000, "Dear model, my secret"]
    names = hostile + [f"made-up-{number}" for number in range(1000)]
    seen = observed(*(an_exchange(**make(text)) for text in names))
    found = samples(seen, name)
    assert len(found) == MOST + 1
    assert sum(count for _, count in found) == len(names)
    assert max(len(text) for labels, _ in found for text in labels.values()) <= 64


@dataclass
class Scraped:
    """One labelled histogram."""

    name: str
    labels: Labels
    buckets: dict[float, float] = field(default_factory=dict)
    count: float = -1
    total: float = -1


def histograms(text: str) -> Iterable[Scraped]:
    found: dict[str, Scraped] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples if family.type == "histogram" else ():
            labels = dict(sample.labels)
            bound = labels.pop("le", None)
            each = found.setdefault(f"{family.name}{labels}", Scraped(family.name, labels))
            if bound is not None:
                each.buckets[float(bound)] = sample.value
            elif sample.name.endswith("_count"):
                each.count = sample.value
            else:
                each.total = sample.value
    return found.values()


def test_histograms_are_cumulative_and_agree_with_their_count() -> None:
    seen = metrics()
    gaps = seen.pair("llama3", "ollama").token_gap
    for gap_s in (0.001, 0.01, 0.02, 0.3, 0.3, 99.0):
        gaps.observe(gap_s)
    for queue_s in (0.0, 0.5, 400.0):
        seen.observe(an_exchange(queue_s=queue_s), ended=103.0)
    found = {each.name: each for each in histograms(seen.render().decode())}
    assert found.keys() == {
        "sluicegate_queue_wait_seconds",
        "sluicegate_time_to_first_token_seconds",
        "sluicegate_time_between_tokens_seconds",
        "sluicegate_request_duration_seconds",
    }
    for each in found.values():
        assert each.labels == PAIR
        assert list(each.buckets) == sorted(each.buckets)
        assert list(each.buckets.values()) == sorted(each.buckets.values())
        assert each.buckets[float("inf")] == each.count
    gap = found["sluicegate_time_between_tokens_seconds"]
    assert gap.buckets[0.01] == 2
    assert gap.buckets[0.3] == 5
    assert gap.count == 6
    assert gap.total == pytest.approx(99.631)


def test_a_scrape_shows_each_runner_as_it_is_now() -> None:
    runner, other = a_runner("laptop", pinned=2), a_runner("box", pinned="unlimited")
    seen = metrics(runner, other, waiting=4)
    runner.observe(ready("m"))
    runner.in_flight = 1
    assert value(seen, "sluicegate_in_flight", runner="laptop") == 1
    assert value(seen, "sluicegate_waiting", runner="laptop") == 4
    assert value(seen, "sluicegate_slots", runner="laptop") == 2
    assert [labels for labels, _ in samples(seen, "sluicegate_slots")] == [{"runner": "laptop"}]
    assert value(seen, "sluicegate_runner_state", runner="laptop", state="ready") == 1
    runner.observe(saw(RunnerState.BUSY))
    states = samples(seen, "sluicegate_runner_state")
    assert len(states) == 2 * len(RunnerState)
    assert [labels["state"] for labels, on in states if on and labels["runner"] == "laptop"] == [
        "busy"
    ]


@pytest.mark.parametrize("up", [False, True])
def test_a_scrape_shows_the_store_and_who_shares_it(up: bool) -> None:
    seen = metrics(store_up=up, replicas=3)
    assert value(seen, "sluicegate_store_up") == up
    assert value(seen, "sluicegate_replicas") == 3


def test_tokens_of_all_models_add_up() -> None:
    seen = observed(an_exchange(), an_exchange(model="other"), an_exchange(usage=None))
    assert seen.tokens() == (22, 14)


def test_dropped_records_are_counted() -> None:
    seen = metrics()
    assert value(seen, "sluicegate_access_records_dropped_total") == 0
    seen.drop_record()
    assert value(seen, "sluicegate_access_records_dropped_total") == 1


def test_names_with_every_character_that_configuration_allows_can_be_scraped() -> None:
    name = 'meta-llama/Llama "3": \\ ü'
    seen = observed(an_exchange(model=name))
    assert value(seen, "sluicegate_requests_total", model=name) == 1


def test_huge_counts_can_be_scraped() -> None:
    seen = observed(an_exchange(usage=Usage(10**18, 0)))
    assert value(seen, "sluicegate_tokens_total", **PAIR, direction="in") == 1e18


def test_every_metric_has_our_prefix_and_a_help_text() -> None:
    seen = metrics(a_runner())
    seen.observe(an_exchange(code="x", ignored=("seed",)), ended=103.0)
    families = list(text_string_to_metric_families(seen.render().decode()))
    assert len(families) == 17
    for family in families:
        assert family.name.startswith("sluicegate_")
        assert family.documentation.endswith((".", ")."))
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_every_operation_has_a_label_of_its_own() -> None:
    exchanges = [an_exchange() for _ in Operation]
    for exchange, operation in zip(exchanges, Operation, strict=True):
        exchange.operation = operation
    found = samples(observed(*exchanges), "sluicegate_requests_total")
    assert {labels["operation"] for labels, _ in found} == {each.value for each in Operation}
