"""Steps as comma-separated values, for a spreadsheet: one line a step, empty cells for unknowns."""

from __future__ import annotations

import csv
import io

from gateway.bench.result import Distribution, Result, Step

_SPREADS = ("ttft_s", "itl_s", "e2e_s", "queue_s", "user_tokens_per_s", "decode_tokens_per_s")
_QUANTILES = ("p50", "p90", "p99")
_PLAIN = (
    "window_s",
    "sent",
    "completed",
    "truncated",
    "timed_out",
    "retries",
    "output_tokens",
    "input_tokens",
    "output_tokens_per_s",
    "requests_per_s",
    "good_per_s",
    "good_share",
    "fairness",
    "generator_cpu",
    "generator_late_s",
)


def encode_csv(result: Result) -> bytes:
    """All steps of a result."""
    rows = [_row(result, step) for step in result.steps]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else ["target"])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _row(result: Result, step: Step) -> dict[str, object]:
    target = next(each for each in result.conditions.targets if each.name == step.target)
    figures = step.figures
    row: dict[str, object] = {
        "started_at": result.conditions.started_at,
        "target": step.target,
        "path": target.path,
        "kind": target.kind,
        "model": target.model,
        "users": step.users,
        "rate": step.rate,
        "void": ";".join(verdict.name for verdict in step.verdicts if verdict.voids),
        "spread": step.spread,
        "refused": sum(figures.refused.values()),
        "failed": sum(figures.failed.values()),
    }
    row |= {name: getattr(figures, name) for name in _PLAIN}
    for name in _SPREADS:
        values: Distribution | None = getattr(figures, name)
        for quantile in _QUANTILES:
            row[f"{name}_{quantile}"] = None if values is None else getattr(values, quantile)
    return row
