"""The tokenizer: byte-level BPE, trained on the corpus, and the chat format around it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

START, END = "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The trained tokenizer and what a GGUF keeps of it."""

    tokenizer: Tokenizer

    @property
    def tokens(self) -> list[str]:
        """All tokens in the order of their ids, in GPT-2's printable spelling of bytes."""
        ids: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(ids, key=ids.__getitem__)

    @property
    def merges(self) -> list[str]:
        """The merges in order, `left right` each."""
        merges = json.loads(self.tokenizer.to_str())["model"]["merges"]
        return [" ".join(pair) for pair in merges]

    def encode(self, text: str) -> list[int]:
        """Ids of `text`; `<|im_start|>` and `<|im_end|>` in it become control tokens."""
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids


def train_vocabulary(texts: Iterable[str], size: int) -> Vocabulary:
    """Train `size` tokens: all 256 bytes (so that any input has ids), merges, two controls."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)  # llama.cpp calls it "gpt-2"
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=[START, END],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Vocabulary(tokenizer)
