"""The supervisor of several worker processes on one port.

It binds the port, owns the embedded store, starts the runners that are to be started, and answers
for all: a worker that dies is started again after a pause, one that keeps dying is given up loudly,
and with the last of them the gateway ends. SIGTERM or SIGINT lets the workers drain, a second one
stops them at once; SIGHUP makes all of them read the configuration again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Callable, Iterator

import msgspec

from backends.launch.restarts import DEFAULT_POLICY, CrashRow, RestartPolicy
from gateway.admission import LocalGate
from gateway.errors import CannotStart
from gateway.routing.connect import connect_runner
from gateway.routing.registry import Registry
from gateway.server.channel import Message
from gateway.server.run import Reload
from gateway.server.runner_news import RunnerNews, news_of, part_of_supervisor
from gateway.server.scrapes import Scrapes
from gateway.server.worker_process import WorkerProcess
from gateway.settings import Settings
from gateway.store.opening import opened
from gateway.telemetry.fleet import Snapshot

logger = logging.getLogger(__name__)

LAST_S = 10.0
"""What workers may take to end beyond `server.drain_s`."""

FIRST_LOOK_S = 3.0

EXIT_UNFIT = 2
"""A worker found that the gateway cannot run as it is configured: another try would end so too."""


class Supervisor:
    """Runs `settings.server.workers` workers until a signal. `on_ready` is told what to show."""

    def __init__(
        self,
        settings: Settings,
        reload: Reload,
        *,
        progress: Callable[[str], None],
        on_ready: Callable[[str], None],
        policy: RestartPolicy = DEFAULT_POLICY,
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._on_ready = on_ready
        self._policy = policy
        self._registry = Registry(
            admission=LocalGate(max_waiting=1, clock=time.monotonic),
            connect=connect_runner,
            progress=progress,
            publish=lambda table: self._tell_of_runners(),
        )
        self._news: dict[str, RunnerNews] = {}
        self._workers: dict[int, WorkerProcess] = {}
        self._scrapes = Scrapes(self._workers)
        self._greeted = False
        self._unfit = False
        self._stop = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None

    async def run(self, listener: socket.socket) -> None:
        """Serve until a signal. Raises `CannotStart`, also when no worker can be kept alive."""
        with self._signals():
            async with contextlib.AsyncExitStack() as stack:
                if self._settings.store.url == "embedded":
                    await stack.enter_async_context(opened(self._settings.store))
                stack.push_async_callback(self._registry.aclose)
                await self._registry.apply(part_of_supervisor(self._settings))
                await self._registry.first_look(FIRST_LOOK_S)
                self._news = news_of(self._registry)
                count = self._settings.server.workers
                tending = [
                    asyncio.create_task(self._tend(number, listener), name=f"worker {number}")
                    for number in range(1, count + 1)
                ]
                try:
                    await self._until_over(tending)
                finally:
                    for task in (*tending, self._reloading):
                        if task is not None:
                            task.cancel()
                            await asyncio.wait([task])

    def stop(self) -> None:
        """Drain and stop; called again, stop at once. Each worker is told the same."""
        self._stop.set()
        for worker in self._workers.values():
            worker.signal(signal.SIGTERM)

    async def _until_over(self, tending: list[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(self._stop.wait())
        try:
            left = set(tending)
            while left and not self._stop.is_set():
                done, _ = await asyncio.wait({stopping, *left}, return_when=FIRST_COMPLETED)
                left -= done
        finally:
            stopping.cancel()
        if self._stop.is_set():
            await asyncio.wait(tending, timeout=self._settings.server.drain_s + LAST_S)
        if not self._stop.is_set() or self._unfit:
            raise CannotStart("No worker can be kept alive; the log says why.")

    async def _tend(self, number: int, listener: socket.socket) -> None:
        """Keep one worker alive as long as that makes sense."""
        row = CrashRow(self._policy)
        while not self._stop.is_set():
            began, status = time.monotonic(), -1
            try:
                worker = await WorkerProcess.start(number, listener)
            except OSError as error:
                logger.error("worker %d cannot be started: %s", number, error)
                was_ready = False
            else:
                status = await self._serve(worker)
                was_ready = worker.ready
            if self._stop.is_set():
                return
            if status == EXIT_UNFIT and not was_ready:
                self._unfit = True
                self.stop()
                return
            row = row.after_crash(time.monotonic() - began)
            if row.exhausted:
                logger.critical(
                    "worker %d ended %d times in a row and is given up", number, row.crashes
                )
                return
            logger.error(
                "worker %d ended with status %d; starting it again in %g s",
                number,
                status,
                row.delay_s,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(row.delay_s):
                    await self._stop.wait()

    async def _serve(self, worker: WorkerProcess) -> int:
        self._workers[worker.number] = worker
        try:
            worker.tell("runners", self._news)
            return await worker.served(self._take)
        finally:
            del self._workers[worker.number]
            self._scrapes.ended(worker.number)

    def _take(self, worker: WorkerProcess, message: Message) -> None:
        about, payload = message
        worker.listening = True
        if about == "ready":
            worker.ready = True
            self._greet(payload)
        elif about == "metrics":
            self._scrapes.asked(worker, payload)
        elif about == "counted":
            self._scrapes.counted(worker.number, msgspec.convert(payload, Snapshot))

    def _greet(self, text: str) -> None:
        """Once all serve; a worker that comes later is not worth a word to a person."""
        if not self._greeted and self._all_ready():
            self._greeted = True
            self._on_ready(text)

    def _all_ready(self) -> bool:
        ready = sum(worker.ready for worker in self._workers.values())
        return ready == self._settings.server.workers

    def _tell_of_runners(self) -> None:
        news = news_of(self._registry)
        if news != self._news:
            self._news = news
            for worker in self._workers.values():
                worker.tell("runners", news)

    def _begin_reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._apply_reload(), name="reload")

    async def _apply_reload(self) -> None:
        settings = self._reload()
        if settings is None:
            logger.error("the configuration stays as it was")
            return
        await self._registry.apply(part_of_supervisor(settings))
        self._news = news_of(self._registry)
        for worker in self._workers.values():
            worker.tell("reload", self._news)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self._begin_reload,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)
