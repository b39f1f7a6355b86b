"""The result as a table on the terminal, as JSON, and as a table in a Markdown file."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.perf.row import Row

_COLUMNS = ("what", "budget", "measured", "ratio", "")
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"
_LIBRARIES = ("uvicorn", "uvloop", "httptools", "msgspec", "starlette")


def table(rows: Sequence[Row]) -> str:
    """One line a row, columns aligned."""
    cells = [_COLUMNS, *((r.what, r.budget, r.measured, r.ratio, r.verdict) for r in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_COLUMNS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    lines.insert(1, "-" * (sum(widths) + 2 * len(widths) - 2))
    return "\n".join(line.rstrip() for line in lines)


def machine(nginx: str | None) -> dict[str, str]:
    """What the figures depend on."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "nginx": nginx or "none",
    }
    for name in _LIBRARIES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "none"
    return facts


def write_json(path: Path, rows: Sequence[Row], facts: dict[str, str], scale: object) -> None:
    """Everything that was measured, round by round."""
    value = {
        "machine": facts,
        "scale": scale,
        "rows": [
            {"key": r.key, "what": r.what, "budget": r.budget, "measured": r.measured}
            | {"ratio": r.ratio, "verdict": r.verdict, "detail": r.detail}
            for r in rows
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_markdown(path: Path, rows: Sequence[Row], facts: dict[str, str]) -> None:
    """Put the table between the two markers of a Markdown file, in place of the one there."""
    text = path.read_text()
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{path} has no {_BEGIN} … {_END} to put the table between")
    path.write_text(f"{before}{_BEGIN}\n{_markdown(rows, facts)}\n{_END}{after}")


def _markdown(rows: Sequence[Row], facts: dict[str, str]) -> str:
    lines = ["| what | budget | measured | ratio | verdict |", "|---|---|---|---|---|"]
    for r in rows:
        cells = (r.what, r.budget, r.measured, r.ratio, r.verdict)
        lines.append("| " + " | ".join(cell or "-" for cell in cells).replace("<=", "≤") + " |")
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "date")
    return "\n".join([*lines, "", f"Measured {facts['date']}: {said}."])


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]}, {len(models)} cores" if models else platform.machine()
