"""`sluicegate keys`: what it prints, where, how it ends, and what a gateway makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.auth import Authenticator
from gateway.cli.key_options import LIMITS
from gateway.errors import Unauthenticated
from gateway.keys.keyring import Keyring
from gateway.keys.lookup import KeyLookup
from gateway.keys.table import KeyTable
from gateway.keys.text import is_well_formed
from gateway.keys.watcher import KeyWatcher
from gateway.settings import load
from gateway.settings.limits import LimitSettings
from gateway.store.opening import opened
from tests.acceptance.configuration import Config, write_configuration
from tests.acceptance.test_commands import command, rows
from tests.fakes.eventually import eventually

pytestmark = pytest.mark.anyio

KEYS: Config = {
    "auth": {"mode": "keys", "keys": [{"name": "ops", "sha256": "ab" * 32}]},
    "discovery": {"enabled": False},
}


async def keys(folder: Path, *words: str, code: int = 0, config: Config = KEYS) -> Any:
    """Run `sluicegate keys WORDS`, which must end with `code`."""
    done = await command(folder, config, "keys", *words)
    assert done.exit_code == code, done.stdout + done.stderr
    return done


async def made(folder: Path, *words: str) -> dict[str, Any]:
    """What `create` or `rotate` says as JSON."""
    return dict(json.loads((await keys(folder, *words, "--json")).stdout))


async def test_the_key_alone_goes_to_standard_output(tmp_path: Path) -> None:
    done = await keys(tmp_path, "create", "ann")
    text = done.stdout.removesuffix("\n")
    assert is_well_formed(text.encode())
    assert "the only time the key is shown" in done.stderr
    assert text not in done.stderr
    again = await keys(tmp_path, "list", "--all")
    shown = again.stdout + (await keys(tmp_path, "list", "--json")).stdout
    assert text not in shown
    assert text[3:-6] not in shown


async def test_a_key_is_all_that_its_options_say(tmp_path: Path) -> None:
    limits = [f"--{name.replace('_', '-')}={place}" for place, name in enumerate(LIMITS, start=1)]
    key = await made(
        tmp_path,
        *("create", "ann", "--tenant", "team-a", "--model", "llama3", "--model", "org/m:8b"),
        *("--best-class", "critical", "--default-class", "interactive", "--weight", "7"),
        *("--expires", "2098-01-31", "--may-name-tenant", "--log-only", *limits),
    )
    expected = {
        "name": "ann",
        "tenant": "team-a",
        "state": "active",
        "models": ["llama3", "org/m:8b"],
        "best_class": "critical",
        "default_class": "interactive",
        "weight": 7,
        "limits": {name: place for place, name in enumerate(LIMITS, start=1)} | {"log_only": True},
        "may_name_tenant": True,
        "expires": "2098-01-31T00:00:00Z",
        "revoked": None,
        "valid_texts": 1,
    }
    assert {name: key[name] for name in expected} == expected
    (row,) = rows((await keys(tmp_path, "list")).stdout, header="NAME")[1:]
    assert row[:3] == ["ann", key["id"], "active"]
    assert row[-2:] == ["llama3,", "org/m:8b"]


async def test_limits_can_be_taken_off_or_left_to_the_configuration(tmp_path: Path) -> None:
    assert (await made(tmp_path, "create", "ann"))["limits"] is None
    none = (await made(tmp_path, "create", "bob", "--no-limits"))["limits"]
    assert none == dict.fromkeys(LIMITS) | {"log_only": False}
    assert (await made(tmp_path, "create", "eve", "--best-class", "batch"))[
        "default_class"
    ] == "batch"


async def test_keys_of_the_configuration_and_the_store_are_listed_together(
    tmp_path: Path,
) -> None:
    await keys(tmp_path, "create", "ann")
    await keys(tmp_path, "create", "bob")
    revoked = await keys(tmp_path, "revoke", "ann")
    assert revoked.stdout.startswith("Key 'ann' (key_")
    shown = rows((await keys(tmp_path, "list")).stdout, header="NAME")
    assert [(row[0], row[2]) for row in shown] == [("ops", "active"), ("bob", "active")]
    shown = rows((await keys(tmp_path, "list", "--all")).stdout, header="NAME")
    assert [(row[0], row[2]) for row in shown] == [
        ("ops", "active"),
        ("ann", "revoked"),
        ("bob", "active"),
    ]


async def test_a_rotated_key_says_how_long_the_former_text_works(tmp_path: Path) -> None:
    first = await made(tmp_path, "create", "ann")
    done = await keys(tmp_path, "rotate", "ann", "--grace", "1h")
    assert is_well_formed(done.stdout.strip().encode())
    assert done.stdout.strip() != first["key"]
    assert "The former text works until 20" in done.stderr
    assert (await made(tmp_path, "rotate", first["id"]))["valid_texts"] == 3
    done = await keys(tmp_path, "rotate", "ann", "--grace", "0")
    assert "No former text works any more." in done.stderr


async def test_no_keys_is_said_with_the_way_to_one(tmp_path: Path) -> None:
    none: Config = {"auth": {"mode": "none"}}
    done = await keys(tmp_path, "list", config=none)
    assert "'sluicegate keys create NAME' makes one" in done.stdout
    done = await keys(tmp_path, "create", "ann", config=none)
    file = tmp_path / "gateway.yaml"
    assert f"With profile dev and {file}, auth.mode is none" in done.stderr
    assert "set SLUICEGATE_PROFILE and SLUICEGATE_CONFIG as it has them" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("create", "ann"), 1, "A key named 'ann' exists"),
        (("create", "ops"), 1, "is in the configuration"),
        (("create", "bob", "--model", "llama3"), 0, "The configuration has no model 'llama3'."),
        (("create", "a b"), 2, "name 'a b': use 1 to 64"),
        (("create", "bob", "--tenant", "{x}"), 2, "tenant '{x}': use 1 to 64"),
        (("create", "bob", "--model", "a b"), 2, "model 'a b'"),
        (("create", "bob", "--weight", "0"), 2, "--weight"),
        (("create", "bob", "--concurrent", "0"), 2, "--concurrent"),
        (("create", "bob", "--best-class", "royal"), 2, "--best-class"),
        (("create", "bob", "--best-class", "batch", "--default-class", "default"), 2, "is better"),
        (("create", "bob", "--expires", "2020-01-01"), 2, "is past"),
        (("create", "bob", "--log-only"), 2, "--log-only needs a limit"),
        (("create", "bob", "--no-limits", "--concurrent", "2"), 2, "--no-limits goes with no"),
        (("create",), 2, "Missing argument 'NAME'"),
        (("revoke", "nobody"), 1, "No key 'nobody' is in the store; see 'sluicegate keys list'"),
        (("rotate", "nobody"), 1, "No key 'nobody' is in the store"),
        (("rotate", "ann", "--grace", "soon"), 2, "is no duration"),
        (("remove", "ann"), 2, "No such command 'remove'"),
    ],
)
async def test_what_cannot_be_done_is_said_and_ends_with_another_status(
    tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    config = {**KEYS, "runners": {"box": {"backend": "vllm", "url": "http://127.0.0.1:9"}}}
    config["models"] = {"demo": {"backends": {"vllm": {"runners": ["box"]}}}}
    await keys(tmp_path, "create", "ann", config=config)
    done = await keys(tmp_path, *words, code=code, config=config)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if code:
        assert done.stdout == ""


async def test_a_store_that_is_not_there_is_said(tmp_path: Path) -> None:
    config = {**KEYS, "store": {"url": "redis://127.0.0.1:1"}}
    done = await keys(tmp_path, "list", code=2, config=config)
    assert "redis://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_can_have_the_limits_that_a_configured_one_can() -> None:
    schema = LimitSettings.model_json_schema()["properties"]
    assert {name: most for name, (most, _) in LIMITS.items()} == {
        name: each["anyOf"][0]["maximum"] for name, each in schema.items() if name != "log_only"
    }


async def test_a_running_gateway_takes_part_at_once(tmp_path: Path) -> None:
    """The command is another process, and the store belongs to this one."""
    environ = write_configuration(tmp_path, KEYS)
    settings = load({"SLUICEGATE_CONFIG": environ["SLUICEGATE_CONFIG"]}, cwd=tmp_path).settings

    async def sluicegate(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "keys", *words),
            stdout=asyncio.subprocess.PIPE,
            env=environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        stdout, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        return stdout.decode().strip()

    async with opened(settings.store) as store:
        table = KeyTable()
        keyring = Keyring(store, settings.store.domain)
        watcher = KeyWatcher(keyring, table, max_age_s=settings.auth.cache_max_age_s)
        authenticator = Authenticator(table, lookup=KeyLookup(keyring, table))
        await watcher.start()

        def refused(text: str) -> bool:
            try:
                authenticator.authenticate(None, text.encode())
            except Unauthenticated:
                return True
            return False

        try:
            text = await sluicegate("create", "ann")
            assert (await authenticator.identify(None, text.encode())).name == "ann"
            renewed = await sluicegate("rotate", "ann", "--grace", "0")
            assert (await authenticator.identify(None, renewed.encode())).name == "ann"
            await eventually(lambda: refused(text), within_s=1)
            assert not refused(renewed)
            await sluicegate("revoke", "ann")
            await eventually(lambda: refused(renewed), within_s=1)
        finally:
            await watcher.aclose()
