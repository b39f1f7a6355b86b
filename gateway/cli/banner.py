"""What a person sees when the gateway has started: where it is, and two lines to copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from gateway import __version__
from gateway.routing.runner import Runner
from gateway.routing.table import Route

_SHOWN_MODELS = 8


def banner(
    *, url: str, profile: str, routes: Sequence[Route], runners: Iterable[Runner], keys: bool
) -> str:
    """The text, ready to be printed on a terminal."""
    lines = [
        "",
        f"  {bold('Sluicegate')} {__version__}  {dim('profile ' + profile)}",
        f"  {bold(url + '/v1')}",
        "",
    ]
    for runner in runners:
        slots = "unlimited" if runner.unlimited else str(runner.working_slots)
        lines.append(
            f"  {dim('runner')}  {runner.name:<16} {runner.kind:<17} {runner.state:<8} "
            f"{dim(f'slots {slots}')}"
        )
    for route in routes[:_SHOWN_MODELS]:
        note = dim("  " + route.description) if route.description else ""
        lines.append(f"  {dim('model ')}  {bold(route.model)}{note}")
    if len(routes) > _SHOWN_MODELS:
        lines.append(f"          {dim(f'and {len(routes) - _SHOWN_MODELS} more: {url}/v1/models')}")
    if not routes:
        lines.append(f"  {dim('no model can be offered yet; see: sluicegate check --live')}")
    else:
        lines += ["", *_examples(url, routes[0].model, keys=keys)]
    return "\n".join([*lines, ""])


def bold(text: str) -> str:
    """What the eye should find first."""
    return click.style(text, bold=True)


def dim(text: str) -> str:
    """What may be skipped."""
    return click.style(text, dim=True)


def _examples(url: str, model: str, *, keys: bool) -> list[str]:
    header = ' -H "Authorization: Bearer $SLUICEGATE_KEY"' if keys else ""
    api_key = 'os.environ["SLUICEGATE_KEY"]' if keys else '"none"'
    os_import = "import os; " if keys else ""
    return [
        f"  curl -N {url}/v1/chat/completions -H 'Content-Type: application/json'{header} "
        f'-d \'{{"model": "{model}", "stream": true, '
        '"messages": [{"role": "user", "content": "What is Sluicegate?"}]}\'',
        "",
        f'  python -c \'{os_import}from openai import OpenAI; c = OpenAI(base_url="{url}/v1", '
        f'api_key={api_key}); r = c.chat.completions.create(model="{model}", '
        'messages=[{"role": "user", "content": "What is Sluicegate?"}]); '
        "print(r.choices[0].message.content)'",
    ]
