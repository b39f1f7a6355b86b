"""From single looks at a runner to a state that can be relied on. Pure.

A probe that fails once proves little: a runner that is busy, loads or wakes answers late. So one
failed probe of a runner that was up makes it suspect, a second one makes it down. Of a runner never
seen, the first one does. A request that cannot connect is proof at once, and so is one good probe
the other way.
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
        self._failures = FAILURES_TO_DOWN - 1

    def observe(self, probe: Probe) -> None:
        """Take in a probe."""
        if probe.state is not RunnerState.DOWN:
            self._failures = 0
        else:
            self._failures += 1
            if self._failures < FAILURES_TO_DOWN:
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
