"""The gate must behave the same on both event loops, and the scheduler on every store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.gateway.admission.scripted import ScriptedScheduler, programs, server
from tests.gateway.admission.traffic import REPLICAS


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="session", params=["valkey", "redis"])
def scheduler_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[redis.Redis]:
    """Each kind of server that is installed."""
    program = programs().get(request.param)
    if program is None:
        pytest.skip("no redis-server is installed")
    with server(program, tmp_path_factory.mktemp("store")) as client:
        yield client


@pytest.fixture
def script(scheduler_server: redis.Redis) -> ScriptedScheduler:
    """The script on an empty store."""
    scheduler_server.flushall()
    return ScriptedScheduler(scheduler_server, REPLICAS)
