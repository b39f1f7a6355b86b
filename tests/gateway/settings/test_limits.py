"""Limits as an operator writes them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gateway.principal import NO_LIMITS, Limits
from gateway.settings import LimitSettings
from tests.gateway.settings.conftest import Folder


def test_nothing_is_limited_unless_it_is_said(folder: Folder) -> None:
    limits = folder.load("").settings.limits
    assert limits.default_key.limits() == NO_LIMITS
    assert limits.tenants == {}
    assert limits.when_store_down == "local"


def test_every_limit_can_be_written_and_reaches_the_gateway() -> None:
    written: dict[str, Any] = {f.name: number for number, f in enumerate(fields(Limits), 1)}
    written["log_only"] = True
    assert LimitSettings(**written).limits() == Limits(**written)


def test_limits_stand_with_keys_with_tenants_and_with_models(folder: Folder) -> None:
    settings = folder.load(
        "limits:\n"
        "  default_key: {requests_per_minute: 60}\n"
        "  tenants: {team-a: {tokens_per_day: 1000000, log_only: true}}\n"
        "  when_store_down: closed\n"
        "runners: {box: {backend: llamacpp, url: 'http://h'}}\n"
        "models: {m: {backends: {llamacpp: {runners: [box]}}, limits: {concurrent: 4}}}\n"
    ).settings
    assert settings.limits.default_key.limits() == Limits(requests_per_minute=60)
    team = settings.limits.tenants["team-a"].limits()
    assert team == Limits(tokens_per_day=1_000_000, log_only=True)
    assert settings.models["m"].limits.limits() == Limits(concurrent=4)


def test_a_variable_changes_one_limit_of_one_tenant(folder: Folder) -> None:
    settings = folder.load(
        "limits: {tenants: {team-a: {concurrent: 2}}}",
        LIMITS__TENANTS__TEAM_A__REQUESTS_PER_DAY="500",
    ).settings
    team = settings.limits.tenants["team-a"].limits()
    assert team == Limits(concurrent=2, requests_per_day=500)


@pytest.mark.parametrize("name", [f.name for f in fields(Limits) if f.name != "log_only"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "'10'", "true", "1e30", ".inf"])
def test_a_limit_is_a_whole_number_from_one(folder: Folder, name: str, value: str) -> None:
    (fault,) = folder.faults(f"limits: {{default_key: {{{name}: {value}}}}}")
    assert fault.path == f"limits.default_key.{name}"
    assert "a whole number from 1 to" in fault.remedy
