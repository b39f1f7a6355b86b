"""The metrics of several workers, read with Prometheus' own parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry.fleet import Family, Fleet, snapshot_of
from tests.gateway.routing.runners import a_runner
from tests.gateway.telemetry.exchanges import an_exchange
from tests.gateway.telemetry.test_metrics import metrics


def read(fleet: Fleet) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(fleet.render().decode())
        for sample in family.samples
    }


def counter(value: float, name: str = "sluicegate_x", kind: str = "counter") -> list[Family]:
    sample = f"{name}_total" if kind == "counter" else name
    return [Family(name, "Text.", kind, [(sample, {"a": "b"}, value)])]


LABELS = (("a", "b"),)


def test_one_worker_alone_says_what_it_would_have_said() -> None:
    made = metrics(a_runner("box"))
    made.observe(an_exchange(), ended=103.0)
    fleet = Fleet()
    fleet.heard(1, snapshot_of(made.collect()))
    assert fleet.render() == made.render()


def test_counters_are_added_up_and_histograms_too() -> None:
    fleet = Fleet()
    for worker, times in ((1, 2), (2, 3)):
        made = metrics()
        for _ in range(times):
            made.observe(an_exchange(), ended=103.0)
        fleet.heard(worker, snapshot_of(made.collect()))
    totals = {name: value for (name, labels), value in read(fleet).items()}
    assert totals["sluicegate_requests_total"] == 5
    assert totals["sluicegate_request_duration_seconds_count"] == 5


def test_gauges_are_added_up_only_where_each_worker_has_a_part() -> None:
    fleet = Fleet()
    for worker, value in ((1, 2.0), (2, 3.0)):
        both = counter(value, "sluicegate_in_flight", "gauge")
        both += counter(value, "sluicegate_slots", "gauge")
        fleet.heard(worker, both)
    assert read(fleet)["sluicegate_in_flight", LABELS] == 5
    assert read(fleet)["sluicegate_slots", LABELS] == 3


def test_what_a_worker_counted_outlives_it_and_what_it_held_does_not() -> None:
    fleet = Fleet()
    fleet.heard(1, counter(4.0) + counter(1.0, "sluicegate_in_flight", "gauge"))
    fleet.ended(1)
    assert read(fleet) == {("sluicegate_x_total", LABELS): 4}
    fleet.heard(1, counter(1.0))
    assert read(fleet)["sluicegate_x_total", LABELS] == 5


EVENT = st.tuples(st.integers(1, 3), st.sampled_from(["count", "end"]), st.integers(0, 9))


@given(st.lists(EVENT, max_size=40))
def test_sums_never_fall_whoever_comes_and_goes(events: list[tuple[int, str, int]]) -> None:
    fleet, counts, shown = Fleet(), dict.fromkeys((1, 2, 3), 0), 0.0
    for worker, what, more in events:
        if what == "end":
            fleet.ended(worker)
            counts[worker] = 0
        else:
            counts[worker] += more
            fleet.heard(worker, counter(float(counts[worker])))
        now = read(fleet).get(("sluicegate_x_total", LABELS), 0.0)
        assert now >= shown
        shown = now
