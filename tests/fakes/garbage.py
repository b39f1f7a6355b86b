"""The garbage collector, for tests that ask what was left behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_new_objects() -> Iterator[None]:
    """While the block runs, the collector does not see what was there before: to look through all
    that a long run of tests has made takes a second each time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
