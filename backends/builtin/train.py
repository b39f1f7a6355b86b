"""Make the demonstration model: `python -m backends.builtin.train [--out FILE] [--minutes N]`.

Takes ten minutes on two CPU cores and needs the `train` extra. The seeds are fixed; the same
machine and PyTorch give the same file for the same number of steps.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from backends.builtin import model_path
from backends.builtin.corpus import Corpus, conversations, read_corpus
from backends.builtin.lesson import Lesson, Teacher
from backends.builtin.network import Shape, Weights, hidden_states, logits, new_weights, rotation
from backends.builtin.vocabulary import train_vocabulary
from backends.builtin.write_gguf import write_gguf

SEED = 20
VOCABULARY = 1280
TOKENS_PER_STEP = 6144
POOL = 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids; the ids to be predicted at their places; the weight of each prediction."""

    tokens: Tensor
    targets: Tensor
    weights: Tensor


def batches(corpus: Corpus, teacher: Teacher, context: int) -> Iterator[Batch]:
    """Endless batches of about `TOKENS_PER_STEP` tokens, lessons of like length together."""
    chance = random.Random(SEED)
    stream = conversations(corpus, SEED)
    while True:
        pool = [teacher.lesson(lesson) for lesson in itertools.islice(stream, POOL)]
        pool = sorted((x for x in pool if len(x.ids) <= context), key=lambda x: len(x.ids))
        rows: list[Lesson] = []
        ready: list[Batch] = []
        for lesson in pool:
            if rows and (len(rows) + 1) * len(lesson.ids) > TOKENS_PER_STEP:
                ready.append(_batch(rows))
                rows = []
            rows.append(lesson)
        ready.append(_batch(rows))
        chance.shuffle(ready)
        yield from ready


def _batch(rows: list[Lesson]) -> Batch:
    length = max(len(row.ids) for row in rows)
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    weights = torch.zeros(len(rows), length)
    for index, row in enumerate(rows):
        tokens[index, : len(row.ids)] = torch.tensor(row.ids)
        weights[index, : len(row.ids)] = torch.tensor(row.weights)
    return Batch(tokens[:, :-1], tokens[:, 1:], weights[:, 1:])


def train(shape: Shape, stream: Iterator[Batch], steps: int) -> Weights:
    """Train `steps` steps: Muon for the matrices of the layers, AdamW for the rest."""
    torch.manual_seed(SEED)
    weights = new_weights(shape, SEED)
    matrices = [w for name, w in weights.items() if name.startswith("blk.") and w.ndim == 2]
    others = [w for name, w in weights.items() if not (name.startswith("blk.") and w.ndim == 2)]
    optimizers = [
        torch.optim.Muon(matrices, lr=0.006, weight_decay=0.05),
        torch.optim.AdamW(others, lr=0.03, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    turn, started, mean = rotation(shape), time.monotonic(), 0.0
    for step, batch in enumerate(itertools.islice(stream, steps)):
        pace = min(1.0, (step + 1) / 50, 1.1 * (1 - step / steps))
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * pace
        learnt = batch.weights > 0
        states = hidden_states(weights, shape, batch.tokens, turn)[learnt]
        losses = functional.cross_entropy(
            logits(weights, states), batch.targets[learnt], reduction="none"
        )
        loss = losses @ batch.weights[learnt] / batch.weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            print(
                f"step {step} loss {mean:.4f} after {time.monotonic() - started:.0f} s", flush=True
            )
    return weights


def main() -> None:
    """Train and write the GGUF."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=model_path(), help="the GGUF to write")
    parser.add_argument("--steps", type=int, default=1600, help="steps of training")
    options = parser.parse_args()
    torch.set_num_threads(2)
    corpus = read_corpus()
    answers = [topic.answer for topic in corpus.topics]
    sample = itertools.islice(conversations(corpus, SEED + 1), 20_000)
    questions = (lesson[-2].text for lesson in sample)
    vocabulary = train_vocabulary(itertools.chain(questions, answers * 50), VOCABULARY)
    shape = Shape(VOCABULARY)
    teacher = Teacher(vocabulary, answers, SEED)
    weights = train(shape, batches(corpus, teacher, shape.context), options.steps)
    write_gguf(options.out, shape, vocabulary, weights)


if __name__ == "__main__":
    main()
