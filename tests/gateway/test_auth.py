"""Who is calling, told from one of three headers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import MOST_STRANGERS, Authenticator, network_of
from gateway.errors import Unauthenticated
from gateway.keys.allowance import Allowance
from gateway.keys.record import KeyRecord, Secret
from gateway.keys.table import KeyTable
from gateway.keys.text import MOST_BYTES, new_text
from gateway.principal import ANYONE, Limits

FOREVER = 2e9


def key(name: str, text: bytes, expires: float | None = None) -> KeyRecord:
    return KeyRecord(
        id=f"config:{name}",
        name=name,
        tenant=f"team-{name}",
        secrets=(Secret(hashlib.sha256(text).hexdigest()),),
        created=0.0,
        expires=expires,
    )


ANN, BOB = "ann", "bob"
TABLE = KeyTable(
    [
        key(ANN, b"sg-ann"),
        key(BOB, b"sg-bob", expires=FOREVER),
        key("umlaut", "sg-ä".encode()),
        key("long", b"x" * MOST_BYTES),
        key("late", b"sg-late", expires=1000.0),
    ]
)
KEYS = Authenticator(TABLE, clock=lambda: 1000.0)


@pytest.mark.parametrize(
    ("authorization", "api_key", "name"),
    [
        (b"Bearer sg-ann", None, ANN),
        (b"bearer sg-bob", None, BOB),
        (b"BEARER   sg-bob  ", None, BOB),
        (None, b"sg-bob", BOB),
        (b"Basic dXNlcjpwYXNz", b"sg-bob", BOB),
        (b"Bearer ", b"sg-bob", BOB),
        (b"Bearer", b"sg-bob", BOB),
        (b"", b"sg-bob", BOB),
        (b"Bearer sg-ann", b"sg-bob", ANN),
        ("Bearer sg-ä".encode(), None, "umlaut"),
        (None, b"x" * MOST_BYTES, "long"),
    ],
)
def test_a_known_key_tells_whose_it_is(
    authorization: bytes | None, api_key: bytes | None, name: str
) -> None:
    principal = KEYS.authenticate(authorization, api_key)
    assert (principal.name, principal.tenant) == (name, f"team-{name}")


@pytest.mark.parametrize(
    ("authorization", "api_key"),
    [
        (None, None),
        (b"", None),
        (None, b""),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"Bearer  \t ", b""),
        (b"sg-ann", None),
        (b"Basic sg-ann", None),
        (b"Bearersg-ann", None),
        (b"Bearer sg-ann sg-ann", None),
        (b"Bearer SG-ANN", None),
        (b"Bearer sg-an", None),
        (b"Bearer sg-anne", None),
        (b"Bearer wrong", b"sg-ann"),
        (b"Bearer sg-late", None),
        (b"Bearer " + new_text().encode(), None),
        (b"Bearer \xff\xfe\x00", None),
        (b"Bearer " + b"x" * 60_000, None),
        (b"Bearer " + hashlib.sha256(b"sg-ann").hexdigest().encode(), None),
        (b"Bearer " + hashlib.sha256(b"sg-ann").digest(), None),
    ],
)
def test_anything_else_is_refused_with_one_and_the_same_message(
    authorization: bytes | None, api_key: bytes | None
) -> None:
    with pytest.raises(Unauthenticated) as caught:
        KEYS.authenticate(authorization, api_key)
    error = caught.value
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert error.message == Unauthenticated().message
    assert "sg-ann" not in error.message


@given(st.none() | st.binary(), st.none() | st.binary())
def test_no_header_gets_in_by_chance_or_fails_otherwise(
    authorization: bytes | None, api_key: bytes | None
) -> None:
    with pytest.raises(Unauthenticated):
        KEYS.authenticate(authorization, api_key)


@pytest.mark.parametrize("authorization", [None, b"", b"Bearer anything", b"\xff"])
def test_without_authentication_everybody_is_anyone(authorization: bytes | None) -> None:
    assert Authenticator(None).authenticate(authorization, None) is ANYONE


def test_with_no_keys_at_all_nobody_gets_in() -> None:
    with pytest.raises(Unauthenticated):
        Authenticator(KeyTable()).authenticate(b"Bearer anything", None)


def test_a_key_works_up_to_the_moment_it_expires() -> None:
    now = 999.9
    timed = Authenticator(TABLE, clock=lambda: now)
    assert timed.authenticate(b"Bearer sg-late", None).name == "late"
    now = 1000.0
    with pytest.raises(Unauthenticated):
        timed.authenticate(b"Bearer sg-late", None)


@pytest.mark.parametrize(
    ("address", "tenant"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_without_keys_callers_are_told_apart_by_their_network(address: str, tenant: str) -> None:
    assert network_of(address) == tenant
    limits = Limits(requests_per_minute=5)
    keyless = Authenticator(None, allowance=Allowance(limits))
    principal = keyless.authenticate(None, None, (address, 4711))
    assert (principal.name, principal.tenant) == ("anyone", tenant)
    assert principal.tenant_limits == limits
    assert principal.best_class == ANYONE.best_class == "interactive"
    assert keyless.authenticate(b"Bearer x", None, (address, 4712)) is principal


def test_what_is_kept_of_strangers_is_bounded() -> None:
    keyless = Authenticator(None)
    for number in range(MOST_STRANGERS + 100):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        assert keyless.authenticate(None, None, (address, 1)).tenant == address
    assert len(keyless._strangers) == MOST_STRANGERS
