"""From targets and wishes to a result: look at the targets, make the prompts, measure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from backends.transport import Transport
from gateway.bench.conditions import conditions
from gateway.bench.dialects import DIALECTS
from gateway.bench.plan import Plan, Target
from gateway.bench.preflight import Trial, look, try_out
from gateway.bench.prompt_file import read_prompts
from gateway.bench.prompts import (
    LEAD_WORDS,
    Prompt,
    Prompts,
    fixed_prompt,
    supply,
    synthetic_prompts,
)
from gateway.bench.result import SCHEMA, Result
from gateway.bench.run import Watcher, run

_TRIAL_TOKENS = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptWish:
    """What shall be asked: `text`, else the prompts of `file`, else made ones."""

    text: str | None = None
    file: Path | None = None
    input_tokens: int = 128
    """Wanted length of made prompts."""
    output_tokens: int = 128
    output_spread: float = 0.0
    """How far the lengths of answers to made prompts lie around `output_tokens`, as a share."""
    exact: bool | None = None
    """Have runners that can write exactly `output_tokens`; None: for made prompts only."""

    @property
    def synthetic(self) -> bool:
        """Whether prompts are made."""
        return self.text is None and self.file is None

    def prompts(self, words: int, seed: int) -> Prompts:
        """The prompts; made ones have so many words. Raises `PromptsUnreadable`."""
        exact = self.synthetic if self.exact is None else self.exact
        if self.text is not None:
            return fixed_prompt(self.text, self.output_tokens, exact=exact)
        if self.file is not None:
            return read_prompts(self.file, self.output_tokens, exact=exact)
        return synthetic_prompts(
            self.input_tokens,
            self.output_tokens,
            words=words,
            seed=seed,
            exact=exact,
            spread=self.output_spread,
        )


async def benchmark(
    plan: Plan,
    wish: PromptWish,
    *,
    command: Sequence[str],
    watcher: Watcher,
    stop: asyncio.Event,
    say: Say = lambda text: None,
) -> Result:
    """Measure `plan`. Raises `TargetUnusable`, and `PromptsUnreadable` before anything is sent.

    Once `stop` is set it returns what is known by then, marked as interrupted. Cancelling it
    closes every connection.
    """
    started_at = datetime.now(UTC)
    prompts = wish.prompts(wish.input_tokens, plan.seed)
    plan = replace(plan, targets=tuple(await asyncio.gather(*map(look, plan.targets))))
    words = wish.input_tokens
    if wish.synthetic:
        words = await _words(plan.targets[0], wish, plan)
        prompts = wish.prompts(words, plan.seed)
    targets = []
    for target in plan.targets:
        trial = await _trial(target, prompts.prompts[0], plan)
        targets.append(as_gateway(plan.targets, target) if trial.gateway else target)
        say(_seen(targets[-1], trial))
    plan = replace(plan, targets=tuple(targets))
    steps = await run(plan, prompts, watcher=watcher, stop=stop)
    return Result(
        schema=SCHEMA,
        interrupted=stop.is_set(),
        conditions=conditions(plan, prompts, command=command, started_at=started_at),
        steps=steps,
    )


async def _trial(target: Target, prompt: Prompt, plan: Plan) -> Trial:
    short = replace(prompt, max_tokens=min(prompt.max_tokens, _TRIAL_TOKENS))
    body = DIALECTS[target.dialect].body(target.model, short, exact_for=None)
    filled = supply((msgspec.json.encode(body),), f"{plan.seed}/trial")()
    return await try_out(target, filled, timeout_s=plan.bounds.timeout_s)


async def _words(target: Target, wish: PromptWish, plan: Plan) -> int:
    """How many words make `input_tokens` tokens with this model's tokenizer and template.

    Two shorter prompts tell how many tokens a word is and how many the template adds; a third,
    of the length that follows, makes it exact.
    """

    async def tokens(words: int) -> tuple[int, int | None]:
        made = wish.prompts(words, plan.seed).prompts[0]
        return words, (await _trial(target, made, plan)).input_tokens

    few, many = await tokens(wish.input_tokens // 4), await tokens(wish.input_tokens // 2)
    near = await tokens(fitting_words((few, many), wish.input_tokens))
    return fitting_words((few, near), wish.input_tokens)


def fitting_words(counted: Sequence[tuple[int, int | None]], wanted: int) -> int:
    """The number of words that will make `wanted` tokens, by a straight line through `counted`.

    Without counts, or with ones that make no sense, a word counts as a token. Pure.
    """
    (few, few_tokens), (many, many_tokens) = counted
    if few_tokens is None or many_tokens is None or many == few or many_tokens <= few_tokens:
        return max(LEAD_WORDS, wanted)
    per_word = (many_tokens - few_tokens) / (many - few)
    return max(LEAD_WORDS, round(few + (wanted - few_tokens) / per_word))


def as_gateway(targets: Sequence[Target], gateway: Target) -> Target:
    """`gateway`, known as one, and with the kind of what is behind it.

    It does not tell itself, but the `targets` of its group do, unless they are of several kinds.
    Pure.
    """
    kinds = {each.kind for each in targets if each.group == gateway.group} - {None}
    kind = gateway.kind or (kinds.pop() if len(kinds) == 1 else None)
    return replace(gateway, path="gateway", kind=kind)


def _seen(target: Target, trial: Trial) -> str:
    what = " ".join(part for part in (target.kind, target.version) if part) or "unknown runner"
    slots = "" if target.slots is None else f", {target.slots} slots"
    tokens = "" if trial.input_tokens is None else f", prompts of {trial.input_tokens} tokens"
    url = Transport(target.url).url  # without credentials
    return f"{target.name}: {target.model} at {url} ({target.path}, {what}{slots}{tokens})"
