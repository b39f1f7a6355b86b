"""The settings of this very process."""

import os

import pytest

from gateway.settings import load_from_process
from tests.gateway.settings.conftest import Folder


def test_the_process_is_configured_by_its_environment_and_working_directory(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("SLUICEGATE_")]:
        monkeypatch.delenv(variable)
    folder.write("config/gateway.yaml", "server: {port: 1, drain_s: 2}")
    monkeypatch.chdir(folder.path)
    monkeypatch.setenv("SLUICEGATE_SERVER__PORT", "3")
    server = load_from_process().settings.server
    assert (server.port, server.drain_s) == (3, 2)
