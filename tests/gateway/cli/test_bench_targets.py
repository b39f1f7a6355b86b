"""What `sluicegate bench --model` measures of a configuration."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from backends.launch.port import free_port
from gateway.cli.bench_targets import TargetWish, Via, chosen_targets
from tests.acceptance.configuration import write_configuration


def wish(*models: str, via: Via = "both") -> TargetWish:
    return TargetWish(urls=(), models=models, apis=(), kinds=(), key_variables=(), via=via)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo`, or `d`, on runners a and b; `alone` on a. Nobody listens at their addresses."""
    runners = {
        name: {"backend": "vllm", "url": f"http://127.0.0.1:{free_port()}"} for name in ("a", "b")
    }
    both = {"backends": {"vllm": {"runners": ["a", "b"], "model": "tiny"}}, "aliases": ["d"]}
    alone = {"backends": {"vllm": {"runners": ["a"], "model": "tiny"}}}
    config = {
        "runners": runners,
        "models": {"demo": both, "alone": alone},
        "server": {"port": free_port()},
    }
    environ = write_configuration(tmp_path, config)
    monkeypatch.setenv("SLUICEGATE_CONFIG", environ["SLUICEGATE_CONFIG"])


@pytest.mark.usefixtures("configured")
def test_of_several_runners_the_one_that_is_asked_directly_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw, queued = chosen_targets(wish("demo"))
    assert (raw.name, raw.runners) == ("demo raw on a", ("a",))
    assert (queued.name, queued.runners) == ("demo gateway", ("a", "b"))
    assert capsys.readouterr().err == (
        "note: 'demo' has 2 runners (a, b): 'demo raw on a' asks that one alone, "
        "'demo gateway' all of them\n"
    )
    chosen_targets(wish("demo", via="raw"))
    assert "asks that one alone\n" in capsys.readouterr().err


@pytest.mark.usefixtures("configured")
def test_of_a_single_runner_there_is_nothing_to_note(capsys: pytest.CaptureFixture[str]) -> None:
    raw, queued = chosen_targets(wish("alone"))
    assert (raw.name, queued.name) == ("alone raw", "alone gateway")
    assert raw.runners == queued.runners == ("a",)
    chosen_targets(wish("demo", via="gateway"))
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("names", [("alone", "demo", "demo"), ("demo", "d"), ("d", "d")])
def test_a_model_that_is_named_twice_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match=r"are both the model 'demo'; name it once"):
        chosen_targets(wish(*names))
