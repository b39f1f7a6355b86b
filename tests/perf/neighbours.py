"""How much of the machine everybody else used during a run: a busy machine measures badly."""

from __future__ import annotations

import resource
import time

import psutil

QUIET_SHARE = 0.1


class Neighbours:
    """Counts from when it is made; ask it when the processes of the run have ended."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._others_s = _busy_s() - _own_s()

    def share(self) -> float:
        """Share of all the cores' time that went to processes other than this run's."""
        available_s = (time.monotonic() - self._started) * (psutil.cpu_count() or 1)
        return max(0.0, (_busy_s() - _own_s() - self._others_s) / available_s)

    def remark(self) -> str:
        """What a reader must know about the run; empty where the machine was quiet."""
        share = self.share()
        if share <= QUIET_SHARE:
            return ""
        return (
            f"Other processes used {share:.0%} of this machine meanwhile. CPU times are higher and "
            "less even than on a quiet one, and the latencies mean little: measure again."
        )


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _own_s() -> float:
    """This process, and the children that have ended and were waited for, down the tree."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
