"""What a keyring leaves on the disk, and what it says when nobody answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.keys.keyring import Keyring
from gateway.keys.text import digest_of
from gateway.store import Store, StoreDown
from gateway.store.embedded import EmbeddedServer
from tests.fakes.eventually import eventually
from tests.gateway.keys.records import described

pytestmark = pytest.mark.anyio


async def test_the_text_of_a_key_is_nowhere_in_the_store(
    keyring: Keyring, store: Store, tmp_path: Path
) -> None:
    texts = [(await keyring.create(described(f"key-{n}"))).text for n in range(3)]
    texts.append((await keyring.rotate("key-0", grace_s=60)).text)
    names = await store.redis.keys("*")
    assert all(name.startswith(b"{keys:default}:") for name in names)
    files = [each for each in (tmp_path / "state").rglob("*") if each.is_file()]
    written = b"".join(each.read_bytes() for each in files)
    for text in texts:
        assert digest_of(text.encode()).hex().encode() in written
        assert text.encode() not in written
        assert text[3:-6].encode() not in written


async def test_without_the_store_nothing_is_promised(
    keyring: Keyring, store: Store, server: EmbeddedServer
) -> None:
    await server.stop()
    await eventually(lambda: not store.up)
    for call in (
        keyring.create(described("ann")),
        keyring.list(),
        keyring.revoke("ann"),
        keyring.holder(bytes(32)),
    ):
        with pytest.raises(StoreDown):
            await call
