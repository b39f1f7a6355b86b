"""Conversations to learn from, drawn at random from `faq.yaml` and `offtopic.yaml`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

_CHOICE = re.compile(r"\(([^()]*)\)")
_WORD = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Only answers are learnt."""

    role: str
    text: str


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """One answer and the patterns of its questions; `weight` is its share among the topics."""

    answer: str
    ask: Sequence[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Corpus:
    """The two files, read. `topics` ends with the fallback, whose questions are off topic."""

    topics: Sequence[Topic]
    words: Mapping[str, Sequence[str]]
    before: Sequence[str]
    after: Sequence[str]
    system: Sequence[str]


OFF_TOPIC_SHARE = 0.3


def read_corpus() -> Corpus:
    """Read both files. Raises `KeyError` where one lacks a part."""
    faq, other = _read("faq.yaml"), _read("offtopic.yaml")
    topics = [Topic(t["answer"], t["ask"], t.get("weight", 1.0)) for t in faq["topics"]]
    share = sum(topic.weight for topic in topics) * OFF_TOPIC_SHARE / (1 - OFF_TOPIC_SHARE)
    topics.append(Topic(faq["fallback"], other["prompts"], share))
    words = {name: [value] for name, value in faq["words"].items()} | other["words"]
    words["unlearned"] = faq["unlearned"]
    return Corpus(topics, words, faq["before"], faq["after"], faq["system"])


def conversations(corpus: Corpus, seed: int) -> Iterator[Conversation]:
    """Endless conversations, the same ones for the same seed; one in five has several turns."""
    chance = random.Random(seed)
    while True:
        turns = 1
        if chance.random() < 0.2:
            turns = chance.choice((2, 2, 2, 3, 4, 8))
        messages = [message for _ in range(turns) for message in _turn(corpus, chance)]
        if chance.random() < 0.4:
            role = "system" if chance.random() < 0.9 else "developer"
            messages.insert(0, Message(role, _system(corpus, chance)))
        yield tuple(messages)


def _turn(corpus: Corpus, chance: random.Random) -> tuple[Message, Message]:
    (topic,) = chance.choices(corpus.topics, [topic.weight for topic in corpus.topics])
    question = expand(chance.choice(topic.ask), corpus.words, chance)
    if topic is corpus.topics[-1] and chance.random() < 0.05:
        question = " ".join((question, *_salad(corpus, chance, _length(20, 700, chance))))
    return Message("user", _spoken(question, corpus, chance)), Message("assistant", topic.answer)


def _system(corpus: Corpus, chance: random.Random) -> str:
    if chance.random() < 0.85:
        return chance.choice(corpus.system)
    return "You are " + " ".join(_salad(corpus, chance, _length(1, 300, chance)))


def _length(least: int, most: int, chance: random.Random) -> int:
    """Each order of magnitude as often as the other: most are short, some fill the context."""
    return round(float(least * (most / least) ** chance.random()))


def expand(pattern: str, words: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    """Choose one text that `pattern` stands for."""
    while True:
        chosen = _CHOICE.sub(lambda found: chance.choice(found[1].split("|")), pattern)
        chosen = _WORD.sub(lambda found: _word(found[1], words, chance), chosen)
        if chosen == pattern:
            return " ".join(chosen.split())
        pattern = chosen


def _word(name: str, words: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    if name == "words":
        every = [word for kind in ("thing", "verb", "quality", "place") for word in words[kind]]
        return " ".join(chance.choices(every, k=chance.randint(1, 6)))
    return chance.choice(words[name])


def _salad(corpus: Corpus, chance: random.Random, length: int) -> list[str]:
    joints = ("the", "a", "and", "is", "of", "in", "to", "you", "that", "with", "not", "for", ".")
    kinds = ("thing", "verb", "quality", "place", "name", "number")
    return [
        chance.choice(joints)
        if chance.random() < 0.5
        else _word(chance.choice(kinds), corpus.words, chance)
        for _ in range(length)
    ]


def _spoken(question: str, corpus: Corpus, chance: random.Random) -> str:
    """The question as somebody might type it: framed, cased, punctuated and mistyped.

    Short ones get no typing errors: too little would be left to tell them by.
    """
    if chance.random() < 0.5:
        question = chance.choice(corpus.before) + question + chance.choice(corpus.after)
    draw = chance.random()
    if draw < 0.35:
        question = question.lower()
    elif draw < 0.75:
        question = question[:1].upper() + question[1:]
    elif draw < 0.79:
        question = question.upper()
    elif draw < 0.81:
        question = question.title()
    question += chance.choice(("", "", "", "?", "?", "?", "?", "??", ".", "!", " ?", "...", "?\n"))
    typos = (0, 0, 0, 0, 0, 1, 1, 2) if len(question) > 15 else (0,)
    for _ in range(chance.choice(typos)):
        question = _mistyped(question, chance)
    return question or "?"


def _mistyped(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text)) if text else 0
    here, rest = text[place : place + 1], text[place + 1 :]
    letter = chance.choice("abcdefghijklmnopqrstuvwxyz ")
    edit = chance.choice(("", here * 2, letter, letter + here, rest[:1] + here))
    return text[:place] + edit + (rest[1:] if edit == rest[:1] + here else rest)


def _read(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content
