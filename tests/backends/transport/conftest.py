"""The transport must behave the same on both event loops."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backends.transport.certificate import Certificate, make_certificate


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificate")
    return make_certificate(folder, "box", "DNS:localhost,IP:127.0.0.1")
