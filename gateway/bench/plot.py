"""A line plot as SVG, drawn with colours that the page around it defines. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from gateway.bench.scale import Scale, load_scale, value_scale

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 14, 44
_APART = 22
"""Least distance of two labels below the axis, in pixels."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its points by rising load, its colour (a number), and whether it is dashed."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: at least one point. `text` writes a value for people."""

    title: str
    axis: str
    series: Sequence[Series]
    text: Callable[[float], str]
    may_be_log: bool = False
    better: str = ""
    """`higher is better`, or the other way round."""


def draw(plot: Plot) -> str:
    """The plot as an `<svg>` element; every point tells its value to a pointer that rests on it."""
    points = [point for series in plot.series for point in series.points]
    x = load_scale([load for load, _ in points])
    y = value_scale([value for _, value in points], may_be_log=plot.may_be_log)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(plot.title)}">',
        *_value_axis(y, plot.text),
        *_load_axis(x, plot.axis),
    ]
    for series in plot.series:
        if series.points:
            parts.extend(_line(series, x, y, plot.text))
    return "\n".join([*parts, "</svg>"])


def _x(scale: Scale, value: float) -> float:
    return _LEFT + scale.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - _BOTTOM - scale.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _value_axis(scale: Scale, text: Callable[[float], str]) -> list[str]:
    parts = []
    for tick in scale.ticks:
        y = _y(scale, tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(text(tick))}</text>"
        )
    return parts


def _load_axis(scale: Scale, name: str) -> list[str]:
    base = HEIGHT - _BOTTOM
    parts = [f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>']
    free_from = float("-inf")
    for tick in scale.ticks:
        x = _x(scale, tick)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>')
        if x >= free_from:
            parts.append(
                f'<text class="tick" x="{x:.1f}" y="{base + 17}" text-anchor="middle">'
                f"{tick:g}</text>"
            )
            free_from = x + _APART
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        f'<text class="name" x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(name)}</text>"
    )
    return parts


def _line(series: Series, x: Scale, y: Scale, text: Callable[[float], str]) -> list[str]:
    places = [(_x(x, load), _y(y, value)) for load, value in series.points]
    style = f"s{series.colour}{' dashed' if series.dashed else ''}"
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts = [f'<polyline class="line {style}" points="{path}"/>']
    for (a, b), (load, value) in zip(places, series.points, strict=True):
        told = escape(f"{series.name}, {load:g}: {text(value)}")
        parts.append(
            f'<circle class="dot {style}" cx="{a:.1f}" cy="{b:.1f}" r="3.5">'
            f"<title>{told}</title></circle>"
        )
    return parts
