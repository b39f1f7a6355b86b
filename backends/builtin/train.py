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
from backends.builtin.network import Shape, Weights, logits, new_weights, rotation
from backends.builtin.vocabulary import Vocabulary, encode_lesson, train_vocabulary
from backends.builtin.write_gguf import write_gguf

SEED = 20
VOCABULARY = 1024
TOKENS_PER_STEP = 3072
POOL = 256
DROPOUT = 0.05
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and, for every place, the id to be predicted there (or `IGNORED`)."""

    tokens: Tensor
    targets: Tensor


def batches(corpus: Corpus, vocabulary: Vocabulary, context: int) -> Iterator[Batch]:
    """Endless batches of about `TOKENS_PER_STEP` tokens, lessons of like length together."""
    chance = random.Random(SEED)
    stream = conversations(corpus, SEED)
    while True:
        pool = [
            encode_lesson(vocabulary, lesson, chance) for lesson in itertools.islice(stream, POOL)
        ]
        pool = sorted((p for p in pool if len(p[0]) <= context), key=lambda p: len(p[0]))
        rows: list[tuple[list[int], list[bool]]] = []
        ready: list[Batch] = []
        for lesson in pool:
            if rows and (len(rows) + 1) * len(lesson[0]) > TOKENS_PER_STEP:
                ready.append(_batch(rows))
                rows = []
            rows.append(lesson)
        ready.append(_batch(rows))
        chance.shuffle(ready)
        yield from ready


def _batch(rows: list[tuple[list[int], list[bool]]]) -> Batch:
    length = max(len(ids) for ids, _ in rows)
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    targets = torch.full((len(rows), length), IGNORED)
    for row, (ids, learn) in enumerate(rows):
        tokens[row, : len(ids)] = torch.tensor(ids)
        wanted = [i if yes else IGNORED for i, yes in zip(ids[1:], learn[1:], strict=True)]
        targets[row, : len(wanted)] = torch.tensor(wanted)
    return Batch(tokens, targets)


def train(shape: Shape, stream: Iterator[Batch], steps: int) -> Weights:
    """Train `steps` steps: Muon for the matrices of the layers, AdamW for the rest."""
    torch.manual_seed(SEED)
    weights = new_weights(shape, SEED)
    matrices = [w for name, w in weights.items() if name.startswith("blk.") and w.ndim == 2]
    others = [w for name, w in weights.items() if not (name.startswith("blk.") and w.ndim == 2)]
    optimizers = [
        torch.optim.Muon(matrices, lr=0.01, weight_decay=0.05),
        torch.optim.AdamW(others, lr=0.004, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    turn, started, mean = rotation(shape), time.monotonic(), 0.0
    for step, batch in enumerate(itertools.islice(stream, steps)):
        pace = min(1.0, (step + 1) / 50, 2.5 * (1 - step / steps))
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * pace
        scores = logits(weights, shape, batch.tokens, turn, DROPOUT)
        loss = functional.cross_entropy(
            scores.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step} loss {mean:.4f} after {time.monotonic() - started:.0f} s", flush=True)
    return weights


def main() -> None:
    """Train and write the GGUF."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=model_path(), help="the GGUF to write")
    parser.add_argument("--steps", type=int, default=1200, help="steps of training")
    options = parser.parse_args()
    torch.set_num_threads(2)
    corpus = read_corpus()
    sample = itertools.islice(conversations(corpus, SEED + 1), 20_000)
    vocabulary = train_vocabulary(
        (message.text for lesson in sample for message in lesson), VOCABULARY
    )
    shape = Shape(VOCABULARY)
    weights = train(shape, batches(corpus, vocabulary, shape.context), options.steps)
    write_gguf(options.out, shape, vocabulary, weights)


if __name__ == "__main__":
    main()
