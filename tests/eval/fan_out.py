"""Runs of the simulation side by side, each on a store of its own."""

from __future__ import annotations

import multiprocessing.util
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Any, Protocol, TypeVar

from tests.eval.virtual_store import VirtualStore

Found = TypeVar("Found")


class Runs(Protocol):
    """Calls `run(store, *case)` for every case; the results in the order of the cases."""

    def __call__(
        self, run: Callable[..., Found], cases: Iterable[tuple[Any, ...]]
    ) -> list[Found]: ...


def on(store: VirtualStore) -> Runs:
    """One after the other, on this store."""

    def runs(run: Callable[..., Found], cases: Iterable[tuple[Any, ...]]) -> list[Found]:
        return [run(store, *case) for case in cases]

    return runs


class FanOut:
    """`with FanOut() as runs:` has one process and one store for every processor."""

    def __enter__(self) -> FanOut:
        self._pool = ProcessPoolExecutor(os.cpu_count(), initializer=_begin)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, run: Callable[..., Found], cases: Iterable[tuple[Any, ...]]) -> list[Found]:
        """See `Runs`."""
        waiting = [self._pool.submit(_run, run, case) for case in cases]
        return [each.result() for each in waiting]


_stores: list[VirtualStore] = []
"""Of this process: one, in a process of the pool."""


def _begin() -> None:
    store = VirtualStore()
    _stores.append(store.__enter__())
    multiprocessing.util.Finalize(None, store.__exit__, (None, None, None), exitpriority=10)


def _run(run: Callable[..., Found], case: tuple[Any, ...]) -> Found:
    return run(_stores[0], *case)
