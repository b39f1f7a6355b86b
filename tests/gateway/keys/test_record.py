"""What a key can be, and until when each of its texts works."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.record import KeyRecord, Secret, decode, encode
from gateway.principal import Limits, ServiceClass

RECORD = KeyRecord(
    id="key_1",
    name="ann",
    tenant="team-a",
    secrets=(Secret("ab" * 32), Secret("cd" * 32, expires=50.0)),
    created=1.0,
    models=("llama3",),
    limits=Limits(requests_per_minute=3),
)


def test_a_record_survives_the_store() -> None:
    assert decode(encode(RECORD).encode()) == RECORD


def test_what_a_newer_version_adds_is_passed_over() -> None:
    raw = encode(RECORD).replace("{", '{"budget": {"eur": 3}, ', 1)
    assert decode(raw.encode()) == RECORD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "name '': use 1 to 64"),
        ({"name": "a b"}, "name 'a b'"),
        ({"name": "x" * 65}, "name 'xxx"),
        ({"name": "a\r\nb"}, r"name 'a\\r\\nb'"),
        ({"tenant": "{keys:x}"}, "tenant '{keys:x}'"),
        ({"tenant": "a/b"}, "tenant 'a/b'"),
        ({"models": ()}, "0 models: name 1 to 100"),
        ({"models": ("m",) * 101}, "101 models"),
        ({"models": ("a b",)}, "model 'a b'"),
        ({"weight": 0}, "weight 0: give 1 to 1000"),
        ({"weight": 1001}, "weight 1001"),
        ({"best_class": ServiceClass.BATCH}, "default class 'default' is better than"),
        ({"default_class": ServiceClass.CRITICAL}, "default class 'critical'"),
        ({"secrets": RECORD.secrets * 5}, "10 texts of one key"),
    ],
)
def test_what_no_key_can_be_is_refused_with_the_remedy(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECORD, **change)


@pytest.mark.parametrize("sha256", ["", "ab", "AB" * 32, "zz" * 32, "ab" * 33, "ab" * 32 + "\n"])
def test_only_a_hash_is_a_hash(sha256: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        Secret(sha256)


def damaged(old: str, new: str) -> bytes:
    raw = encode(RECORD)
    assert old in raw
    return raw.replace(old, new).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        damaged("ann", "a n"),
        damaged("ab" * 32, "x"),
        damaged("interactive", "royal"),
        damaged('"weight":1', '"weight":"1"'),
        damaged('"weight":1', '"weight":-1'),
    ],
)
def test_what_is_no_record_is_not_read_as_one(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part of it is wrong
        decode(raw)


@pytest.mark.parametrize(
    ("record", "state", "ends"),
    [
        (RECORD, "active", [float("inf"), 50.0]),
        (replace(RECORD, expires=100.1), "active", [100.1, 50.0]),
        (replace(RECORD, expires=100.0), "expired", [100.0, 50.0]),
        (replace(RECORD, expires=20.0), "expired", [20.0, 20.0]),
        (replace(RECORD, revoked=99.0, expires=500.0), "revoked", [0.0, 0.0]),
    ],
)
def test_a_text_works_as_long_as_its_key_and_itself(
    record: KeyRecord, state: str, ends: list[float]
) -> None:
    assert record.state(100.0) == state
    assert [record.valid_until(secret) for secret in record.secrets] == ends


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100)), max_size=7))
def test_a_rotation_never_lets_a_text_live_longer(rotations: list[tuple[float, float]]) -> None:
    record, now = replace(RECORD, secrets=RECORD.secrets[:1]), 0.0
    ends: dict[str, float] = {}
    for number, (passed, grace_s) in enumerate(rotations):
        now += passed
        record = record.rotated(f"{number:064x}", now, grace_s=grace_s)
        newest, *former = record.secrets
        assert newest == Secret(f"{number:064x}")
        for secret in former:
            assert secret.expires is not None
            assert now < secret.expires <= min(now + grace_s, ends.get(secret.sha256, 1e9))
            ends[secret.sha256] = secret.expires
