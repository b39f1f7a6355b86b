"""What a replica has of the keys in memory."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from gateway.keys.allowance import Allowance
from gateway.keys.record import KeyRecord, Secret, encode
from gateway.keys.table import KeyTable
from gateway.keys.text import digest_of
from gateway.principal import NO_LIMITS, Limits, ServiceClass
from tests.gateway.keys.records import described

TEN, TWENTY = Limits(requests_per_minute=10), Limits(requests_per_minute=20)


def record(name: str, *texts: str, **more: Any) -> KeyRecord:
    secrets = tuple(Secret(digest_of(text.encode()).hex()) for text in texts or (name,))
    return replace(described(name, **more), id=f"key_{name}", secrets=secrets)


def raw(one: KeyRecord) -> bytes:
    return encode(one).encode()


def opened_by(table: KeyTable, text: str) -> str | None:
    known = table.find(digest_of(text.encode()))
    return None if known is None else known.principal.name


def test_a_principal_has_all_that_its_key_has() -> None:
    table = KeyTable()
    ann = record(
        "ann",
        tenant="team-a",
        models=("llama3",),
        best_class=ServiceClass.CRITICAL,
        default_class=ServiceClass.BATCH,
        weight=9,
        limits=TEN,
        may_name_tenant=True,
    )
    table.replace({ann.id: raw(ann)})
    known = table.find(digest_of(b"ann"))
    assert known is not None
    principal = known.principal
    assert (principal.name, principal.tenant, principal.key_id) == ("ann", "team-a", "key_ann")
    assert principal.models == {"llama3"}
    assert principal.best_class is ServiceClass.CRITICAL
    assert principal.default_class is ServiceClass.BATCH
    assert (principal.weight, principal.limits, principal.may_name_tenant) == (9, TEN, True)
    assert principal.tenant_limits == NO_LIMITS


def test_what_a_key_does_not_say_comes_from_the_configuration() -> None:
    table = KeyTable(allowance=Allowance(TEN, MappingProxyType({"team-a": TWENTY})))
    ann, bob = record("ann", tenant="team-a"), record("bob", limits=NO_LIMITS)
    table.replace({each.id: raw(each) for each in (ann, bob)})
    limits = [
        (known.principal.limits, known.principal.tenant_limits)
        for known in (table.find(digest_of(b"ann")), table.find(digest_of(b"bob")))
        if known
    ]
    assert limits == [(TEN, TWENTY), (NO_LIMITS, NO_LIMITS)]


def test_a_new_configuration_holds_for_keys_that_are_known_already() -> None:
    table = KeyTable([record("old")])
    ann = record("ann")
    table.replace({ann.id: raw(ann)})
    table.configure([record("new")], Allowance(TEN))
    assert [opened_by(table, text) for text in ("old", "new", "ann")] == [None, "new", "ann"]
    known = table.find(digest_of(b"ann"))
    assert known is not None
    assert known.principal.limits == TEN


def test_the_configuration_has_the_last_word_on_a_text() -> None:
    table = KeyTable([record("static", "text")])
    table.replace({"key_x": raw(replace(record("x", "text"), revoked=1.0))})
    assert opened_by(table, "text") == "static"
    table.configure([], Allowance())
    known = table.find(digest_of(b"text"))
    assert known is not None
    assert known.ends == 0.0


def test_changes_touch_nothing_else() -> None:
    table = KeyTable([record("static")])
    ann, bob = record("ann", "a1", "a2"), record("bob")
    table.replace({each.id: raw(each) for each in (ann, bob)})
    table.update({ann.id: raw(record("ann", "a2", "a3"))})
    assert [opened_by(table, text) for text in ("a1", "a2", "a3", "bob", "static")] == [
        None,
        "ann",
        "ann",
        "bob",
        "static",
    ]
    table.update({ann.id: None, "key_unheard_of": None})
    assert [opened_by(table, text) for text in ("a2", "a3", "bob")] == [None, None, "bob"]
    table.replace({})
    assert [opened_by(table, text) for text in ("bob", "static")] == [None, "static"]


def test_reading_the_same_again_makes_no_new_principals() -> None:
    table = KeyTable()
    ann = record("ann")
    table.replace({ann.id: raw(ann)})
    before = table.find(digest_of(b"ann"))
    table.replace({ann.id: raw(ann)})
    assert table.find(digest_of(b"ann")) is before


def test_one_bad_record_costs_no_other_key(caplog: pytest.LogCaptureFixture) -> None:
    table = KeyTable()
    ann = record("ann")
    with caplog.at_level(logging.ERROR):
        table.replace({"key_x": b'{"secret": "canary"', ann.id: raw(ann)})
        table.update({"key_y": b"canary"})
    assert opened_by(table, "ann") == "ann"
    assert "'key_x' of the store is no record" in caplog.text
    assert "canary" not in caplog.text


def test_it_is_empty_until_there_is_a_key() -> None:
    table = KeyTable()
    assert table.empty
    table.configure([record("static")], Allowance())
    assert not table.empty
    table.configure([], Allowance())
    table.replace({"key_ann": raw(record("ann"))})
    assert not table.empty
    table.forget_stored()
    assert table.empty
