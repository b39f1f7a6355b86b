"""The tables of a comparison of engines, in Markdown: `python -m tests.perf.engines_table`.

Reads `engines.json`, which `make engines` writes, and puts the tables between two markers of a
Markdown file, README.md of this folder unless another is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.bench.engines.promise import CROWD, promises
from gateway.bench.result import Result, Step, TargetFacts
from gateway.bench.result_file import read_result
from gateway.bench.summary import answer_length
from gateway.bench.units import UNKNOWN, number, seconds

HERE = Path(__file__).parent
_BEGIN, _END = "<!-- engines -->", "<!-- end of engines -->"
_BUDGET_S = 60.0
_TOLD = {True: "kept", False: "BROKEN", None: "cannot be told"}


def tables(result: Result, *, queue_s: float = _BUDGET_S) -> str:
    """Throughput and wait by engine and users, then what the gateway promises, then where."""
    users = sorted({step.users for step in result.steps if step.users is not None})
    steps = {(step.target, step.users): step for step in result.steps}
    targets = result.conditions.targets
    parts = [
        "Tokens a second, all together:",
        _table(targets, users, steps, _speed),
        "First token, 99th percentile:",
        _table(targets, users, steps, _wait),
        f"Through the gateway, from {CROWD} users on:",
        _promises(result, queue_s),
        _where(result),
    ]
    return "\n\n".join(parts)


def _table(
    targets: Sequence[TargetFacts],
    users: Sequence[int],
    steps: dict[tuple[str, int | None], Step],
    cell: Callable[[Step], str],
) -> str:
    lines = [
        "| users at once | " + " | ".join(map(str, users)) + " |",
        "|---|" + "---:|" * len(users),
    ]
    for target in targets:
        cells = [cell(step) if (step := steps.get((target.name, n))) else UNKNOWN for n in users]
        lines.append(f"| {target.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _speed(step: Step) -> str:
    figures = step.figures
    text = "void" if step.void else number(figures.output_tokens_per_s)
    lost = sum(figures.failed.values()) + figures.truncated + figures.timed_out
    refused = sum(figures.refused.values())
    said = [f"{lost} lost"] * bool(lost) + [f"{refused} refused"] * bool(refused)
    return f"{text} ({', '.join(said)})" if said else text


def _wait(step: Step) -> str:
    times = step.figures.ttft_s
    return UNKNOWN if times is None or step.void else seconds(times.p99)


def _promises(result: Result, queue_s: float) -> str:
    lines = ["| engine | users | promise | measured | |", "|---|---:|---|---|---|"]
    for each in promises(result, queue_s=queue_s):
        row = (each.engine, str(each.users), each.what, each.measured, _TOLD[each.kept])
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _where(result: Result) -> str:
    conditions = result.conditions
    machine = conditions.machine
    versions = {
        target.group: f"{target.group}: {target.kind} {target.version or ''}".strip()
        for target in conditions.targets
        if target.path == "raw"
    }
    gpus = ", ".join(machine.gpus) or "no GPU"
    return (
        f"Measured {conditions.started_at} on {machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_bytes / 2**30:.0f} GiB, {gpus}, {machine.system}; "
        f"{'; '.join(versions.values())}. Prompts of {conditions.prompts.input_tokens} tokens, "
        f"answers of {answer_length(conditions.prompts)}, each measurement "
        f"{conditions.duration_s:g} s long, {conditions.repeats} times, raw and gateway by turns."
    )


def main() -> None:
    """Write the tables."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "README.md"
    before, begin, rest = file.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SystemExit(f"{file} has no {_BEGIN} … {_END} to put the tables between")
    made = tables(read_result(HERE / "engines.json"))
    file.write_text(f"{before}{_BEGIN}\n{made}\n{_END}{after}")


if __name__ == "__main__":
    main()
