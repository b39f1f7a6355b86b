"""From single looks at a runner to a state that can be relied on. Pure.

A probe that fails once while the runner works on our requests proves little: a busy runner answers
late. So one failed probe of a runner that was up makes it suspect, a second one makes it down. A
refused connection is proof at once, and so is one good probe the other way.
"""

from __future__ import annotations

from backends.base import Probe, RunnerState

FAILURES_TO_DOWN = 2


class Health:
    """The state of one runner, fed by probes and by what happens to requests."""

    __slots__ = ("_failures", "detail", "state")

    def __init__(self) -> None:
        self.state = RunnerState.LOADING
        self.detail = "not looked at yet"
        self._failures = 0

    def observe(self, probe: Probe) -> None:
        """Take in a probe."""
        if probe.state is not RunnerState.DOWN:
            self._failures = 0
        else:
            self._failures += 1
            was_up = self.state in (RunnerState.READY, RunnerState.BUSY)
            if was_up and self._failures < FAILURES_TO_DOWN:
                return
        self.state = probe.state
        self.detail = probe.detail

    def unreachable(self, detail: str) -> None:
        """A request could not connect."""
        self._failures = FAILURES_TO_DOWN
        self.state = RunnerState.DOWN
        self.detail = detail

    def loading(self, detail: str) -> None:
        """A request was told that the model is still loading."""
        self.state = RunnerState.LOADING
        self.detail = detail
