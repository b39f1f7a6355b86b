"""The parts of the bench: which gateways each one starts, what it measures, which rows it gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.perf.awake import keep_awake
from tests.perf.contender import Contender, Cores
from tests.perf.cpu import cost_row, costs, target_of
from tests.perf.gateway_process import GatewayPlan, start_gateway
from tests.perf.latency import latencies, latency_row
from tests.perf.load import closed_loop
from tests.perf.memory import memory_rows
from tests.perf.row import Row, grouped
from tests.perf.scale import CONCURRENCY, Scale
from tests.perf.startup import startup_row

CALL_BUDGET = 5.0
SHARED_BUDGET = 7.0
CHUNK_BUDGET = 3.5
_GATED = "gateway, keys and limits, 64 slots"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the parts of one run share."""

    scale: Scale
    cores: Cores
    folder: Path
    root: Path
    stub: Contender
    nginx: Contender | None

    def plan(self, name: str, *, slots: str = "unlimited", keys: bool = False) -> GatewayPlan:
        """How to start a gateway of its own folder."""
        folder = self.folder / name
        cores = self.cores
        return GatewayPlan(
            *(self.root, self.stub.port, folder, cores.proxy, cores.load),
            slots=slots,
            keys=keys,
            log=self.folder / f"{name}.log",
        )

    def contenders(self, *others: Contender) -> list[Contender]:
        """nginx, where there is one, and the others, in the order in which they take turns."""
        return [self.nginx, *others] if self.nginx else list(others)


async def _call_rows(ground: Ground, stack: ExitStack) -> list[Row]:
    """CPU per call: past the store, and with keys, limits and slots in it."""
    gateway = _started(ground, stack, "gateway")
    gated = _started(ground, stack, _GATED, slots="64", keys=True)
    keep_awake(ground.cores, stack)
    seen = await costs(
        ground.contenders(gateway, gated),
        rounds=ground.scale.rounds,
        calls=ground.scale.calls,
        streamed=False,
    )
    nginx = seen.get("nginx")
    return [
        cost_row(key, what, budget=budget, gateway=seen[name], nginx=nginx)
        for key, what, budget, name in (
            ("calls", "CPU per call, slots: unlimited", CALL_BUDGET, "gateway"),
            ("calls_shared", "CPU per call, keys, limits, slots: 64", SHARED_BUDGET, _GATED),
        )
    ]


async def _stream_rows(ground: Ground, stack: ExitStack) -> list[Row]:
    """CPU per streamed chunk, requests and all."""
    contenders = ground.contenders(_started(ground, stack, "gateway"))
    keep_awake(ground.cores, stack)
    scale = ground.scale
    seen = await costs(contenders, rounds=scale.rounds, calls=scale.streams, streamed=True)
    own = seen["gateway"]
    what = f"CPU per streamed chunk ({own.reads_per_chunk:.2f} reads of {own.bytes_per_read:.0f} B)"
    row = cost_row("streams", what, budget=CHUNK_BUDGET, gateway=own, nginx=seen.get("nginx"))
    return [row]


async def _latency_rows(ground: Ground, stack: ExitStack) -> list[Row]:
    """Latency at concurrency 1 against the stub, asked directly."""
    contenders = [ground.stub, *ground.contenders(_started(ground, stack, "gateway"))]
    scale = ground.scale
    seen = await latencies(contenders, rounds=scale.rounds, calls=scale.latency_calls)
    return [latency_row(seen)]


async def _memory_rows(ground: Ground, stack: ExitStack) -> list[Row]:
    gateway = _started(ground, stack, "gateway")
    scale = ground.scale
    return await memory_rows(
        gateway, ground.stub, warm_up=scale.memory_warm_up, calls=scale.memory_calls
    )


async def _startup_rows(ground: Ground, stack: ExitStack) -> list[Row]:
    plan = ground.plan("startup")
    plan.folder.mkdir()
    return [startup_row(plan, repeats=ground.scale.starts)]


async def ceiling(ground: Ground) -> str:
    """What the load and the stub can do together, with nothing between them."""
    target = target_of(ground.stub)
    tally = await closed_loop(target, ground.scale.calls * 4, concurrency=CONCURRENCY)
    return f"{grouped(tally.calls / tally.wall_s)} calls/s"


def _started(
    ground: Ground, stack: ExitStack, name: str, *, slots: str = "unlimited", keys: bool = False
) -> Contender:
    folder = name.replace(", ", "_").replace(" ", "_")
    gateway = start_gateway(ground.plan(folder, slots=slots, keys=keys), name)
    stack.callback(gateway.stop)
    return gateway


Part = Callable[[Ground, ExitStack], Awaitable[list[Row]]]

PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "startup": _startup_rows,
        "calls": _call_rows,
        "streams": _stream_rows,
        "latency": _latency_rows,
        "memory": _memory_rows,
    }
)
