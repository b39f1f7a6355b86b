"""What a benchmark finds out of its targets, and says of them, before it measures."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from backends.base import BackendKind
from gateway.bench.benchmark import PromptWish, as_gateway, benchmark
from gateway.bench.plan import Bounds, Load, Plan, Target
from gateway.bench.result import Result
from gateway.bench.stub import Streams, StubConnection
from tests.fakes.runner import FakeRunner
from tests.gateway.bench.test_run import Watching


def target(
    name: str, kind: BackendKind | None = None, *, url: str = "", group: str = "g"
) -> Target:
    return Target(name=name, group=group, url=url, model="tiny", kind=kind)


async def measured(*targets: Target) -> tuple[Result, list[str]]:
    """The result, and what was said."""
    said: list[str] = []
    plan = Plan(
        targets=targets,
        loads=(Load(users=1),),
        bounds=Bounds(duration_s=None, requests=1, timeout_s=10),
        repeats=1,
    )
    found = await benchmark(
        plan,
        PromptWish(text="hello", output_tokens=2),
        command=["sluicegate", "bench"],
        watcher=Watching(),
        stop=asyncio.Event(),
        say=said.append,
    )
    return found, said


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (("ollama",), "ollama"),
        (("ollama", "ollama", None), "ollama"),
        (("ollama", "vllm"), None),
        ((None,), None),
    ],
)
def test_a_gateway_is_of_the_kind_of_its_group_if_that_is_of_one(
    kinds: tuple[BackendKind | None, ...], kind: BackendKind | None
) -> None:
    gateway = target("gateway")
    others = [target(f"raw {number}", each) for number, each in enumerate(kinds)]
    stranger = target("other", "llamacpp", group="other")
    seen = as_gateway((*others, gateway, stranger), gateway)
    assert (seen.path, seen.kind) == ("gateway", kind)
    told = replace(gateway, kind="llamacpp")
    assert as_gateway((*others, told), told).kind == "llamacpp"


@pytest.mark.anyio
async def test_a_runner_that_nobody_knows_is_not_taken_for_the_one_beside_it() -> None:
    streams = Streams()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StubConnection(streams), "127.0.0.1", 0)
    async with FakeRunner("vllm") as runner, server:
        unknown = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found, _ = await measured(target("known", url=runner.url), target("other", url=unknown))
    assert [each.kind for each in found.conditions.targets] == ["vllm", None]


@pytest.mark.anyio
async def test_credentials_in_a_url_are_not_said() -> None:
    async with FakeRunner("vllm") as runner:
        given = runner.url.replace("//", "//me:se@cret@")
        found, said = await measured(target("raw", url=given))
    assert said[0].startswith(f"raw: tiny at {runner.url} (raw, vllm")
    assert found.conditions.targets[0].url == runner.url
