"""Runs a benchmark in this process, until it is done or somebody presses Ctrl-C."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from gateway.bench.benchmark import PromptWish, benchmark
from gateway.bench.plan import Plan
from gateway.bench.result import Result
from gateway.cli.bench_progress import Progress

Found = TypeVar("Found")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CREDENTIALS = re.compile(r"//[^/?#]*@")
"""Up to the last @ before the path: a password may hold one."""


class Interrupted(Exception):
    """Ctrl-C came before there was anything to keep, or again; the message says which."""


def measured(plan: Plan, wish: PromptWish, *, quiet: bool) -> Result:
    """The result, marked if it was interrupted. Raises `Interrupted` and as `benchmark` does."""
    progress = Progress(plan, quiet=quiet)

    def work(stop: asyncio.Event) -> Coroutine[Any, Any, Result]:
        return benchmark(
            plan,
            wish,
            command=command_line(sys.argv[1:]),
            watcher=progress,
            stop=stop,
            say=progress.say,
        )

    return run_interruptibly(work, progress)


def run_interruptibly(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, Found]], progress: Progress
) -> Found:
    """Run `work` until it is done. Ctrl-C sets its event, and cancels it if nothing was measured;
    once more cancels it in any case.

    Raises `Interrupted` where it was cancelled, and whatever `work` raises.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_interrupted(work, progress))


async def _until_interrupted(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, Found]], progress: Progress
) -> Found:
    stop = asyncio.Event()
    running = asyncio.ensure_future(work(stop))

    def interrupt() -> None:
        again = stop.is_set()
        stop.set()
        if again or not progress.measuring:
            running.cancel()
        else:
            progress.say("stopping; a second Ctrl-C gives up what was measured")

    loop = asyncio.get_running_loop()
    # Only the main thread may; in another one, somebody else decides when it ends.
    signals = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    try:
        return await running
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        when = "again" if progress.measuring else "before anything was measured"
        raise Interrupted(f"interrupted {when}; nothing is written") from None
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        progress.close()


def command_line(words: Sequence[str]) -> list[str]:
    """How this process was called, without what is nobody's business: a prompt's text, and the
    credentials in a url. Keys are given by the name of a variable.
    """
    shown = ["sluicegate"]
    hide = False
    for word in words:
        shown.append("…" if hide else _CREDENTIALS.sub("//", word))
        hide = word == "--prompt"
        if word.startswith("--prompt="):
            shown[-1] = "--prompt=…"
    return shown
