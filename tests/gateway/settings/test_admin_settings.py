"""`admin`: off unless asked for, and never without a token that nobody can guess."""

from __future__ import annotations

import pytest

from gateway.settings import render_effective
from tests.gateway.settings.conftest import Folder

TOKEN = "cAnArY-0123456789abcdef"


def test_it_is_off_and_on_this_machine_alone_unless_asked_for(folder: Folder) -> None:
    admin = folder.load().settings.admin
    assert (admin.enabled, admin.host, admin.port, admin.token) == (False, "127.0.0.1", 8081, None)


def test_the_token_comes_from_the_environment_or_a_file(folder: Folder) -> None:
    folder.write("config/admin.token", f"{TOKEN}-of-the-file\n")
    base = "admin: {enabled: true, token_file: admin.token}"
    from_file = folder.load(base).settings.admin
    assert from_file.token is not None
    assert from_file.token.get_secret_value() == f"{TOKEN}-of-the-file"
    loaded = folder.load(base, ADMIN__TOKEN=TOKEN)
    assert loaded.settings.admin.token is not None
    assert loaded.settings.admin.token.get_secret_value() == TOKEN
    shown = [repr(loaded), str(loaded.settings), render_effective(loaded)]
    assert TOKEN not in "".join(shown)


def test_a_token_in_a_configuration_file_is_refused_and_not_shown(folder: Folder) -> None:
    (fault,) = folder.faults(f"admin: {{enabled: true, token: {TOKEN}}}")
    assert "set SLUICEGATE_ADMIN__TOKEN in the environment, or name a file" in fault.remedy
    assert TOKEN not in str(fault)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "ops.example"])
def test_no_address_does_without_a_token(folder: Folder, host: str) -> None:
    (fault,) = folder.faults(f"admin:\n  enabled: true\n  host: '{host}'")
    assert fault.origin.line == 2
    assert "an admin listener without a token" in str(fault)
    assert "SLUICEGATE_ADMIN__TOKEN" in fault.remedy
    assert folder.load(f"admin: {{enabled: true, host: '{host}'}}", ADMIN__TOKEN=TOKEN)


@pytest.mark.parametrize("token", ["short", "x" * 15, "x" * 513, "with space in it 0123", "ü" * 20])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(folder: Folder, token: str) -> None:
    (fault,) = folder.faults("admin: {enabled: true}", ADMIN__TOKEN=token)
    assert "not 16 to 512 characters" in str(fault)
    assert "openssl rand -hex 32" in fault.remedy
    assert token not in str(fault)


def test_a_token_file_that_holds_something_else_is_a_fault(folder: Folder) -> None:
    folder.write("config/admin.token", "a\nb")
    (fault,) = folder.faults("admin: {enabled: true, token_file: admin.token}")
    assert "the file does not hold one token and nothing else" in str(fault)


@pytest.mark.parametrize(
    "base",
    ["admin: {enabled: true, port: 8080}", "{admin: {enabled: true}, server: {port: 8081}}"],
)
def test_it_never_shares_the_port_of_the_clients(folder: Folder, base: str) -> None:
    (fault,) = folder.faults(base, ADMIN__TOKEN=TOKEN)
    assert "the same as server.port" in str(fault)


def test_free_ports_do_not_collide(folder: Folder) -> None:
    base = "{admin: {enabled: true, port: 0}, server: {port: 0}}"
    assert folder.load(base, ADMIN__TOKEN=TOKEN).settings.admin.port == 0
