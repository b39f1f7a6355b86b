"""Keeps what is known of one runner true: starts it where it is ours, and looks at it as often as
its state deserves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from backends.base import Backend, Probe, RunnerState
from backends.launch.errors import LaunchError
from backends.launch.runner import LaunchedRunner
from backends.launch.spec import LaunchSpec
from gateway.routing.runner import Runner
from gateway.settings import RunnerSettings

logger = logging.getLogger(__name__)

Connect = Callable[[str, RunnerSettings, str], Backend]
Progress = Callable[[str], None]

_LOADING_S = 0.25
_DOWN_S = 1.0


class Attendant:
    """Looks after one runner from `start` to `stop`.

    `on_look` is called after each probe. A probe never raises; a runner that cannot be launched
    stays down, with the reason in its detail and, once, in the log.
    """

    def __init__(
        self,
        runner: Runner,
        settings: RunnerSettings,
        *,
        connect: Connect,
        progress: Progress,
        on_look: Callable[[Runner], None],
    ) -> None:
        self.runner = runner
        self.settings = settings
        self._connect = connect
        self._progress = progress
        self._on_look = on_look
        self._launched: LaunchedRunner | None = None
        self._wake = asyncio.Event()
        self._turn: asyncio.Timeout | None = None
        self.looked = asyncio.Event()
        """Set once the runner was looked at, or could not be launched."""
        self._task: asyncio.Task[None] | None = None

    def start(self, *, after: asyncio.Task[None] | None = None) -> None:
        """Begin; returns at once. A runner of ours is launched only when `after` has ended.

        One without `launch` and `url` is being started by somebody else, who will give its address.
        """
        if self.settings.url is not None:
            self.runner.backend = self._connect(self.runner.name, self.settings, self.settings.url)
        self._task = asyncio.create_task(self._attend(after), name=f"runner {self.runner.name}")

    def retire(self) -> None:
        """Stop looking; what runs may go on until `stop`."""
        self.runner.retire()
        if self._task is not None and self.runner.backend is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """Stop looking, close the connections, and end the process if it is ours. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self.runner.backend is not None:
            await self.runner.backend.aclose()
        launched, self._launched = self._launched, None
        if launched is not None:
            await launched.stop()

    def look_soon(self) -> None:
        """A request found it unfit: wait for the next turn no longer than for one that is down."""
        turn = self._turn
        if turn is not None and not turn.expired():
            soon = asyncio.get_running_loop().time() + _DOWN_S
            turn.reschedule(min(soon, turn.when() or soon))

    async def _attend(self, after: asyncio.Task[None] | None) -> None:
        try:
            if after is not None:
                await asyncio.wait([after])
            if self.settings.launch_here is not None:
                await self._launch()
            elif self.settings.url is None:
                self.runner.loading("starting")
                return
            while True:
                try:
                    await self._look()
                except Exception:  # a fault of ours must not end the watch over a runner
                    logger.exception("looking after runner '%s' failed", self.runner.name)
                await self._pause()
        except LaunchError as error:
            self._failed(str(error))
        finally:
            self.looked.set()

    async def _launch(self) -> None:
        launch = self.settings.launch_here
        assert launch is not None
        name = self.runner.name
        spec = LaunchSpec(
            name=name,
            backend=self.settings.backend,
            # Ollama is started without a model; "builtin" is only the default of the setting.
            model=None if self.settings.backend == "ollama" else launch.model,
            parallel=launch.parallel,
            context=launch.context,
            model_name=launch.model_name,
            command=launch.command,
            python=launch.python,
            args=tuple(launch.args),
            env=dict(launch.env),
            port=launch.port,
            ready_s=launch.ready_s,
            gpu_layers=launch.gpu_layers,
            threads=launch.threads,
        )
        self._launched = LaunchedRunner(
            spec, on_progress=self._progress, on_state=self._launch_state
        )
        self.runner.loading("starting")
        await self._launched.start()
        self.runner.backend = self._connect(name, self.settings, self._launched.url)

    def _launch_state(self, state: str, reason: str) -> None:
        if state == "restarting":
            logger.warning("runner '%s' is restarted: %s", self.runner.name, reason)
            self.runner.loading(f"restarting: {reason}")
        elif state == "failed":
            self._failed(reason)
        elif state == "ready":
            self._wake.set()

    def _failed(self, reason: str) -> None:
        logger.error("runner '%s' has failed: %s", self.runner.name, reason)
        self.runner.unreachable(reason)

    async def _look(self) -> None:
        backend = self.runner.backend
        assert backend is not None
        launched = self._launched
        if launched is not None and launched.state != "ready":
            return
        before = self.runner.state
        try:
            probe = await backend.probe()
        except Exception as error:  # a fault of ours must not end the watch over a runner
            logger.exception("probing runner '%s' failed", self.runner.name)
            probe = Probe(RunnerState.DOWN, f"probing failed: {error}")
        self.runner.observe(probe)
        if self.runner.state is not before:
            said = f": {probe.detail}" if probe.detail else ""
            logger.info("runner '%s' is %s%s", self.runner.name, self.runner.state, said)
        self.looked.set()
        self._on_look(self.runner)

    async def _pause(self) -> None:
        state = self.runner.state
        if state is RunnerState.LOADING:
            pause_s = _LOADING_S
        elif state is RunnerState.DOWN:
            pause_s = min(_DOWN_S, self.settings.probe_s)
        else:
            pause_s = self.settings.probe_s
        self._wake.clear()
        try:
            async with asyncio.timeout(pause_s) as self._turn:
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._turn = None
