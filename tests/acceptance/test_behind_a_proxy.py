"""Without keys callers are told apart by address; a proxy is believed only where it is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.configuration import one_model
from tests.acceptance.gateway_here import gateway_here
from tests.acceptance.raw_http import chat_body, post
from tests.fakes.runner import FakeRunner

pytestmark = pytest.mark.anyio

ANN, BOB = "203.0.113.5", "203.0.113.6"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "statuses"),
    [
        (["127.0.0.1"], (ANN, BOB, ANN), [200, 200, 429]),
        (["127.0.0.0/8"], (ANN, BOB), [200, 200]),
        (["127.0.0.1"], (f"{ANN}, {BOB}", f"198.51.100.1, {BOB}"), [200, 429]),
        (["127.0.0.1", "10.0.0.0/8"], (f"{ANN}, 10.1.2.3", f"{ANN}, 10.1.2.4"), [200, 429]),
        (["10.0.0.0/8"], (ANN, BOB), [200, 429]),
        ([], (ANN, BOB), [200, 429]),
        (["127.0.0.1"], ("", "nonsense " * 20, ANN), [200, 200, 200]),
    ],
    ids=[
        "by-what-it-says",
        "a-network",
        "what-the-caller-wrote-does-not-count",
        "over-two-proxies",
        "from-elsewhere",
        "nobody-is-trusted",
        "whatever-it-says",
    ],
)
async def test_each_caller_has_limits_of_its_own(
    tmp_path: Path, trusted: list[str], forwarded: tuple[str, ...], statuses: list[int]
) -> None:
    async with FakeRunner("vllm") as runner:
        config = one_model("vllm", runner.url)
        config |= {"server": {"trusted_proxies": trusted}}
        config |= {"limits": {"default_key": {"requests_per_day": 1}}}
        async with gateway_here(tmp_path, config) as here:
            answers = [
                await post(here.port, chat_body(), x_forwarded_for=word) for word in forwarded
            ]
            assert [answer.status for answer in answers] == statuses
