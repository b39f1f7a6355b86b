"""Who calls decides what they may use and when it is their turn; what they claim does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.keys.keyring import Keyring
from gateway.keys.record import KeyRecord
from gateway.keys.text import new_text
from gateway.settings import StoreSettings
from gateway.store.opening import opened
from tests.acceptance.callers import bearer, listed, listed_key
from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import Here, gateway_here
from tests.acceptance.queue_stand import line, say
from tests.acceptance.raw_http import Answer, chat_body, post
from tests.acceptance.refusal import error_of
from tests.fakes.runner import FakeRunner
from tests.fakes.stores import server

pytestmark = pytest.mark.anyio

KEYS = listed(
    listed_key("plain", best_class="default"),
    listed_key("other"),
    listed_key("first", best_class="critical"),
    listed_key("front", may_name_tenant=True),
    listed_key("late", expires="2020-01-01"),
)


@asynccontextmanager
async def stand(folder: Path) -> AsyncIterator[tuple[Here, Keyring, FakeRunner]]:
    """A gateway, and the keys of its store as another process has them."""
    with server() as store:
        async with FakeRunner("vllm") as runner, opened(StoreSettings(url=store.url)) as ours:
            few = listed_key("few", models=["spare"])
            config = one_model("vllm", runner.url) | {"store": {"url": store.url}}
            config["auth"] = listed(*KEYS["keys"], few)
            config["models"]["spare"] = config["models"]["demo"]
            async with gateway_here(folder, config) as here:
                yield here, Keyring(ours, "default"), runner


def record(name: str) -> KeyRecord:
    return KeyRecord(id="", name=name, tenant=name, secrets=(), created=0.0)


async def until_refused(here: Here, text: str) -> Answer:
    """Ask with that key until it opens nothing any more, for a second."""
    async with asyncio.timeout(1):
        while True:
            answer = await post(here.port, chat_body(), authorization=f"Bearer {text}")
            if answer.status != 200:
                return answer


async def test_there_is_one_answer_to_every_key_that_opens_nothing(tmp_path: Path) -> None:
    async with stand(tmp_path) as (here, keyring, runner):
        gone = await keyring.create(record("gone"))
        await keyring.revoke("gone")
        await until_refused(here, gone.text)
        presented = [
            {},
            {"authorization": bearer("late")},
            {"authorization": bearer("nobody")},
            {"authorization": f"Bearer {gone.text}"},
            {"authorization": f"Bearer {new_text()}"},
            {"authorization": f"Bearer {new_text()[:-1]}"},
            {"authorization": "Bearer"},
            {"authorization": "Basic dXNlcjpwdw=="},
            {"authorization": 'Bearer sg-"{}:*'},
            {"x_api_key": "x" * 5000},
            {"api_key": ""},
        ]
        before = len(runner.inferences)
        answers = [await post(here.port, chat_body(), **headers) for headers in presented]
        assert error_of(answers[0], 401)["code"] == "invalid_api_key"
        assert {(each.status, each.body) for each in answers} == {(401, answers[0].body)}
        assert {each.headers["www-authenticate"] for each in answers} == {"Bearer"}
        assert len(runner.inferences) == before


async def test_a_key_of_the_store_works_at_once_and_not_a_second_after_it_was_revoked(
    tmp_path: Path,
) -> None:
    async with stand(tmp_path) as (here, keyring, _):
        text = (await keyring.create(record("ann"))).text

        answer = await post(here.port, chat_body(), authorization=f"Bearer {text}")
        assert answer.status == 200
        await keyring.revoke("ann")
        answer = await until_refused(here, text)
        assert error_of(answer, 401)["code"] == "invalid_api_key"


async def test_a_model_that_a_key_may_not_use_does_not_exist_for_it(tmp_path: Path) -> None:
    async with stand(tmp_path) as (here, _, runner):
        few = {"authorization": bearer("few")}
        hidden = error_of(await post(here.port, chat_body("demo"), **few), 404)
        absent = error_of(await post(here.port, chat_body("gone"), **few), 404)
        assert hidden["code"] == "model_not_found"
        assert hidden["message"].replace("'demo'", "'gone'") == absent["message"]
        assert runner.inferences == []
        assert (await post(here.port, chat_body("spare"), **few)).status == 200


@pytest.mark.parametrize(
    ("key", "headers", "clamped"),
    [
        ("plain", {"x_sluicegate_class": "critical"}, "class"),
        ("plain", {"x_sluicegate_class": "batch"}, None),
        ("first", {"x_sluicegate_class": "critical"}, None),
        ("plain", {"x_sluicegate_tenant": "somebody"}, "tenant"),
        ("front", {"x_sluicegate_tenant": "somebody"}, None),
        ("front", {"x_sluicegate_weight": "1000"}, "weight"),
        (
            "plain",
            {
                "x_sluicegate_class": "interactive",
                "x_sluicegate_tenant": '"}{sg:default}:t',
                "x_sluicegate_weight": "-1",
            },
            "class, tenant, weight",
        ),
    ],
)
async def test_what_a_key_is_not_entitled_to_is_cut_and_said(
    tmp_path: Path, key: str, headers: dict[str, str], clamped: str | None
) -> None:
    async with FakeRunner("vllm") as runner:
        config = one_model("vllm", runner.url) | {"auth": KEYS}
        async with gateway_here(tmp_path, config) as here:
            answer = await say(here, key, **headers)
            assert answer.status == 200
            assert answer.headers.get("x-sluicegate-clamped") == clamped


async def test_critical_goes_first_and_batch_last(tmp_path: Path) -> None:
    async with line(tmp_path, KEYS, "other") as waiting:
        batch = await waiting.join("first", x_sluicegate_class="batch")
        default = [await waiting.join("other") for _ in range(2)]
        critical = [await waiting.join("first", x_sluicegate_class="critical") for _ in range(2)]
        assert await waiting.served() == [*critical, *default, batch]


async def test_who_claims_to_be_critical_without_a_right_to_it_waits_like_others(
    tmp_path: Path,
) -> None:
    async with line(tmp_path, KEYS, "first") as waiting:
        honest = [await waiting.join("other") for _ in range(2)]
        claimed = await waiting.join("plain", x_sluicegate_class="critical")
        assert (await waiting.served())[0] == honest[0]
        assert (await waiting.answers())[claimed].headers["x-sluicegate-clamped"] == "class"


async def test_people_behind_a_front_end_take_turns(tmp_path: Path) -> None:
    async with line(tmp_path, KEYS, "first") as waiting:
        ann = [await waiting.join("front", x_sluicegate_tenant="ann") for _ in range(3)]
        bob = [await waiting.join("front", x_sluicegate_tenant="bob") for _ in range(3)]
        assert set((await waiting.served())[:2]) == {ann[0], bob[0]}


@pytest.mark.parametrize(
    "claim", [{"x_sluicegate_tenant": "bob"}, {"x_sluicegate_weight": "1000"}], ids=str
)
async def test_a_claimed_name_or_weight_buys_no_place_in_line(
    tmp_path: Path, claim: dict[str, str]
) -> None:
    async with line(tmp_path, KEYS, "first") as waiting:
        own = [await waiting.join("other") for _ in range(3)]
        claimed = [await waiting.join("other", **claim) for _ in range(2)]
        assert await waiting.served() == [*own, *claimed]
