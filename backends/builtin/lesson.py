"""Turn conversations into token ids, and say how much each id matters."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from backends.builtin.corpus import Conversation, Message
from backends.builtin.vocabulary import END, START, Vocabulary

SURE = 0.1
"""Weight of an id that could not be another one, given the answer so far."""
HEAD = 7
"""Ids after which most last answers are cut off: by then all answers differ."""
BARE_SHARE = 0.06
"""Share of the one-turn conversations that are learnt without chat format."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Token ids of a conversation, and the weight of each in the loss (0: not learnt)."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def put(self, ids: list[int], weights: Iterable[float]) -> None:
        """Append `ids` with their `weights`."""
        self.ids.extend(ids)
        self.weights.extend(weights)


class Teacher:
    """Encodes conversations.

    Where two answers part, the model must have understood the question; everything after is mere
    recitation. So those ids weigh ten times the others, and most lessons end soon after them.
    Questions are now and then cut in two before they are encoded. That gives words other ids than
    usual, and so the model learns to read words it has never seen from their pieces.
    """

    def __init__(self, vocabulary: Vocabulary, answers: Iterable[str], seed: int) -> None:
        self._vocabulary = vocabulary
        self._chance = random.Random(seed)
        self._next: dict[tuple[int, ...], set[int]] = {}
        for answer in answers:
            ids = vocabulary.encode(answer + END)
            for place, token in enumerate(ids):
                self._next.setdefault(tuple(ids[:place]), set()).add(token)

    def lesson(self, conversation: Conversation) -> Lesson:
        """Encode one conversation, which ends in an answer."""
        if len(conversation) == 2 and self._chance.random() < BARE_SHARE:
            return self._bare(conversation[0].text, conversation[1].text)
        lesson = Lesson()
        for message in conversation:
            if message.role != "assistant":
                ids = self._question(message)
                lesson.put(ids, [0.0] * len(ids))
                continue
            ids = self._vocabulary.encode(f"{START}assistant\n")
            lesson.put(ids, [0.0] * len(ids))
            ids = self._vocabulary.encode(message.text + END)
            if message is conversation[-1] and self._chance.random() < 0.85:
                ids = ids[:HEAD]
            lesson.put(ids, self._weights(ids))
            ids = self._vocabulary.encode("\n")
            lesson.put(ids, [0.0] * len(ids))
        return lesson

    def _bare(self, question: str, answer: str) -> Lesson:
        """Without chat format, for `/v1/completions`: a question, or an answer to be finished."""
        lesson = Lesson()
        ids = self._vocabulary.encode(answer + END)
        if self._chance.random() < 0.3:
            lesson.put(ids, [0.0, *self._weights(ids)[1:]])
            return lesson
        asked = self._vocabulary.encode(question)
        lesson.put(asked, [0.0] * len(asked))
        lesson.put(self._vocabulary.encode("\n"), [SURE])
        lesson.put(ids, self._weights(ids))
        return lesson

    def _weights(self, ids: list[int]) -> list[float]:
        return [1.0 if len(self._next[tuple(ids[:i])]) > 1 else SURE for i in range(len(ids))]

    def _question(self, message: Message) -> list[int]:
        text = f"{START}{message.role}\n{message.text}{END}\n"
        count = self._chance.choice((0, 0, 0, 0, 1, 2))
        cuts = sorted(self._chance.randrange(len(START), len(text)) for _ in range(count))
        pieces = zip([0, *cuts], [*cuts, len(text)], strict=True)
        return [i for a, b in pieces for i in self._vocabulary.encode(text[a:b])]
