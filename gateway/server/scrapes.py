"""Ask all workers for their metrics when one of them is scraped, and answer with the sums."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.server.worker_process import WorkerProcess
from gateway.telemetry.fleet import Fleet, Snapshot

ROUND_S = 1.0
"""How long workers are waited for; one that is late counts with what it said last."""


class Scrapes:
    """Rounds of questions. Whoever asks during a round gets the answer of that round."""

    def __init__(self, workers: Mapping[int, WorkerProcess]) -> None:
        self._workers = workers
        self._fleet = Fleet()
        self._askers: list[tuple[WorkerProcess, int]] = []
        self._awaited: set[int] = set()
        self._limit: asyncio.TimerHandle | None = None

    def asked(self, worker: WorkerProcess, number: int) -> None:
        """A worker is scraped; `number` is how it calls the question."""
        self._askers.append((worker, number))
        if self._limit is not None:
            return
        self._limit = asyncio.get_running_loop().call_later(ROUND_S, self._finish)
        for each in self._workers.values():
            if each.listening:
                self._awaited.add(each.number)
                each.tell("count")

    def counted(self, worker: int, snapshot: Snapshot) -> None:
        """A worker said what it knows."""
        self._fleet.heard(worker, snapshot)
        self._heard_from(worker)

    def ended(self, worker: int) -> None:
        """A worker is no more."""
        self._fleet.ended(worker)
        self._heard_from(worker)

    def _heard_from(self, worker: int) -> None:
        self._awaited.discard(worker)
        if self._limit is not None and not self._awaited:
            self._finish()

    def _finish(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        self._awaited.clear()
        askers, self._askers = self._askers, []
        text = self._fleet.render()
        for worker, number in askers:
            worker.tell("metrics", (number, text))
