"""Get a call onto a runner: wait for a slot, send it, try another runner only where that is safe.

Another runner is tried when this one was not reached, or refused before it began (429, 503). A call
that a runner may have begun is never repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends.base import Backend, Call, Prepared, RunnerState
from backends.errors import BackendError, ConnectFailed, RequestUnsupported, RunnerRefused
from backends.transport import Response, Timeouts
from gateway.admission import Admission, Lease
from gateway.errors import GatewayError, InvalidRequest, Overloaded, Unavailable
from gateway.exchange import Exchange
from gateway.inference.demand import Demand
from gateway.inference.failure import RETRY_UNREACHABLE_S, as_gateway_error
from gateway.routing.runner import Runner
from gateway.routing.table import Route, Target

ERROR_BODY_LIMIT = 1 << 16
MAX_ATTEMPTS = 8
"""A runner that says "ready" to probes and "loading" to requests is given up after so many."""


class Run:
    """A call that a runner has taken: its slot and its open response, given back by `close`."""

    __slots__ = (
        "_closed",
        "_lease",
        "backend",
        "prepared",
        "response",
        "runner",
        "sent",
        "timeouts",
    )

    def __init__(
        self,
        runner: Runner,
        backend: Backend,
        prepared: Prepared,
        response: Response,
        lease: Lease | None,
        timeouts: Timeouts,
        sent: float,
    ) -> None:
        self.runner = runner
        self.backend = backend
        self.prepared = prepared
        self.response = response
        self.timeouts = timeouts
        self.sent = sent
        """When the runner got the call, on the clock of the exchange."""
        self._lease = lease
        self._closed = False

    def close(self, *, served: bool = False) -> None:
        """Close the response, then free the slot. Idempotent, synchronous: no await can lose it.

        `served`: the answer is complete.
        """
        if not self._closed:
            self._closed = True
            self.response.close()
            _free(self.runner, self._lease, served=served)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Opens runs. `clock` is monotonic, in seconds."""

    admission: Admission
    clock: Callable[[], float]

    async def open(self, call: Call, route: Route, exchange: Exchange, demand: Demand) -> Run:
        """Return an open run, whose response has status 200.

        Raises `GatewayError` when no runner took the call. Cancelling it leaves no slot held and
        no connection open.
        """
        arrived = self.clock()
        failure: GatewayError | None = None
        for target in route.targets:
            try:
                return await self._open_on(target, call, route, exchange, demand, arrived)
            except _NextTarget as passed_on:
                failure = passed_on.error
        assert failure is not None
        try:
            raise failure
        finally:
            # It knows this frame: held by it, the request would wait for the garbage collector.
            failure = None

    async def _open_on(
        self,
        target: Target,
        call: Call,
        route: Route,
        exchange: Exchange,
        demand: Demand,
        arrived: float,
    ) -> Run:
        # A list of its own: runners that fail are taken out of it.
        runners = [runner for runner in target.runners if runner.candidate]
        failure: GatewayError | None = None if runners else _none_usable(route, target)
        while runners:
            prepared = _prepare(runners[0], call, target, route)
            lease: Lease | None = None
            runner = _unlimited(runners)
            if runner is None:
                try:
                    lease = await self._admit(route, target, runners, exchange, demand, arrived)
                except Overloaded as error:
                    raise _NextTarget(_loading(route, runners) or error) from error
                runner = _named(lease.runner, runners)
            runner.in_flight += 1
            handed_over = False
            try:
                backend = await _let_in(demand, runner)
                if prepared is None or runner is not runners[0]:
                    prepared = backend.prepare(call, target.model)
                exchange.attempts += 1
                timeouts = route.timeouts if call.stream else route.plain_timeouts
                exchange.sent = sent = self.clock()
                response = await backend.open(
                    prepared, extra=exchange.upstream_headers(), timeouts=timeouts
                )
                if response.status == 200:
                    handed_over = True
                    exchange.backend, exchange.runner = target.backend, runner.name
                    exchange.note_ignored(prepared.ignored)
                    return Run(runner, backend, prepared, response, lease, timeouts, sent)
                raise await _read_refusal(backend, response)
            except BackendError as error:
                exchange.sent = None
                exchange.backend, exchange.runner = target.backend, runner.name
                if not _pass_on(runner, error):
                    raise as_gateway_error(runner.name, error) from error
                failure = as_gateway_error(runner.name, error)
                if runner.state is not RunnerState.LOADING or exchange.attempts >= MAX_ATTEMPTS:
                    runners.remove(runner)
            finally:
                if not handed_over:
                    _free(runner, lease, served=False)
        assert failure is not None
        raise _NextTarget(failure)

    async def _admit(
        self,
        route: Route,
        target: Target,
        runners: Sequence[Runner],
        exchange: Exchange,
        demand: Demand,
        arrived: float,
    ) -> Lease:
        began = self.clock()
        candidates = route.queue.candidates
        if target is not route.targets[0] or len(runners) != len(target.runners):
            candidates = tuple(runner.name for runner in runners)
        ticket = demand.ticket(candidates, began - arrived, last=target is route.targets[-1])
        for runner in runners:
            runner.claims += 1
        try:
            lease = await self.admission.admit(ticket)
        finally:
            for runner in runners:
                runner.claims -= 1
        exchange.queue_s += self.clock() - began
        return lease


class _NextTarget(Exception):
    """No runner of this target took the call; `error` is what to say if there is no other."""

    def __init__(self, error: GatewayError) -> None:
        self.error = error


async def _let_in(demand: Demand, runner: Runner) -> Backend:
    """The runner's adapter, once the limits have let the request in. Raises what refuses it."""
    if not demand.account.checked:
        await demand.account.wait()
    assert runner.backend is not None
    return runner.backend


def _named(name: str, runners: Sequence[Runner]) -> Runner:
    first = runners[0]
    return first if first.name == name else next(each for each in runners if each.name == name)


def _unlimited(runners: Sequence[Runner]) -> Runner | None:
    for runner in runners:
        if runner.unlimited and runner.state is not RunnerState.LOADING:
            return runner
    return None


def _free(runner: Runner, lease: Lease | None, *, served: bool) -> None:
    runner.in_flight -= 1
    if lease is not None:
        lease.release(served=served)


def _prepare(runner: Runner, call: Call, target: Target, route: Route) -> Prepared | None:
    """Prepare before a slot is asked for, so that what cannot be sent never takes one."""
    if runner.backend is None:
        return None
    try:
        prepared = runner.backend.prepare(call, target.model)
    except RequestUnsupported as error:
        raise as_gateway_error(runner.name, error) from error
    except RecursionError:
        raise InvalidRequest(
            "A field of the request is nested too deeply.", code="invalid_body"
        ) from None
    if prepared.ignored and route.strict:
        names = ", ".join(f"'{name}'" for name in prepared.ignored)
        raise InvalidRequest(
            f"Backend '{target.backend}' would ignore {names}, and model '{route.model}' is strict."
            " Leave it out, or choose another backend for this model.",
            param=prepared.ignored[0],
            code="unsupported_parameter",
        )
    return prepared


async def _read_refusal(backend: Backend, response: Response) -> BackendError:
    try:
        body, _ = await response.read_up_to(ERROR_BODY_LIMIT)
    finally:
        response.close()
    return backend.read_error(response.status, response.headers, body)


def _pass_on(runner: Runner, error: BackendError) -> bool:
    """Note what the failure says about the runner; whether the call may go elsewhere."""
    if isinstance(error, ConnectFailed):
        runner.unreachable(str(error))
        return True
    if isinstance(error, RunnerRefused) and error.retryable:
        if error.code == "model_loading" and not runner.unlimited:
            runner.loading(error.message)
        return True
    return not error.reached


def _none_usable(route: Route, target: Target) -> Unavailable:
    states = "; ".join(f"'{r.name}' is {r.state}: {r.detail}" for r in target.runners)
    return Unavailable(
        f"No runner of model '{route.model}' can answer now ({states}).",
        code="runner_unreachable",
        retry_after_s=RETRY_UNREACHABLE_S,
    )


def _loading(route: Route, runners: Sequence[Runner]) -> Unavailable | None:
    if any(runner.state is not RunnerState.LOADING for runner in runners):
        return None
    return Unavailable(
        f"Model '{route.model}' is still loading ({runners[0].detail}).",
        code="model_loading",
        retry_after_s=10.0,
    )
