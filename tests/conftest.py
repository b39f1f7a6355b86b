"""What every test may use. Async tests run through anyio's plugin, on asyncio."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.fakes.store_fixtures"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
