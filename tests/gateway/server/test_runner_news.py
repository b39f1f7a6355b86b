"""How the work on runners is divided between a supervisor and its workers."""

from __future__ import annotations

from pydantic import SecretStr

from gateway.server.runner_news import RunnerNews, part_of_supervisor, part_of_worker
from gateway.settings import DiscoverySettings, LaunchSettings, RunnerSettings, Settings

BOX = RunnerSettings(backend="vllm", url="http://h:1", api_key=SecretStr("key"), slots=3)
OWN = RunnerSettings(backend="llamacpp", launch=LaunchSettings(parallel=3), slots=2)
BOTH = Settings(runners={"box": BOX, "own": OWN})


def test_the_supervisor_starts_what_is_to_be_started_and_looks_at_nothing_else() -> None:
    part = part_of_supervisor(BOTH)
    assert dict(part.runners) == {"own": OWN}
    assert part.discovery.enabled is False


def test_the_supervisor_discovers_for_all_where_that_is_to_be_done() -> None:
    assert part_of_supervisor(Settings()).discovery.enabled is True
    never = DiscoverySettings(enabled=False)
    assert part_of_supervisor(Settings(discovery=never)).discovery.enabled is False
    also = Settings(runners={"box": BOX}, discovery=DiscoverySettings(enabled=True))
    assert part_of_supervisor(also).discovery.enabled is True


def test_a_worker_gets_the_address_of_what_was_started_and_keeps_all_else() -> None:
    part = part_of_worker(BOTH, {"own": RunnerNews("llamacpp", "http://127.0.0.1:5")})
    assert part.runners["box"] == BOX
    own = part.runners["own"]
    assert (own.url, own.slots, own.parallel) == ("http://127.0.0.1:5", 2, 3)
    assert own.launch_here is None
    assert part.discovery.enabled is False


def test_what_is_still_being_started_has_no_address_yet() -> None:
    for news in ({}, {"own": RunnerNews("llamacpp", None)}):
        own = part_of_worker(BOTH, news).runners["own"]
        assert (own.launch_here, own.url) == (None, None)


def test_what_was_found_is_a_runner_like_any_other() -> None:
    part = part_of_worker(Settings(), {"ollama": RunnerNews("ollama", "http://127.0.0.1:11434")})
    found = RunnerSettings(backend="ollama", url="http://127.0.0.1:11434")
    assert dict(part.runners) == {"ollama": found}
