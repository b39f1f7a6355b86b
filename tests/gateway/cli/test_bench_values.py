"""Options of `sluicegate bench`: what they accept, and what they say to everything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click
import pytest

from gateway.bench.result import Slo
from gateway.cli.bench_run import command_line
from gateway.cli.bench_targets import TargetWish, chosen_targets
from gateway.cli.bench_values import duration, rate_levels, slo, user_levels

Callback = Callable[[click.Context, click.Parameter, str | None], Any]
CONTEXT = click.Context(click.Command("bench"))
OPTION = click.Option(["--option"])


@pytest.mark.parametrize(
    ("callback", "text", "value"),
    [
        (duration, "30", 30.0),
        (duration, "1.5m", 90.0),
        (duration, "200ms", 0.2),
        (duration, None, None),
        (user_levels, "1,5,50", (1, 5, 50)),
        (rate_levels, "0.5,2", (0.5, 2.0)),
        (slo, "ttft=2s,itl=100ms", Slo(ttft_s=2.0, itl_s=0.1)),
        (slo, "e2e=1m", Slo(e2e_s=60.0)),
    ],
)
def test_values_are_read(callback: Callback, text: str | None, value: object) -> None:
    assert callback(CONTEXT, OPTION, text) == value


@pytest.mark.parametrize(
    ("callback", "text", "said"),
    [
        (duration, "0", "is no time"),
        (duration, "-3s", "is no time"),
        (duration, "soon", "is no time"),
        (duration, "inf", "is no time"),
        (duration, "25h", "longer than a day"),
        (user_levels, "", "numbers above 0"),
        (user_levels, "1,,2", "numbers above 0"),
        (user_levels, "0", "numbers above 0"),
        (user_levels, "-1", "numbers above 0"),
        (user_levels, "2.5", "numbers above 0"),
        (user_levels, "20000", "at most 10000"),
        (user_levels, "5,5", "names a load twice"),
        (rate_levels, "nan", "numbers above 0"),
        (rate_levels, "inf", "numbers above 0"),
        (slo, "ttft", "must be ttft=2s"),
        (slo, "speed=2s", "must be ttft=2s"),
        (slo, "ttft=2s,", "must be ttft=2s"),
    ],
)
def test_everything_else_is_refused_with_what_would_be_right(
    callback: Callback, text: str, said: str
) -> None:
    with pytest.raises(click.BadParameter, match=said):
        callback(CONTEXT, OPTION, text)


def wish(*urls: str, **fields: Any) -> TargetWish:
    return TargetWish(
        **{
            "urls": urls,
            "models": ("llama3",),
            "apis": (),
            "kinds": (),
            "key_variables": (),
            "via": "both",
        }
        | fields
    )


def test_urls_may_have_names_and_lose_their_v1() -> None:
    raw, other = chosen_targets(wish("raw=http://127.0.0.1:9931/v1/", "http://10.0.0.5:8000"))
    assert (raw.name, raw.url) == ("raw", "http://127.0.0.1:9931")
    assert (other.name, other.url) == ("10.0.0.5:8000", "http://10.0.0.5:8000")
    assert raw.group == other.group == "llama3"
    assert raw.dialect == "openai-chat"


def test_what_differs_between_urls_is_given_once_for_each() -> None:
    targets = chosen_targets(
        wish("a=http://a:1", "b=http://b:1", models=("x", "y"), apis=("ollama", "anthropic"))
    )
    assert [(target.model, target.dialect) for target in targets] == [
        ("x", "ollama"),
        ("y", "anthropic"),
    ]


def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOX_KEY", "sk-1")
    (target,) = chosen_targets(wish("http://a:1", key_variables=("BOX_KEY",)))
    assert target.api_key == "sk-1"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (wish("http://a:1", models=()), "which model"),
        (wish("a:1"), "must begin with http"),
        (wish("http://a:1/?q"), "no '?' or '#'"),
        (wish("http://a:1", "http://a:1"), "the same name"),
        (wish("http://a:1", models=("x", "y")), "--model was given 2 times for 1 urls"),
        (wish("http://a:1", key_variables=("NO_SUCH_KEY",)), "no variable NO_SUCH_KEY"),
    ],
)
def test_targets_that_make_no_sense_are_refused(asked: TargetWish, said: str) -> None:
    with pytest.raises(click.UsageError, match=re.escape(said)):
        chosen_targets(asked)


def test_the_command_line_is_kept_without_what_is_nobodys_business() -> None:
    words = ["bench", "--url", "http://me:secret@a:1", "--prompt", "private", "--prompt=private"]
    shown = command_line(words)
    assert shown == ["sluicegate", "bench", "--url", "http://a:1", "--prompt", "…", "--prompt=…"]


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("http://me:se@cr@et@a:1/x", "http://a:1/x"),
        ("--url=box=http://me:se@cret@a:1", "--url=box=http://a:1"),
        ("http://a:1/users/@me", "http://a:1/users/@me"),
    ],
)
def test_a_password_with_an_at_sign_is_left_out_whole(word: str, kept: str) -> None:
    assert command_line([word]) == ["sluicegate", kept]
