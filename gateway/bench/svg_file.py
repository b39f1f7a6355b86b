"""The main plots of a result as one picture, for a page that cannot hold a page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gateway.bench.page_style import STYLE
from gateway.bench.plot import HEIGHT, WIDTH, Series, draw
from gateway.bench.plots import plots_of, series_of
from gateway.bench.result import Result

_SHOWN = ("Throughput of all together, tokens/s", "Wait for the first token, p99")
_TITLE, _GAP = 34, 24
_ROW, _COLUMN = 22, 260


def encode_svg(result: Result) -> bytes | None:
    """Throughput and wait beside each other, with a legend; None when there is nothing to plot."""
    plots = [plot for plot in plots_of(result) if plot.title in _SHOWN]
    if not plots:
        return None
    drawn = {each.name for plot in plots for each in plot.series if each.points}
    lines = [s for s in series_of(result.conditions.targets).values() if s.name in drawn]
    width = len(plots) * (WIDTH + _GAP) + _GAP
    columns = max(1, (width - 2 * _GAP) // _COLUMN)
    rows = -(-len(lines) // columns)
    height = _TITLE + HEIGHT + rows * _ROW + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="system-ui, sans-serif">',
        f"<style>{_style()}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for position, plot in enumerate(plots):
        x = _GAP + position * (WIDTH + _GAP)
        parts.append(f'<text class="title" x="{x}" y="22">{escape(plot.title)}</text>')
        picture = draw(plot).replace(
            "<svg ", f'<svg x="{x}" y="{_TITLE}" width="{WIDTH}" height="{HEIGHT}" ', 1
        )
        parts.append(picture)
    parts += _legend(lines, columns)
    return "\n".join([*parts, "</svg>\n"]).encode()


def _style() -> str:
    """The page's, without what only a page has: there `svg` is as wide as its figure."""
    kept = [line for line in STYLE.splitlines() if not line.startswith(("svg ", "body ", "* "))]
    own = ".paper { fill: var(--paper); } .title { fill: var(--ink); font-weight: 600; }"
    return "\n".join([*kept, own, ".title { font-size: 15px; }"])


def _legend(lines: Sequence[Series], columns: int) -> list[str]:
    parts = []
    for position, line in enumerate(lines):
        x = _GAP + position % columns * _COLUMN
        y = _TITLE + HEIGHT + 12 + position // columns * _ROW
        style = f"s{line.colour}{' dashed' if line.dashed else ''}"
        parts.append(
            f'<line class="line {style}" x1="{x}" x2="{x + 34}" y1="{y}" y2="{y}"/>'
            f'<circle class="dot {style}" cx="{x + 17}" cy="{y}" r="3.5"/>'
            f'<text class="tick" x="{x + 42}" y="{y + 4}">{escape(line.name)}</text>'
        )
    return parts
