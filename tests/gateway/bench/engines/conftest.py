"""Engines are processes: each test looks only at those that it has started."""

from __future__ import annotations

import pytest

from tests.backends.launch.processes import Elders, children


@pytest.fixture(autouse=True)
def _only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elders, "pids", frozenset(children()))
