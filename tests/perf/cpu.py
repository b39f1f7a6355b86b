"""CPU time per call and per streamed chunk, nginx and gateway by turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.perf.contender import Contender
from tests.perf.load import Target, closed_loop, probe
from tests.perf.row import Row, Spread
from tests.perf.scale import CONCURRENCY
from tests.perf.wire import CHUNKS_PER_STREAM, PUBLIC_MODEL, UPSTREAM_MODEL, chat_call


@dataclass(frozen=True, slots=True)
class Cost:
    """What one contender cost, round by round."""

    cpu_us: Spread  # per call or per chunk
    store_us: Spread
    busy: Spread  # share of its core that it used
    rate: Spread  # calls or chunks a second
    reads_per_chunk: float
    bytes_per_read: float

    def detail(self) -> dict[str, object]:
        figures: dict[str, object] = {
            "cpu_us": self.cpu_us.median,
            "cpu_us_rounds": self.cpu_us.rounds,
            "busy_share": self.busy.median,
            "per_second": self.rate.median,
        }
        if any(self.store_us.rounds):
            figures["store_cpu_us"] = self.store_us.median
        if self.reads_per_chunk:
            figures["reads_per_chunk"] = self.reads_per_chunk
            figures["bytes_per_read"] = self.bytes_per_read
        return figures


def target_of(contender: Contender, *, chunks: int = 0) -> Target:
    """The call for a contender, proved right once. The gateway is asked for its public name."""
    model = UPSTREAM_MODEL if contender.name in ("nginx", "stub") else PUBLIC_MODEL
    call = chat_call(contender.port, model, chunks=chunks)
    return Target(contender.port, call, probe(contender.port, call))


async def costs(
    contenders: Sequence[Contender], *, rounds: int, calls: int, streamed: bool
) -> dict[str, Cost]:
    """Load each contender in turn, `rounds` times over, after a round that only warms up."""
    chunks = CHUNKS_PER_STREAM if streamed else 0
    targets = {c.name: target_of(c, chunks=chunks) for c in contenders}
    seen: dict[str, list[tuple[float, ...]]] = {c.name: [] for c in contenders}
    for counted in [False] + [True] * rounds:
        for contender in contenders:
            total = calls if counted else max(calls // 4, CONCURRENCY)
            figures = await _turn(contender, targets[contender.name], total)
            if counted:
                seen[contender.name].append(figures)
    return {name: _cost(turns) for name, turns in seen.items()}


async def _turn(contender: Contender, target: Target, calls: int) -> tuple[float, ...]:
    cpu, store = contender.cpu_s(), contender.store_cpu_s()
    tally = await closed_loop(target, calls, concurrency=CONCURRENCY)
    cpu, store = contender.cpu_s() - cpu, contender.store_cpu_s() - store
    units = tally.chunks or tally.calls
    reads = tally.reads / tally.chunks if tally.chunks else 0.0
    read_bytes = tally.read_bytes / tally.reads if tally.reads else 0.0
    wall = tally.wall_s
    return cpu / units * 1e6, store / units * 1e6, cpu / wall, units / wall, reads, read_bytes


def _cost(turns: list[tuple[float, ...]]) -> Cost:
    cpu, store, busy, rate, reads, read_bytes = (
        Spread(column) for column in zip(*turns, strict=True)
    )
    return Cost(cpu, store, busy, rate, reads.median, read_bytes.median)


def cost_row(
    key: str, what: str, *, budget: float | None, gateway: Cost, nginx: Cost | None
) -> Row:
    """The row of one cost. The verdict is on the ratio of the medians."""
    limit = f"<= {budget:g} x nginx" if budget else ""
    detail: dict[str, object] = {"gateway": gateway.detail()}
    measured = f"{gateway.cpu_us.median:.1f} us"
    if nginx is None:
        return Row(key, what, limit, measured, missing=budget is not None, detail=detail)
    ratio = gateway.cpu_us.median / nginx.cpu_us.median
    detail |= {"nginx": nginx.detail(), "ratio": ratio, "budget_ratio": budget}
    # On a busy machine the cheapest rounds are the least disturbed ones.
    detail["ratio_of_cheapest"] = min(gateway.cpu_us.rounds) / min(nginx.cpu_us.rounds)
    return Row(
        key,
        what,
        limit,
        f"{measured}, nginx {nginx.cpu_us.median:.1f}",
        ratio=f"{ratio:.2f} ({gateway.cpu_us.over(nginx.cpu_us).text(2)})",
        passed=None if budget is None else ratio <= budget,
        detail=detail,
    )
