"""Who is calling, told from one of three headers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import Authenticator, Key
from gateway.errors import Unauthenticated
from gateway.principal import ANYONE, Principal

ANN = Principal("ann", "team-a")
BOB = Principal("bob", "team-b")


def key(text: bytes, principal: Principal) -> Key:
    return Key(hashlib.sha256(text).digest(), principal)


KEYS = Authenticator([key(b"sg-ann", ANN), key(b"sg-bob", BOB), key("sg-ä".encode(), ANN)])


@pytest.mark.parametrize(
    ("authorization", "api_key", "principal"),
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
        ("Bearer sg-ä".encode(), None, ANN),
    ],
)
def test_a_known_key_tells_whose_it_is(
    authorization: bytes | None, api_key: bytes | None, principal: Principal
) -> None:
    assert KEYS.authenticate(authorization, api_key) is principal


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
        Authenticator([]).authenticate(b"Bearer anything", None)
