"""A result as one self-contained page. It loads nothing and runs no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape

from gateway.bench.page_style import STYLE
from gateway.bench.plot import Plot, Series, draw
from gateway.bench.plots import plots_of, series_of
from gateway.bench.result import Conditions, Result, TargetFacts
from gateway.bench.result_file import encode_result
from gateway.bench.summary import VOID, answer_length, notes, table
from gateway.bench.units import UNKNOWN, seconds

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TEXT_COLUMNS = 2


def encode_html(result: Result) -> bytes:
    """The page. Without requests that completed, it says so and has no plots."""
    conditions = result.conditions
    groups = ", ".join(dict.fromkeys(target.group for target in conditions.targets))
    title = f"{groups}: many users at once"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Measured {escape(conditions.started_at)} with sluicegate bench '
        f"{escape(conditions.version)}, on {escape(_machine(conditions))}.</p>",
        *_plots(result),
        "<h2>Figures</h2>",
        *_table(result),
        *_notes(result),
        "<h2>Conditions</h2>",
        *_conditions(conditions),
        "<h2>Targets</h2>",
        *_targets(conditions.targets),
        "<h2>Everything</h2><details><summary>Raw figures (JSON)</summary><pre>",
        escape(encode_result(_without_records(result)).decode(), quote=False),
        "</pre></details></body></html>\n",
    ]
    return "\n".join(parts).encode()


def _plots(result: Result) -> Iterable[str]:
    plots = plots_of(result)
    if not plots:
        yield "<p>No step could be measured, so there is nothing to plot; see why below.</p>"
        return
    yield '<ul class="legend">'
    shown = {each.name for plot in plots for each in plot.series if each.points}
    for line in series_of(result.conditions.targets).values():
        if line.name in shown:
            yield f"<li>{_swatch(line)}{escape(line.name)}</li>"
    yield '</ul><div class="plots">'
    yield from map(_figure, plots)
    yield "</div>"


def _swatch(line: Series) -> str:
    style = f"s{line.colour}{' dashed' if line.dashed else ''}"
    return (
        f'<svg viewBox="0 0 34 12" aria-hidden="true"><line class="line {style}" x1="0" x2="34" '
        f'y1="6" y2="6"/><circle class="dot {style}" cx="17" cy="6" r="3.5"/></svg>'
    )


def _figure(plot: Plot) -> str:
    note = f" <span>({escape(plot.better)})</span>" if plot.better else ""
    return f"<figure><figcaption>{escape(plot.title)}{note}</figcaption>{draw(plot)}</figure>"


def _table(result: Result) -> Iterable[str]:
    header, rows = table(result.steps)
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(_cell("th", text, n) for n, text in enumerate(header))
    yield "</tr></thead><tbody>"
    for row in rows:
        first = ' class="first"' if row[0] else ""
        yield f"<tr{first}>{''.join(_cell('td', text, n) for n, text in enumerate(row))}</tr>"
    yield "</tbody></table></div>"


def _cell(tag: str, text: str, column: int) -> str:
    styles = [] if column < _TEXT_COLUMNS else ["figure"]
    if text == VOID:
        styles.append("void")
    style = f' class="{" ".join(styles)}"' if styles else ""
    return f"<{tag}{style}>{escape(text)}</{tag}>"


def _notes(result: Result) -> Iterable[str]:
    lines = notes(result)
    if lines:
        yield '<ul class="notes">'
        for line in lines:
            style = ' class="void"' if line.startswith(f"{VOID}:") else ""
            yield f"<li{style}>{escape(line)}</li>"
        yield "</ul>"


def _conditions(conditions: Conditions) -> Iterable[str]:
    prompts, slo = conditions.prompts, conditions.slo
    length = "" if prompts.input_tokens is None else f", made {prompts.input_tokens} tokens long"
    source = "" if prompts.source is None else f" from {prompts.source}"
    exact = ", exactly so many where the runner knows how" if prompts.exact_output else ""
    bounds = [
        "" if conditions.duration_s is None else f"for {conditions.duration_s:g} s",
        "" if conditions.requests is None else f"{conditions.requests} requests at most",
    ]
    yield from _facts(
        (
            ("Command", " ".join(conditions.command)),
            ("Machine of the generator", _machine(conditions)),
            ("CPU features", ", ".join(conditions.machine.cpu_features) or UNKNOWN),
            ("System", f"{conditions.machine.system}, Python {conditions.python}"),
            ("Prompts", f"{prompts.count} {prompts.kind}{source}{length}"),
            ("Answers", f"{answer_length(prompts)}{exact}, temperature 0"),
            (
                "Each measurement",
                f"{', '.join(filter(None, bounds))}, {conditions.repeats} times, after "
                f"{conditions.warmup} requests of warm-up, seed {conditions.seed}",
            ),
            ("A request times out after", seconds(conditions.timeout_s)),
            ("Refused requests", "sent again twice" if conditions.retry else "not sent again"),
            (
                "Good service",
                UNKNOWN
                if slo is None
                else ", ".join(
                    f"{name} ≤ {seconds(limit)}"
                    for name, limit in (
                        ("first token", slo.ttft_s),
                        ("between tokens", slo.itl_s),
                        ("whole answer", slo.e2e_s),
                    )
                    if limit is not None
                ),
            ),
        )
    )


def _facts(facts: Sequence[tuple[str, str]]) -> Iterable[str]:
    yield '<table class="facts"><tbody>'
    for name, text in facts:
        yield f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
    yield "</tbody></table>"


def _targets(targets: Sequence[TargetFacts]) -> Iterable[str]:
    yield '<div class="wide"><table><thead><tr>'
    for title in ("TARGET", "PATH", "RUNNER", "SLOTS", "MODEL", "API", "URL", "FLAGS"):
        yield f"<th>{title}</th>"
    yield "</tr></thead><tbody>"
    for target in targets:
        runner = " ".join(part for part in (target.kind, target.version) if part)
        cells = (
            target.name,
            target.path,
            runner or UNKNOWN,
            UNKNOWN if target.slots is None else str(target.slots),
            target.model,
            target.dialect,
            target.url,
            " ".join(target.flags) or UNKNOWN,
        )
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    yield "</tbody></table></div>"


def _machine(conditions: Conditions) -> str:
    machine = conditions.machine
    gpus = f", {'; '.join(machine.gpus)}" if machine.gpus else ", no GPU"
    memory = f"{machine.memory_bytes / 2**30:.0f} GiB"
    return f"{machine.cpu}, {machine.cores} cores, {memory}{gpus}"


def _without_records(result: Result) -> Result:
    return replace(result, steps=tuple(replace(step, records=None) for step in result.steps))
