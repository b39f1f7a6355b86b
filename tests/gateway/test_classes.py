"""Which class and tenant a request gets, whatever its caller writes into the headers."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.classes import MOST_NAMED, Standings, service_class_of, tier_of
from gateway.errors import InvalidRequest
from gateway.principal import Limits, Principal, ServiceClass, precedes

CRITICAL, INTERACTIVE, DEFAULT, BATCH = ServiceClass
PLAIN = Principal("ann", "team-a")
ENTITLED = Principal("ops", "team-o", best_class=CRITICAL, default_class=INTERACTIVE)
LOWLY = Principal("night", "team-n", best_class=BATCH, default_class=BATCH)
FRONT = Principal("webui", "chat", may_name_tenant=True, tenant_limits=Limits(concurrent=2))


@pytest.mark.parametrize(
    ("principal", "asked", "tier", "expected", "cut"),
    [
        (PLAIN, None, None, DEFAULT, False),
        (PLAIN, b"interactive", None, INTERACTIVE, False),
        (PLAIN, b" Batch ", None, BATCH, False),
        (PLAIN, b"critical", None, INTERACTIVE, True),
        (PLAIN, None, "priority", INTERACTIVE, False),
        (PLAIN, None, "flex", BATCH, False),
        (PLAIN, None, "auto", DEFAULT, False),
        (PLAIN, None, "default", DEFAULT, False),
        (PLAIN, None, "scale", DEFAULT, False),
        (PLAIN, b"batch", "priority", BATCH, False),
        (PLAIN, b"default", "nonsense", DEFAULT, False),
        (ENTITLED, None, None, INTERACTIVE, False),
        (ENTITLED, b"critical", None, CRITICAL, False),
        (ENTITLED, None, "priority", CRITICAL, False),
        (ENTITLED, None, "auto", INTERACTIVE, False),
        (LOWLY, None, None, BATCH, False),
        (LOWLY, None, "priority", BATCH, True),
        (LOWLY, b"default", None, BATCH, True),
        (LOWLY, None, "default", BATCH, False),
    ],
)
def test_a_request_gets_the_class_it_asks_for_as_far_as_its_key_may(
    principal: Principal, asked: bytes | None, tier: str | None, expected: ServiceClass, cut: bool
) -> None:
    assert service_class_of(principal, asked=asked, tier=tier) == (expected, cut)
    standing = Standings().of(principal, asked=asked, tier=tier)
    assert standing.service_class is expected
    assert standing.clamped == (("class",) if cut else ())
    assert standing.principal is principal


@pytest.mark.parametrize("asked", [b"", b"royal", b"critical,batch", b"\xff", b"critical\0"])
def test_a_class_that_does_not_exist_is_a_bad_request(asked: bytes) -> None:
    with pytest.raises(InvalidRequest, match="critical, interactive, default, batch") as caught:
        service_class_of(ENTITLED, asked=asked, tier=None)
    assert caught.value.param == "x-sluicegate-class"


@pytest.mark.parametrize("tier", ["", "royal", "Priority", "critical"])
def test_so_is_a_tier_that_does_not_exist(tier: str) -> None:
    with pytest.raises(InvalidRequest, match="auto, default, flex, priority") as caught:
        service_class_of(ENTITLED, asked=None, tier=tier)
    assert caught.value.param == "service_tier"


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        (b'{"model": "m"}', None),
        (b'{"service_tier": null}', None),
        (b'{"service_tier": "flex"}', "flex"),
        (b'{"service_tier": "fl\\u0065x"}', "flex"),
    ],
)
def test_the_tier_is_read_as_it_is_meant(body: bytes, tier: str | None) -> None:
    assert tier_of(msgspec.json.decode(body, type=dict[str, Raw])) == tier


@pytest.mark.parametrize("value", [b"7", b"true", b"[]", b'{"a": 1}', b'"\xff"', b'"\\ud800"'])
def test_a_tier_that_is_no_text_is_a_bad_request(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="service_tier"):
        tier_of({"service_tier": Raw(value)})


@given(
    st.sampled_from([PLAIN, ENTITLED, LOWLY]),
    st.none() | st.sampled_from([each.encode() for each in ServiceClass]) | st.binary(max_size=12),
    st.none() | st.sampled_from(["auto", "flex", "priority"]) | st.text(max_size=12),
)
def test_no_wish_gets_past_the_key(
    principal: Principal, asked: bytes | None, tier: str | None
) -> None:
    try:
        service_class, _ = service_class_of(principal, asked=asked, tier=tier)
    except InvalidRequest:
        return
    assert not precedes(service_class, principal.best_class)


def test_a_tenant_and_a_weight_that_a_key_may_not_choose_are_passed_over_and_said() -> None:
    standing = Standings().of(PLAIN, asked=b"critical", tenant=b"team-o", weight=b"1000")
    assert standing.principal is PLAIN
    assert standing.clamped == ("class", "tenant", "weight")
    hostile = Standings().of(PLAIN, tenant=b"\r\n\0{keys:x}\xff" * 999, weight=b"\xff")
    assert hostile.principal is PLAIN
    assert hostile.clamped == ("tenant", "weight")


def test_a_front_end_calls_for_each_of_its_people() -> None:
    standings = Standings()
    standing = standings.of(FRONT, tenant=b"eve@example.com", weight=b"9")
    assert standing.clamped == ("weight",)
    principal = standing.principal
    # Within its own tenant: eve cannot be mistaken for another team's key.
    assert principal.tenant == "chat/eve@example.com"
    assert (principal.key_id, principal.limits) == (FRONT.key_id, FRONT.limits)
    assert principal.tenant_limits == FRONT.tenant_limits
    assert standings.of(FRONT, tenant=b"eve@example.com").principal is principal
    assert standings.of(FRONT).principal is FRONT


@pytest.mark.parametrize("tenant", [b"", b"a b", b"a/b", b"\xc3\xa9", b"x" * 65, b"a\n", b"{x}"])
def test_what_can_be_no_tenant_is_a_bad_request(tenant: bytes) -> None:
    with pytest.raises(InvalidRequest, match="such as a user's id") as caught:
        Standings().of(FRONT, tenant=tenant)
    assert caught.value.param == "x-sluicegate-tenant"


def test_what_is_kept_of_named_tenants_is_bounded() -> None:
    standings = Standings()
    for number in range(MOST_NAMED + 100):
        standings.of(FRONT, tenant=b"%d" % number)
    assert len(standings._named) == MOST_NAMED
