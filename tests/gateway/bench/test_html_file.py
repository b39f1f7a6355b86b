"""The page: self-contained, escaped, without NaN, and without a plot of nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bench.html_file import encode_html
from gateway.bench.plot import Plot, Series, draw
from gateway.bench.plots import plots_of, series_of
from gateway.bench.scale import load_scale, value_scale
from gateway.bench.units import number
from tests.gateway.bench.made import facts, measured, result, step, timeline

MANY = [timeline(n % 2) for n in range(200)]
DEAD = measured(timeline(pieces=0, outcome="failed connect"))


def both(users: int) -> tuple[object, ...]:
    return tuple(step(name, users, measured(*MANY)) for name in ("raw", "gateway"))


def page(*steps: object, **fields: object) -> str:
    return encode_html(result(*steps, **fields)).decode()  # type: ignore[arg-type]


def test_the_page_shows_raw_beside_the_gateway_under_each_load() -> None:
    text = page(*both(1), *both(50))
    assert text.count("<figure>") == 4
    assert text.count("<polyline") == 8
    assert text.count("dashed") > 4
    assert "<td>50 users</td><td>raw</td>" in text
    assert "A CPU, 2 cores, 8 GiB, no GPU" in text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page(*both(1))
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|(?:src|href)=", text)


def test_the_page_is_well_formed_where_it_is_drawn() -> None:
    for svg in re.findall(r"<svg.*?</svg>", page(*both(1), *both(50)), re.DOTALL):
        ET.fromstring(svg)


def test_names_cannot_become_markup() -> None:
    evil = '<script>alert("x")</script>'
    text = page(step(evil, 1, measured(*MANY)), command=("sluicegate", evil))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_run_without_answers_has_no_plots_of_times() -> None:
    text = page(step("raw", 1, DEAD), step("raw", 5, DEAD))
    assert text.count("<figure>") == 1  # of the failures, which there were
    assert "NaN" not in text
    assert "none of 1 requests completed" in text


def test_a_run_without_steps_has_no_plot_at_all() -> None:
    text = page()
    assert "<figure>" not in text
    assert "nothing to plot" in text


def test_void_steps_are_left_out_of_the_plots_of_times() -> None:
    void = step("raw", 5, measured(*MANY, cpu_share=0.99))
    (throughput, *_) = plots_of(result(*both(1), void))  # type: ignore[arg-type]
    assert [len(series.points) for series in throughput.series] == [1, 1]


def test_arrivals_have_an_axis_of_their_own() -> None:
    arrivals = replace(step("raw", 1, measured(*MANY)), users=None, rate=2.5)
    axes = [plot.axis for plot in plots_of(result(step("raw", 1, measured(*MANY)), arrivals))]
    assert axes == ["users at once"] * 4 + ["requests a second"] * 4


def test_a_runner_and_the_gateway_before_it_have_one_colour_among_several() -> None:
    targets = [
        facts(f"{group} {path}", group=group)
        for group in ("vllm", "ollama")
        for path in ("raw", "gateway")
    ]
    lines = series_of(targets)
    assert [line.colour for line in lines.values()] == [0, 0, 1, 1]
    assert [line.dashed for line in lines.values()] == [True, False, True, False]
    assert [line.colour for line in series_of(targets[:2]).values()] == [0, 1]


places = st.lists(st.floats(1e-4, 1e5), min_size=1, max_size=9)


@given(st.lists(st.tuples(st.integers(1, 9999), st.floats(0, 1e5)), min_size=1, max_size=9))
def test_every_point_is_drawn_inside_the_plot(points: list[tuple[int, float]]) -> None:
    series = Series("raw", tuple((float(load), value) for load, value in points), 0)
    svg = ET.fromstring(draw(Plot("t", "users", [series], number, may_be_log=True)))
    dots = svg.findall("circle")
    assert len(dots) == len(points)
    for dot in dots:
        assert 0 <= float(dot.attrib["cx"]) <= 520
        assert 0 <= float(dot.attrib["cy"]) <= 300


@given(places)
def test_ticks_are_round_and_reach_over_all_values(values: list[float]) -> None:
    for may_be_log in (False, True):
        scale = value_scale(values, may_be_log=may_be_log)
        assert scale.low <= min(values)
        assert max(values) <= scale.high * (1 + 1e-9)
        assert 2 <= len(scale.ticks) <= 12


@pytest.mark.parametrize("loads", [[1.0], [0.5], [1.0, 5.0, 50.0], [1.0, 1000.0], [3.0, 3.0]])
def test_the_loads_are_the_ticks(loads: list[float]) -> None:
    scale = load_scale(loads)
    assert scale.ticks == tuple(sorted(set(loads)))
    assert all(0 <= scale.place(tick) <= 1 for tick in scale.ticks)
