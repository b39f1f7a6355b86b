"""The admin listener of real gateways, and `sluicegate top` in front of it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.state import PATH
from tests.acceptance.configuration import Config, one_model
from tests.acceptance.departure import fact
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.gateway_process import COMMAND, ROOT, gateway_process, unready_gateway
from tests.acceptance.raw_http import Answer, ask, chat_body, get, head, post, request
from tests.acceptance.refusal import error_of
from tests.fakes.fault import Fault, Script
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import Server, server

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef-cAnArY"
AUTHORIZATION = {"authorization": f"Bearer {TOKEN}"}
PROMPT = "a prompt that is nobody's business"


@dataclass(slots=True)
class Pair:
    """Two replicas on one store, in front of one runner with two slots."""

    one: Here
    other: Here
    runner: FakeRunner
    store: Server
    asking: list[asyncio.Task[Answer]]
    """Everybody who asks, of both."""

    async def ask(self, here: Here, number: int, service_class: str) -> None:
        """So many requests that do not end by themselves, each one in its place."""
        for _ in range(number):
            body = chat_body(messages=[{"role": "user", "content": PROMPT}])
            asked = post(here.port, body, x_sluicegate_class=service_class)
            self.asking.append(asyncio.create_task(asked))
            await fact(lambda: self._at_work() == len(self.asking))

    def _at_work(self) -> int:
        return sum(each.in_flight() + each.waiting() for each in (self.one, self.other))


def with_admin(folder: Path, config: Config, **more: Any) -> dict[str, Any]:
    """The configuration with an admin listener on a free port."""
    file = folder / "admin.token"
    file.write_text(f"{TOKEN}\n")
    return {**config, **more, "admin": {"enabled": True, "port": 0, "token_file": str(file)}}


@asynccontextmanager
async def a_pair(folder: Path) -> AsyncIterator[Pair]:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HANG)
        config = one_model("vllm", runner.url, slots=2)
        with server() as store:
            config = with_admin(folder, config, store={"url": store.url})
            async with (
                gateway_here(folder / "one", config) as one,
                gateway_here(folder / "other", config) as other,
            ):
                pair = Pair(one, other, runner, store, [])
                try:
                    yield pair
                finally:
                    for task in pair.asking:
                        task.cancel()
                    await asyncio.gather(*pair.asking, return_exceptions=True)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    async with FakeRunner("vllm") as runner:
        config = with_admin(tmp_path, one_model("vllm", runner.url))
        async with gateway_here(tmp_path / "gateway", config) as here:
            yield here


async def state_of(here: Here) -> dict[str, Any]:
    """What its admin listener says."""
    answer = await get(here.admin_port, PATH, AUTHORIZATION)
    assert answer.status == 200, answer.body
    return dict(answer.json)


async def until(here: Here, **expected: Any) -> dict[str, Any]:
    """The state, once it has these values."""
    async with asyncio.timeout(20):
        while True:
            state = await state_of(here)
            if expected.items() <= state.items():
                return state
            await asyncio.sleep(0.05)


async def test_both_replicas_show_the_queue_of_both(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await pair.ask(pair.one, 1, "default")
        await pair.ask(pair.other, 3, "default")
        await pair.ask(pair.one, 2, "batch")
        seen = [await until(each, waiting=4, replicas=2) for each in (pair.one, pair.other)]
        for state in seen:
            assert (state["store_up"], state["degraded"], state["draining"]) == (True, False, False)
            (runner,) = state["runners"]
            assert (runner["name"], runner["backend"], runner["state"]) == ("box", "vllm", "ready")
            assert (runner["slots"], runner["in_flight"], runner["waiting"]) == (2, 2, 4)
            flows = {each["class"]: each for each in state["flows"]}
            assert {name: each["waiting"] for name, each in flows.items()} == {
                "default": 2,
                "batch": 2,
            }
            assert {each["tenant"] for each in flows.values()} == {"127.0.0.1"}
            assert all(each["backlog_s"] > 0 for each in flows.values())
            assert state["predicted_wait_s"] > 0
            assert state["tokens_per_s"].keys() == {"in", "out", "over_s"}
            assert PROMPT not in json.dumps(state)
            assert TOKEN not in json.dumps(state)
        here = [(each["in_flight_here"], each["waiting_here"]) for each in _boxes(seen)]
        assert here == [(1, 2), (1, 2)]
        assert seen[0]["replica"] != seen[1]["replica"]


def _boxes(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [state["runners"][0] for state in states]


async def test_without_the_store_each_shows_its_own(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as pair:
        await fact(lambda: pair.one.gateway.admission.replicas == 2)
        # One that has seen how short answers are need not hold back for long.
        pair.runner.script = Script()
        assert (await post(pair.one.port, chat_body())).status == 200
        pair.runner.script = Script(Fault.HANG)
        pair.store.process.kill()
        state = await until(pair.one, degraded=True)
        assert (state["store_up"], state["replicas"]) == (False, 2)
        await pair.ask(pair.one, 3, "default")
        state = await until(pair.one, waiting=2)
        (runner,) = state["runners"]
        # Its share of the two slots.
        assert (runner["slots"], runner["in_flight"], runner["waiting"]) == (1, 1, 2)
        (flow,) = state["flows"]
        assert (flow["class"], flow["waiting"]) == ("default", 2)
        metrics = (await get(pair.one.port, "/metrics")).body.decode()
        assert "sluicegate_store_up 0.0\n" in metrics
        assert "sluicegate_replicas 2.0\n" in metrics


async def test_tokens_are_counted_once_answers_have_ended(here: Here) -> None:
    assert (await state_of(here))["tokens_per_s"]["out"] == 0
    answer = await post(here.port, chat_body())
    used = answer.json["usage"]
    rates = (await until_tokens(here))["tokens_per_s"]
    assert rates["in"] * rates["over_s"] == pytest.approx(used["prompt_tokens"], rel=0.2)
    assert rates["out"] * rates["over_s"] == pytest.approx(used["completion_tokens"], rel=0.2)


async def until_tokens(here: Here) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while not (state := await state_of(here))["tokens_per_s"]["out"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return state


async def test_a_crowd_of_readers_costs_the_store_a_few_looks(here: Here) -> None:
    answers = await asyncio.gather(*(get(here.admin_port, PATH, AUTHORIZATION) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) <= 4


async def test_a_reader_that_leaves_holds_up_nobody(here: Here) -> None:
    for _ in range(10):
        reader = asyncio.create_task(get(here.admin_port, PATH, AUTHORIZATION))
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
    assert (await state_of(here))["replicas"] == 1


async def test_the_port_of_the_clients_has_no_such_page_and_this_one_no_other(here: Here) -> None:
    error_of(await get(here.port, PATH, AUTHORIZATION), 404)
    error_of(await get(here.admin_port, "/v1/models", AUTHORIZATION), 404)
    error = error_of(await get(here.admin_port, "/metrics"), 401)
    assert error["code"] == "invalid_admin_token"
    body = request("POST", PATH, b"x" * 100_000, AUTHORIZATION)
    assert error_of(await ask(here.admin_port, body), 405)["code"] == "method_not_allowed"


async def test_a_head_is_answered_without_a_body(here: Here) -> None:
    answer = await ask(here.admin_port, request("HEAD", PATH, None, AUTHORIZATION))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


HOSTILE = [
    head("authorization: Bearer " + "x" * 100_000, method="GET", path=PATH),
    b"GET " + PATH.encode() + b" HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
    head(f"authorization: Bearer {TOKEN}\x00", method="GET", path=PATH),
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    head(f"authorization: Bearer {TOKEN}", method="GET", path=f"{PATH}%00"),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_bytes_are_refused_in_our_shape_and_leave_it_working(
    here: Here, data: bytes
) -> None:
    answer = await ask(here.admin_port, data)
    assert 400 <= answer.status < 500
    error_of(answer, answer.status)
    assert (await state_of(here))["replicas"] == 1


async def test_a_draining_gateway_says_so(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HANG)
        config = with_admin(tmp_path, one_model("vllm", runner.url))
        async with gateway_here(tmp_path / "gateway", config) as here:
            asking = asyncio.create_task(post(here.port, chat_body()))
            await fact(lambda: here.in_flight() == 1)
            draining = asyncio.create_task(here.gateway.drain(10))
            assert (await until(here, draining=True))["runners"][0]["in_flight"] == 1
            asking.cancel()
            assert await draining


async def test_it_is_off_by_default(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, one_model("vllm", "http://127.0.0.1:9")) as here:
        assert here.admin_port == 0


async def test_a_port_that_is_taken_fails_the_start_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environ = {
            "SLUICEGATE_ADMIN__ENABLED": "true",
            "SLUICEGATE_ADMIN__TOKEN": TOKEN,
            "SLUICEGATE_ADMIN__PORT": str(port),
        }
        async with unready_gateway(tmp_path, {}, environ=environ) as gateway:
            assert await gateway.ended() == 2
            assert f"Port {port} on 127.0.0.1 is in use" in gateway.text()
            assert f"SLUICEGATE_ADMIN__PORT={port + 1}" in gateway.text()
            assert TOKEN not in gateway.text()


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


async def top(folder: Path, *words: str, **environ: str) -> Done:
    """Run `sluicegate top WORDS` as another process, whose output is no terminal."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "top", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
        env=ours | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | environ,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    assert b"Traceback" not in err
    assert TOKEN.encode() not in out + err
    return Done(process.returncode, out.decode(), err.decode())


async def test_top_shows_a_running_gateway_with_its_queue(tmp_path: Path) -> None:
    async with FakeRunner("vllm") as runner:
        runner.script = Script(Fault.HANG)
        config = one_model("vllm", runner.url)
        environ = {"SLUICEGATE_ADMIN__ENABLED": "true", "SLUICEGATE_ADMIN__TOKEN": TOKEN}
        environ |= {"SLUICEGATE_ADMIN__PORT": "0"}
        async with gateway_process(tmp_path / "gateway", config, environ=environ) as gateway:
            (said,) = [each for each in gateway.messages() if each.startswith("admin at ")]
            url = said.removeprefix("admin at ")
            asking = [asyncio.create_task(post(gateway.port, chat_body())) for _ in range(4)]
            try:
                async with asyncio.timeout(20):
                    while True:
                        answer = await get(int(url.rpartition(":")[2]), PATH, AUTHORIZATION)
                        if answer.json["waiting"] == 3:
                            break
                        await asyncio.sleep(0.05)
                done = await top(tmp_path, "--url", url, SLUICEGATE_ADMIN__TOKEN=TOKEN)
                (tmp_path / "token").write_text(TOKEN)
                words = ("--once", "--url", url + PATH, "--token-file", "token")
                again = await top(tmp_path, *words)
                told = await top(tmp_path, "--json", "--url", url, SLUICEGATE_ADMIN__TOKEN=TOKEN)
                wrong = await top(tmp_path, "--url", url, SLUICEGATE_ADMIN__TOKEN="x" * 20)
                clients = await top(tmp_path, "--url", gateway.url, SLUICEGATE_ADMIN__TOKEN=TOKEN)
            finally:
                for task in asking:
                    task.cancel()
        away = await top(tmp_path, "--url", url, SLUICEGATE_ADMIN__TOKEN=TOKEN)
    for shown in (done, again):
        assert (shown.code, shown.err) == (0, "")
        assert "\x1b" not in shown.out
        assert all(len(line) <= 80 for line in shown.out.splitlines())
        (box,) = [line.split() for line in shown.out.splitlines() if line.startswith("box ")]
        assert box[1:3] == ["vllm", "ready"]
        assert box[4:] == ["1/1", "3"]
        (flow,) = [line.split() for line in shown.out.splitlines() if line.startswith("default ")]
        assert flow[:4] == ["default", "127.0.0.1", "1", "3"]
    assert told.code == 0
    assert json.loads(told.out)["waiting"] == 3
    assert (wrong.code, wrong.out) == (1, "")
    assert "does not accept this token" in wrong.err
    assert (clients.code, "and not the port of its clients" in clients.err) == (1, True)
    assert (away.code, "admin.enabled: true" in away.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "environ", "code", "message"),
    [
        ((), {}, 2, "admin.enabled is false"),
        (("--url", "http://127.0.0.1:9"), {}, 2, "There is no admin token"),
        (("--token-file", "none"), {}, 2, "cannot be read: No such file"),
        (("--token-file", "two"), {}, 2, "does not hold one token"),
        (
            (),
            {"SLUICEGATE_ADMIN__ENABLED": "true", "SLUICEGATE_ADMIN__TOKEN": TOKEN}
            | {"SLUICEGATE_ADMIN__PORT": "0"},
            2,
            "give --url",
        ),
        (("--url", "ftp://x"), {"SLUICEGATE_ADMIN__TOKEN": TOKEN}, 1, "is no address"),
        (("--url", "http://x"), {"SLUICEGATE_ADMIN__TOKEN": "a\nb"}, 1, "token is none"),
        ((), {"SLUICEGATE_SERVER__PORT": "no"}, 2, "server.port"),
    ],
)
async def test_top_says_what_is_missing(
    tmp_path: Path, words: tuple[str, ...], environ: dict[str, str], code: int, message: str
) -> None:
    (tmp_path / "two").write_text("a b")
    done = await top(tmp_path, *words, **environ)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
