"""A runner that the gateway started: brought up, watched, restarted after a crash, and stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from backends.launch.commands import command_for
from backends.launch.commands.base import HOST, Command
from backends.launch.diagnosis import explain_exit, port_was_taken, with_output
from backends.launch.errors import LaunchError
from backends.launch.machine import survey
from backends.launch.port import free_port, is_free
from backends.launch.process import RunnerProcess
from backends.launch.readiness import wait_until_ready
from backends.launch.restarts import DEFAULT_POLICY, CrashRow, RestartPolicy
from backends.launch.spec import LaunchSpec

logger = logging.getLogger(__name__)

LaunchState = Literal["starting", "ready", "restarting", "failed", "stopped"]

_PORT_ATTEMPTS = 3


class LaunchedRunner:
    """One runner process and the task that owns it.

    A crash after `start` has returned leads to a new start, on the same port where possible, after
    the wait that `policy` says; after too many in a row the state is `failed` and stays so. The
    process ends with `stop`, and also when the gateway dies, however it dies.
    """

    def __init__(
        self,
        spec: LaunchSpec,
        *,
        on_state: Callable[[LaunchState, str], None] = lambda _state, _reason: None,
        on_progress: Callable[[str], None] = lambda _text: None,
        policy: RestartPolicy = DEFAULT_POLICY,
        grace_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spawning: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """The callbacks must neither block nor raise.

        `spawning` is entered round the birth of each process, a restarted one's too, and left
        before anything is awaited: for what a process inherits from the thread that starts it.
        `now` and `sleep` measure how long a runner was ready and wait before a restart, in seconds.
        """
        self.spec = spec
        self.state: LaunchState = "stopped"
        self._on_state = on_state
        self._on_progress = on_progress
        self._policy = policy
        self._grace_s = grace_s
        self._now = now
        self._sleep = sleep
        self._spawning = spawning
        self._port = spec.port
        self._process: RunnerProcess | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens; without a pinned port known only once it has been started."""
        if self._port is None:
            raise RuntimeError(f"runner {self.spec.name!r} has no port before it is started")
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id of the runner, which is also its process group; None while there is none."""
        process = self._process
        return None if process is None or process.exited.done() else process.pid

    def output_tail(self) -> tuple[str, ...]:
        """The last lines that the latest process printed."""
        return self._process.output_tail() if self._process else ()

    async def start(self) -> None:
        """Start it and return once it is ready. Raises `LaunchError`; cancelling it stops it."""
        if self._task is not None and not self._task.done():
            raise RuntimeError(f"runner {self.spec.name!r} has been started already")
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(ready), name=f"runner {self.spec.name}")
        try:
            await ready
        except asyncio.CancelledError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the process and its children, and return once they are gone. Idempotent."""
        task = self._task
        if task is None:
            return
        if not task.done() and not task.cancelling():
            task.cancel()
        await asyncio.wait({task})
        if self.state != "stopped":
            self._set("stopped", "stopped on request")

    async def _run(self, ready: asyncio.Future[None]) -> None:
        failure = LaunchError(self.spec.name, "it was stopped while it was starting")
        try:
            self._set("starting", "")
            await self._launch()
            if not ready.done():
                ready.set_result(None)
            await self._watch()
        except LaunchError as exc:
            failure = exc
            self._set("failed", str(exc))
        except Exception as exc:
            logger.exception("the watch over runner %r broke off", self.spec.name)
            failure = LaunchError(self.spec.name, f"the watch over it broke off: {exc!r}")
            self._set("failed", str(failure))
        finally:
            if self._process is not None:
                await self._process.stop()
            if not ready.done():
                ready.set_exception(failure)

    async def _watch(self) -> None:
        """Restart it after every crash; raises `LaunchError` once that is pointless."""
        row = CrashRow(self._policy)
        fault, lived_s = await self._crash()
        while True:
            row = row.after_crash(lived_s)
            if row.exhausted:
                gave_up = f"it failed {row.crashes} times in a row and is left alone; at last it"
                raise LaunchError(self.spec.name, f"{gave_up} {fault}")
            plan = f"; starting it again in {row.delay_s:g} s (failure {row.crashes} in a row)"
            self._set("restarting", "it " + fault.partition("\n")[0] + plan)
            await self._sleep(row.delay_s)
            try:
                await self._launch()
            except LaunchError as exc:
                fault, lived_s = f"could not be started: {exc.fault}", 0.0
                continue
            fault, lived_s = await self._crash()

    async def _crash(self) -> tuple[str, float]:
        """Wait for the running process to end; return how, and for how long it had been ready."""
        assert self._process is not None
        began = self._now()
        code = await asyncio.shield(self._process.exited)
        return explain_exit(code, self._process.output_tail()), self._now() - began

    async def _launch(self) -> None:
        """Start a process and wait until it is ready; leaves none behind if that fails."""
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = self._choose_port()
            command = command_for(self.spec, survey(self.spec), port)
            process = self._process = self._spawn(command)
            try:
                fault = await self._until_ready(process, command, port)
            except BaseException:
                await process.stop()
                raise
            if fault is None:
                return
            await process.stop()
            lost_race = self.spec.port is None and port_was_taken(process.output_tail())
            if not lost_race or attempt == _PORT_ATTEMPTS:
                raise LaunchError(self.spec.name, f"{command.program} {fault}")
            self._port = None

    def _choose_port(self) -> int:
        if self._port is None or not is_free(self._port):
            if self.spec.port is not None:
                fault = f"port {self.spec.port} is taken: stop what listens there, or change `port`"
                raise LaunchError(self.spec.name, fault)
            self._port = free_port()
        return self._port

    def _spawn(self, command: Command) -> RunnerProcess:
        try:
            with self._spawning():
                return RunnerProcess(command, grace_s=self._grace_s)
        except (OSError, ValueError) as exc:
            fault = f"{command.program} cannot be started: {exc}"
            raise LaunchError(self.spec.name, fault) from exc

    async def _until_ready(self, process: RunnerProcess, command: Command, port: int) -> str | None:
        """Wait for it; return what went wrong, or None."""
        doing = f"starting {command.program} for {self.spec.name!r} …"
        limit_s = self.spec.ready_s
        self._on_progress(doing)
        outcome = await wait_until_ready(
            port,
            command.ready_path,
            process.exited,
            limit_s=limit_s,
            on_tick=lambda waited_s: self._on_progress(f"{doing} {waited_s:.0f} s"),
        )
        if outcome == "ready":
            self._set("ready", f"{command.program} serves at {self.url}")
            return None
        if outcome == "exited":
            return explain_exit(process.exited.result(), process.output_tail())
        late = f"was not ready within {limit_s:g} s: see why below, or raise `ready_s`"
        return with_output(late, process.output_tail())

    def _set(self, state: LaunchState, reason: str) -> None:
        self.state = state
        self._on_state(state, reason)
