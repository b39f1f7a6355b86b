"""The live view of `sluicegate top`: once a second, until q, Ctrl-C or the terminal is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from gateway.admin.state import State
from gateway.cli.screen import Screen, screen
from gateway.cli.top_client import AdminClient, NoState
from gateway.cli.top_frame import frame

EVERY_S = 1.0


async def live(client: AdminClient) -> None:
    """Show the gateway until somebody has seen enough.

    Raises `NoState` when the first look fails, or a later one in a way that will last; a gateway
    that is away for a while is waited for.
    """
    view = _View((await client.look())[0])
    with _listening(view), screen() as terminal:
        looking = asyncio.create_task(_look_again_and_again(client, view))
        looking.add_done_callback(lambda _: view.end())
        try:
            while not view.over:
                view.changed.clear()
                view.show(terminal)
                await view.changed.wait()
        finally:
            looking.cancel()
            await asyncio.wait([looking])
    if not looking.cancelled():
        looking.result()


class _View:
    """What is on the screen; `changed` when it must be drawn anew."""

    def __init__(self, state: State) -> None:
        self.changed = asyncio.Event()
        self.over = False
        self._state = state
        self._problem = ""

    def take(self, state: State) -> None:
        self._state, self._problem = state, ""
        self.changed.set()

    def miss(self, problem: str) -> None:
        self._problem = problem
        self.changed.set()

    def end(self) -> None:
        self.over = True
        self.changed.set()

    def show(self, terminal: Screen) -> None:
        columns, rows = terminal.size()
        terminal.draw(frame(self._state, columns, rows, self._problem))


async def _look_again_and_again(client: AdminClient, view: _View) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            view.take((await client.look())[0])
        except NoState as error:
            if error.lasting:
                raise
            view.miss(str(error))


@contextlib.contextmanager
def _listening(view: _View) -> Iterator[None]:
    """To keys and to the signals that mean: enough, or: another size."""
    loop = asyncio.get_running_loop()
    handlers: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGINT: view.end,
        signal.SIGTERM: view.end,
        signal.SIGHUP: view.end,
        signal.SIGWINCH: view.changed.set,
    }
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None

    def key() -> None:
        assert keyboard is not None
        pressed = os.read(keyboard, 64)
        if not pressed:  # the terminal is gone
            loop.remove_reader(keyboard)
        if not pressed or pressed in (b"q", b"Q", b"\x04"):
            view.end()

    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    if keyboard is not None:
        loop.add_reader(keyboard, key)
    try:
        yield
    finally:
        if keyboard is not None:
            loop.remove_reader(keyboard)
        for number in handlers:
            loop.remove_signal_handler(number)
