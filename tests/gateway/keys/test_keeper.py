"""Keys over reloads of the configuration."""

from __future__ import annotations

import asyncio

import pytest

from gateway.keys.keeper import KeyKeeper
from gateway.keys.keyring import Keyring
from gateway.keys.text import digest_of
from gateway.principal import Limits
from gateway.settings import AuthKey, AuthSettings, LimitSettings, LimitsSettings
from gateway.store import Store
from tests.fakes.eventually import eventually
from tests.gateway.keys.records import described

pytestmark = pytest.mark.anyio

NONE = AuthSettings(mode="none")
STATIC = AuthSettings(
    mode="keys",
    keys=(
        AuthKey(
            name="ops",
            tenant="team-o",
            sha256=digest_of(b"static").hex(),
            models=("llama3",),
            limits=LimitSettings(concurrent=2),
            best_class="critical",
            default_class="interactive",
            weight=3,
            expires="2098-01-31",
            may_name_tenant=True,
        ),
    ),
)
LIMITS = LimitsSettings(
    default_key=LimitSettings(requests_per_minute=10),
    tenants={"team-o": LimitSettings(tokens_per_day=1000)},
)


def watching() -> int:
    return sum(task.get_name() == "keys" for task in asyncio.all_tasks())


async def test_a_configured_key_is_all_that_it_says(store: Store) -> None:
    keeper = KeyKeeper(store, "default")
    await keeper.apply(STATIC, LIMITS)
    try:
        key = keeper.table.find(digest_of(b"static"))
        assert key is not None
        assert key.ends == 4041964800.0
        principal = key.principal
        assert (principal.name, principal.tenant) == ("ops", "team-o")
        assert principal.key_id == "config:ops"
        assert (principal.models, principal.weight) == ({"llama3"}, 3)
        assert (principal.best_class, principal.default_class) == ("critical", "interactive")
        assert principal.limits == Limits(concurrent=2)
        assert principal.tenant_limits == Limits(tokens_per_day=1000)
        assert principal.may_name_tenant
    finally:
        await keeper.aclose()


async def test_a_reload_changes_what_holds_and_keeps_one_watcher(
    store: Store, keyring: Keyring
) -> None:
    digest = digest_of((await keyring.create(described("ann"))).text.encode())
    keeper = KeyKeeper(store, "default")
    for auth, watchers in ((NONE, 0), (STATIC, 1), (STATIC, 1), (NONE, 0), (STATIC, 1)):
        await keeper.apply(auth, LimitsSettings())
        assert watching() == watchers
        assert (keeper.table.find(digest) is not None) == (auth is STATIC)
    await keeper.apply(AuthSettings(mode="keys"), LIMITS)
    assert keeper.table.find(digest_of(b"static")) is None
    key = keeper.table.find(digest)
    assert key is not None
    assert key.principal.limits == Limits(requests_per_minute=10)
    await keyring.revoke("ann")

    def ended() -> bool:
        known = keeper.table.find(digest)
        return known is not None and known.ends == 0.0

    await eventually(ended, within_s=1)
    await keeper.aclose()
    await keeper.aclose()
    assert watching() == 0


async def test_a_start_that_is_given_up_leaves_no_watcher(store: Store) -> None:
    keeper = KeyKeeper(store, "default")
    starting = asyncio.create_task(keeper.apply(STATIC, LIMITS))
    await asyncio.sleep(0)  # it waits for the store
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert watching() == 0
    await keeper.apply(STATIC, LIMITS)
    assert watching() == 1
    await keeper.aclose()
