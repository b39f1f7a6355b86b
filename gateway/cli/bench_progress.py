"""How a benchmark shows on standard error that it goes on."""

from __future__ import annotations

import shutil
import sys
import time

import click

from gateway.bench.figures import figures
from gateway.bench.measure import Measured
from gateway.bench.plan import Measurement, Plan
from gateway.bench.units import number, seconds
from gateway.bench.window import Window

_BAR = 24


class Progress:
    """A bar on a terminal, a line for each measurement elsewhere. Silent if `quiet`."""

    def __init__(self, plan: Plan, *, quiet: bool = False) -> None:
        self._total = len(plan.loads) * len(plan.targets) * plan.repeats
        self._repeats = plan.repeats
        self._bounds = plan.bounds
        self._done = 0
        self._name = ""
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._began = time.monotonic()
        self.measuring = False
        """Whether it has come to measuring, so that there may be something to keep."""

    def say(self, text: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self._clear()
            click.echo(text, err=True)

    def begin(self, measurement: Measurement) -> None:
        self.measuring = True
        load, target = measurement.load, measurement.target
        self._name = f"{load}, {target.name}"
        if self._repeats > 1:
            self._name += f", repeat {measurement.repeat + 1} of {self._repeats}"
        self._show(0.0, "warming up")

    def tick(self, window: Window) -> None:
        if not self._live:
            return
        answers = f"{len(window.ended)} answers, {window.in_flight} in flight"
        if window.closed_at is not None:
            self._show(1.0, f"{answers}, waiting for the last ones")
            return
        parts = [
            0.0 if limit is None else done / limit
            for done, limit in (
                (window.seconds, self._bounds.duration_s),
                (window.sent, self._bounds.requests),
            )
        ]
        self._show(min(1.0, max(parts)), answers)

    def end(self, measurement: Measurement, measured: Measured) -> None:
        self._done += 1
        if self._quiet:
            return
        seen = figures([measured], None, users=measurement.load.users)
        wrong = seen.sent - seen.completed
        ttft = None if seen.ttft_s is None else seen.ttft_s.p50
        self.say(
            f"[{self._done}/{self._total}] {self._name}: {number(seen.output_tokens_per_s)} "
            f"tokens/s, first token {seconds(ttft)}, {seen.completed} answers"
            + (f", {wrong} without" if wrong else "")
        )

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._clear()

    def _show(self, share: float, text: str) -> None:
        if not self._live:
            return
        overall = (self._done + share) / self._total
        filled = round(overall * _BAR)
        spent = time.monotonic() - self._began
        left = f", {_clock(spent / overall - spent)} left" if overall > 0.02 else ""
        bar = "█" * filled + "░" * (_BAR - filled)
        line = f"{bar} {self._done}/{self._total} {self._name}: {text}{left}"
        click.echo(f"\r\x1b[K{line[: _width()]}", nl=False, err=True)

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", nl=False, err=True)


def _clock(left_s: float) -> str:
    minutes, left = divmod(round(left_s), 60)
    return f"{minutes}:{left:02d}"


def _width() -> int:
    return max(20, shutil.get_terminal_size().columns - 1)
