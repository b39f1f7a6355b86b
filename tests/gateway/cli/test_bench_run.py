"""What Ctrl-C does to a benchmark that runs in this process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.bench.plan import Bounds, Load, Measurement, Plan, Target
from gateway.cli.bench_progress import Progress
from gateway.cli.bench_run import Interrupted, run_interruptibly

TARGET = Target(name="raw", group="g", url="http://127.0.0.1:1", model="m")
LOAD = Load(users=1)


def progress() -> Progress:
    bounds = Bounds(duration_s=1.0, requests=None)
    return Progress(Plan(targets=(TARGET,), loads=(LOAD,), bounds=bounds))


Work = Callable[[asyncio.Event], Coroutine[Any, Any, str]]


def pressing(shown: Progress, *numbers: int, measuring: bool) -> Work:
    """Signals that come while it waits for ever, each once it has heeded the one before."""

    async def work(stop: asyncio.Event) -> str:
        if measuring:
            shown.begin(Measurement(LOAD, TARGET, 0, 1))
        for number in numbers[:-1]:
            signal.raise_signal(number)
            await stop.wait()
        signal.raise_signal(numbers[-1])
        await asyncio.wait_for(asyncio.Event().wait(), 10)
        return "not cancelled"

    return work


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_anything_was_measured_the_first_signal_ends_it(number: int) -> None:
    shown = progress()
    with pytest.raises(Interrupted, match="before anything was measured; nothing is written"):
        run_interruptibly(pressing(shown, number, measuring=False), shown)


def test_a_signal_while_it_measures_lets_it_keep_what_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = progress()

    async def work(stop: asyncio.Event) -> str:
        shown.begin(Measurement(LOAD, TARGET, 0, 1))
        signal.raise_signal(signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 10)
        return "kept"

    assert run_interruptibly(work, shown) == "kept"
    assert "a second Ctrl-C gives up what was measured" in capsys.readouterr().err


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_it_also_while_it_measures(second: int) -> None:
    shown = progress()
    with pytest.raises(Interrupted, match="interrupted again; nothing is written"):
        run_interruptibly(pressing(shown, signal.SIGINT, second, measuring=True), shown)
