"""A plan as lines for the gateway's configuration. Pure."""

from __future__ import annotations

import json
import re

from gateway.advise.decision import Decision, Plan, Verdict

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_lines(decision: Decision) -> tuple[str, ...]:
    """What to lay over the configuration; nothing when there is nothing to change.

    Mappings merge, so the lines may stand in a profile. A runner without a known address keeps the
    one that it has.
    """
    plan = decision.plan
    if plan is None or decision.verdict is Verdict.UNKNOWN:
        return ()
    moving = decision.verdict is Verdict.MOVE
    model = scalar(plan.model)
    lines = ["runners:", f"  {scalar(plan.runner)}: {_runner(plan)}", "models:", f"  {model}:"]
    lines.append(f"    backend: {plan.backend}")
    if moving or plan.url is not None:
        target = f"{{runners: [{scalar(plan.runner)}], model: {scalar(plan.upstream_model)}}}"
        lines += ["    backends:", f"      {plan.backend}: {target}"]
    if decision.verdict is not Verdict.STAY:
        lines.append(f"    timeouts: {{queue_s: {plan.queue_s}}}")
        lines.append(f"    max_waiting: {plan.max_waiting}")
    return tuple(lines)


def scalar(text: str) -> str:
    """A string as YAML, quoted where it could be taken for something else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else json.dumps(text)


def _runner(plan: Plan) -> str:
    if plan.url is None:
        return f"{{slots: {plan.slots}}}"
    return f"{{backend: {plan.backend}, url: {scalar(plan.url)}, slots: {plan.slots}}}"
