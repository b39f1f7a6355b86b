"""Getting a call onto a runner: which one, what is given back, and when another is tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from backends.base import BackendKind, Operation, Probe, RunnerState, TargetModel
from backends.catalog import connect
from backends.transport import Timeouts, Transport
from gateway.admission import LocalGate, Ticket
from gateway.admission.service_time import ServiceTimes
from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.inference.account import Account
from gateway.inference.demand import Demand
from gateway.inference.dispatch import Dispatcher, Run
from gateway.inference.envelope import read_call
from gateway.limits.pending import FREE
from gateway.principal import ANYONE, ServiceClass
from gateway.routing.runner import Runner
from gateway.routing.table import Route, Target
from tests.fakes.bad_peer import BadPeer, answer, answers, silence
from tests.gateway.serving import eventually

pytestmark = pytest.mark.anyio

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
OK = answer(b"{}")
BUSY = answer(b'{"error":{"message":"busy"}}', status=503)


class Fleet:
    """Runners behind one gate, and routes over them."""

    def __init__(self) -> None:
        self.clock = asyncio.get_running_loop().time
        self.gate = LocalGate(max_waiting=10, clock=self.clock)
        self.runners: list[Runner] = []

    def add(
        self, peer: BadPeer | None, kind: BackendKind = "openai", slots: int | str = 1
    ) -> Runner:
        """A runner that works, or without a peer one that is down."""
        name = f"runner-{len(self.runners)}"
        runner = Runner(name, kind, pinned=slots, on_slots=self.gate.set_slots)
        url = peer.url if peer is not None else "http://127.0.0.1:1"
        runner.backend = connect(kind, Transport(url), name=name)
        if peer is not None:
            runner.observe(Probe(RunnerState.READY))
        else:
            runner.unreachable("connection refused")
        self.runners.append(runner)
        return runner

    def route(
        self,
        *targets: Runner | tuple[Runner, ...],
        wait_s: float = 5.0,
        options: Mapping[str, object] | None = None,
    ) -> Route:
        tuples = [each if isinstance(each, tuple) else (each,) for each in targets]
        return Route(
            model="m",
            targets=tuple(
                Target(each[0].kind, each, TargetModel("m", options or {})) for each in tuples
            ),
            queue=Ticket("m", tuple(runner.name for runner in tuples[0]), wait_s, 10, "ordered"),
            timeouts=Timeouts(),
            plain_timeouts=Timeouts(),
            waits=dict.fromkeys(ServiceClass, wait_s),
        )

    async def open(self, route: Route, body: bytes = BODY) -> tuple[Run, Exchange]:
        exchange = Exchange(Operation.CHAT, self.clock(), "req_1")
        call = read_call(Operation.CHAT, body)
        account = Account(FREE, exchange, len(body))
        account.check()
        standing = (ANYONE, ServiceClass.DEFAULT)
        demand = Demand(exchange, body, *standing, route, ServiceTimes(), account, None)
        return await Dispatcher(self.gate, self.clock).open(call, route, exchange, demand), exchange

    def assert_idle(self) -> None:
        """No slot is held and nobody waits."""
        for runner in self.runners:
            assert runner.in_flight == self.gate.in_flight(runner.name) == 0
        assert self.gate.waiting_total == 0


@asynccontextmanager
async def a_fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet()
    try:
        yield fleet
        fleet.assert_idle()
    finally:
        for runner in fleet.runners:
            assert runner.backend is not None
            await runner.backend.aclose()


async def test_a_run_holds_its_slot_until_it_is_closed() -> None:
    async with BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        runner = fleet.add(peer)
        run, exchange = await fleet.open(fleet.route(runner))
        assert runner.in_flight == fleet.gate.in_flight(runner.name) == 1
        assert (exchange.runner, exchange.backend, exchange.attempts) == ("runner-0", "openai", 1)
        run.close()
        run.close()
        fleet.assert_idle()


async def test_the_fallback_answers_when_the_chosen_backend_is_down() -> None:
    async with BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        chosen, fallback = fleet.add(None, "vllm"), fleet.add(peer)
        run, exchange = await fleet.open(fleet.route(chosen, fallback))
        assert exchange.runner == fallback.name
        run.close()


async def test_the_fallback_answers_when_the_chosen_backend_has_no_slot_in_time() -> None:
    async with BadPeer(silence) as busy, BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        chosen, fallback = fleet.add(busy, "vllm"), fleet.add(peer)
        lease = await fleet.gate.admit(fleet.route(chosen).queue)
        run, exchange = await fleet.open(fleet.route(chosen, fallback, wait_s=0.05))
        assert exchange.runner == fallback.name
        run.close()
        lease.release()


async def test_a_runner_that_cannot_be_connected_to_is_down_and_another_is_tried() -> None:
    async with BadPeer(answers(OK)) as peer, BadPeer(silence) as gone, a_fleet() as fleet:
        first, second = fleet.add(gone), fleet.add(peer)
        await gone.stop()
        run, exchange = await fleet.open(fleet.route((first, second)))
        assert (exchange.runner, exchange.attempts) == (second.name, 2)
        assert first.state is RunnerState.DOWN
        assert fleet.gate.in_flight(first.name) == 0
        run.close()


async def test_a_runner_that_refuses_before_it_began_is_passed_over() -> None:
    async with BadPeer(answers(BUSY)) as busy, BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        first, second = fleet.add(busy), fleet.add(peer)
        run, exchange = await fleet.open(fleet.route((first, second)))
        assert exchange.runner == second.name
        assert first.state is RunnerState.READY
        run.close()


async def test_a_call_that_a_runner_may_have_begun_is_never_sent_again() -> None:
    async def cut(wire: object) -> None:
        await wire.request()  # type: ignore[attr-defined]

    async with BadPeer(cut) as broken, BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        route = fleet.route((fleet.add(broken), fleet.add(peer)))
        with pytest.raises(GatewayError) as caught:
            await fleet.open(route)
        assert caught.value.status == 502
        assert peer.requests == []


async def test_when_nothing_can_be_reached_the_answer_says_why() -> None:
    async with a_fleet() as fleet:
        with pytest.raises(GatewayError) as caught:
            await fleet.open(fleet.route(fleet.add(None), fleet.add(None, "vllm")))
        error = caught.value
        assert (error.status, error.code) == (503, "runner_unreachable")
        assert "'runner-1' is down: connection refused" in error.message
        assert error.retry_after_s is not None


async def test_cancelling_while_it_waits_for_a_slot_leaves_nothing_behind() -> None:
    async with BadPeer(silence) as peer, a_fleet() as fleet:
        route = fleet.route(fleet.add(peer))
        lease = await fleet.gate.admit(route.queue)
        task = asyncio.create_task(fleet.open(route))
        await eventually(lambda: fleet.gate.waiting_total == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        lease.release()
        assert peer.wires == []


async def test_cancelling_while_the_runner_is_silent_frees_the_slot_and_the_connection() -> None:
    async with BadPeer(silence) as peer, a_fleet() as fleet:
        runner = fleet.add(peer)
        task = asyncio.create_task(fleet.open(fleet.route(runner)))
        await eventually(lambda: peer.open_connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        fleet.assert_idle()
        await eventually(lambda: peer.open_connections == 0)


async def test_a_runner_that_still_loads_is_waited_for() -> None:
    async with BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        runner = fleet.add(peer)
        runner.loading("3 of 8 GB")
        task = asyncio.create_task(fleet.open(fleet.route(runner)))
        await eventually(lambda: fleet.gate.waiting(runner.name) == 1)
        runner.observe(Probe(RunnerState.READY))
        run, _ = await task
        run.close()


async def test_a_runner_without_limits_takes_no_slots() -> None:
    async with BadPeer(answers(OK)) as peer, a_fleet() as fleet:
        runner = fleet.add(peer, slots="unlimited")
        run, _ = await fleet.open(fleet.route(runner))
        assert (runner.in_flight, fleet.gate.in_flight(runner.name)) == (1, 0)
        run.close()


async def test_names_of_parameters_that_a_caller_made_up_are_not_reported() -> None:
    body = BODY[:-1] + ',"naïve":1,"x\\r\\nset-cookie: y":2,"made_up":3}'.encode()
    async with BadPeer(answers(answer(b"{}\n"))) as peer, a_fleet() as fleet:
        # Only Ollama's own API takes this option, and it knows few of OpenAI's fields.
        route = fleet.route(fleet.add(peer, "ollama"), options={"num_ctx": 4096})
        run, exchange = await fleet.open(route, body)
        run.close()
        assert exchange.ignored == ("made_up",)
