"""Latency that a proxy adds to a call when nothing else is going on."""

from __future__ import annotations

from collections.abc import Sequence

from tests.perf.contender import Contender
from tests.perf.cpu import target_of
from tests.perf.load import closed_loop
from tests.perf.row import Row, Spread, quantile

P50_BUDGET_MS = 1.0
P99_BUDGET_MS = 3.0


async def latencies(
    contenders: Sequence[Contender], *, rounds: int, calls: int
) -> dict[str, tuple[Spread, Spread]]:
    """p50 and p99 in ms at concurrency 1, by rounds, the contenders by turns.

    A first round warms up and is not counted.
    """
    targets = {c.name: target_of(c) for c in contenders}
    seen: dict[str, list[list[float]]] = {c.name: [] for c in contenders}
    for counted in [False] + [True] * rounds:
        for contender in contenders:
            total = calls if counted else calls // 4
            tally = await closed_loop(targets[contender.name], total, concurrency=1, timed=True)
            if counted:
                seen[contender.name].append([value * 1000 for value in tally.latencies_s])
    return {n: (_quantiles(turns, 0.50), _quantiles(turns, 0.99)) for n, turns in seen.items()}


def _quantiles(turns: Sequence[list[float]], q: float) -> Spread:
    return Spread(tuple(quantile(values, q) for values in turns))


def latency_row(seen: dict[str, tuple[Spread, Spread]]) -> Row:
    """Quantiles of the gateway less those of the stub, asked directly; medians of the rounds."""
    medians = {name: (p50.median, p99.median) for name, (p50, p99) in seen.items()}
    direct = medians.pop("stub")
    added = {name: (p50 - direct[0], p99 - direct[1]) for name, (p50, p99) in medians.items()}
    p50, p99 = added["gateway"]
    beside = added.get("nginx")
    return Row(
        "latency",
        "added latency, one call at a time, p50 / p99",
        f"<= {P50_BUDGET_MS:g} / {P99_BUDGET_MS:g} ms",
        f"{p50:.2f} / {p99:.2f} ms"
        + (f", nginx {beside[0]:.2f} / {beside[1]:.2f}" if beside else ""),
        passed=p50 <= P50_BUDGET_MS and p99 <= P99_BUDGET_MS,
        detail={
            "added_ms": added,
            "p50_ms_rounds": {name: p50.rounds for name, (p50, _) in seen.items()},
            "p99_ms_rounds": {name: p99.rounds for name, (_, p99) in seen.items()},
        },
    )
