"""Prompts of a file, made ones, and the bodies that requests are given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.bench.benchmark import fitting_words
from gateway.bench.prompt_file import PromptsUnreadable, read_prompts
from gateway.bench.prompts import LEAD, LEAD_WORDS, supply, synthetic_prompts
from gateway.bench.words import WORDS


def write(folder: Path, *lines: object) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def test_a_file_may_hold_strings_prompts_and_conversations(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "c"}]
    lines = (json.dumps("a"), "", {"prompt": "b", "max_tokens": 9}, {"messages": talk})
    found = read_prompts(write(tmp_path, *lines), 20, exact=False)
    assert [prompt.text for prompt in found.prompts] == ["a", "b", "c"]
    assert [prompt.max_tokens for prompt in found.prompts] == [20, 9, 20]
    assert (found.facts.kind, found.facts.count, found.facts.source) == (
        "file",
        3,
        "prompts.jsonl",
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "prompts.jsonl:2 is not JSON"),
        ("7", "prompts.jsonl:2 must be"),
        ('{"prompt": ""}', "prompts.jsonl:2 must be"),
        ('{"messages": []}', "prompts.jsonl:2 must be"),
        ('{"messages": [{"content": "secret words"}]}', "prompts.jsonl:2 must be"),
        ('{"prompt": "secret words", "max_tokens": 0}', "max_tokens must be"),
        ('{"prompt": "secret words", "max_tokens": true}', "max_tokens must be"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(PromptsUnreadable, match=said) as caught:
        read_prompts(write(tmp_path, {"prompt": "fine"}, line), 20, exact=False)
    assert "secret words" not in str(caught.value)


def test_a_file_without_prompts_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptsUnreadable, match="holds no prompt"):
        read_prompts(write(tmp_path, "", " "), 20, exact=False)
    with pytest.raises(PromptsUnreadable, match="cannot be read: No such file"):
        read_prompts(tmp_path / "none.jsonl", 20, exact=False)


def test_made_prompts_have_their_length_and_their_seed() -> None:
    made = synthetic_prompts(100, 20, words=90, seed=4, exact=True, count=3)
    assert [len(prompt.text.split()) for prompt in made.prompts] == [90 - LEAD_WORDS + 1] * 3
    assert len({prompt.text for prompt in made.prompts}) == 3
    assert made == synthetic_prompts(100, 20, words=90, seed=4, exact=True, count=3)
    assert made != synthetic_prompts(100, 20, words=90, seed=5, exact=True, count=3)


@pytest.mark.parametrize("spread", [0.0, 0.5, 0.9])
def test_answers_of_made_prompts_lie_evenly_around_their_mean(spread: float) -> None:
    made = synthetic_prompts(100, 100, words=90, seed=4, exact=True, spread=spread, count=32)
    lengths = [prompt.max_tokens for prompt in made.prompts]
    assert sum(lengths) / 32 == pytest.approx(100, abs=0.5)
    assert min(lengths) == pytest.approx(100 * (1 - spread), abs=4)
    assert max(lengths) == pytest.approx(100 * (1 + spread), abs=4)
    assert len(set(lengths)) == (32 if spread else 1)
    assert made.facts.output_spread == spread


def test_an_answer_is_never_shorter_than_a_token() -> None:
    made = synthetic_prompts(8, 1, words=8, seed=4, exact=True, spread=0.9)
    assert {prompt.max_tokens for prompt in made.prompts} == {1, 2}


def test_no_two_requests_with_made_prompts_begin_alike() -> None:
    bodies = tuple(f'{{"content":"{LEAD} = {n}"}}'.encode() for n in range(2))
    next_body = supply(bodies, "seed")
    sent = [json.loads(next_body())["content"] for _ in range(50)]
    leads = {text.partition(" = ")[0] for text in sent}
    assert len(leads) == 50
    assert all(len(lead.split()) == LEAD_WORDS for lead in leads)
    assert {word for lead in leads for word in lead.split()} <= set(WORDS)


def test_prompts_of_a_file_are_asked_in_turn_and_unchanged() -> None:
    bodies = tuple(b"%d" % n for n in range(5))
    next_body = supply(bodies, "seed")
    first, second = ([next_body() for _ in range(5)] for _ in range(2))
    assert sorted(first) == sorted(bodies)
    assert first == second
    assert supply(bodies, "seed")() == first[0]


def test_all_that_are_compared_are_asked_in_the_same_order_but_never_the_same() -> None:
    bodies = tuple(f"{LEAD} = {n}".encode() for n in range(9))
    raw, queued = supply(bodies, "seed", "raw"), supply(bodies, "seed", "gateway")
    pairs = [(raw().partition(b" = "), queued().partition(b" = ")) for _ in range(20)]
    assert all(one[2] == other[2] for one, other in pairs)
    assert all(one[0] != other[0] for one, other in pairs)


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        (((32, 42), (64, 74)), 118),  # a template of ten, a token a word
        (((32, 74), (64, 138)), 59),  # two tokens a word
        (((32, None), (64, None)), 128),
        (((32, 40), (64, 40)), 128),  # a runner that always says the same
        (((2, 500), (4, 502)), LEAD_WORDS),  # a template that is too long by itself
    ],
)
def test_the_number_of_words_follows_from_two_counts(
    counted: tuple[tuple[int, int | None], tuple[int, int | None]], words: int
) -> None:
    assert fitting_words(counted, 128) == words
