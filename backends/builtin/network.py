"""The network in PyTorch: a plain Llama decoder over tensors that carry their GGUF names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network. Rows must be multiples of 32, the block of Q8_0."""

    vocabulary: int
    width: int = 128
    layers: int = 4
    heads: int = 2
    hidden: int = 384
    context: int = 2048
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Width of one attention head; vLLM's kernels want 64."""
        return self.width // self.heads


def new_weights(shape: Shape, seed: int) -> Weights:
    """Random weights; the output projection is the token embedding itself (tied)."""
    generator = torch.Generator().manual_seed(seed)
    weights: Weights = {}

    def matrix(name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        deviation = scale * columns**-0.5
        tensor = torch.randn(rows, columns, generator=generator) * deviation
        weights[name] = tensor.requires_grad_()

    def gain(name: str) -> None:
        weights[name] = torch.ones(shape.width, requires_grad=True)

    residual = (2 * shape.layers) ** -0.5  # keeps the sum of all layers at the size of one
    matrix("token_embd.weight", shape.vocabulary, shape.width)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        gain(f"{block}.attn_norm.weight")
        for part in ("q", "k", "v"):
            matrix(f"{block}.attn_{part}.weight", shape.width, shape.width)
        matrix(f"{block}.attn_output.weight", shape.width, shape.width, residual)
        gain(f"{block}.ffn_norm.weight")
        matrix(f"{block}.ffn_gate.weight", shape.hidden, shape.width)
        matrix(f"{block}.ffn_up.weight", shape.hidden, shape.width)
        matrix(f"{block}.ffn_down.weight", shape.width, shape.hidden, residual)
    gain("output_norm.weight")
    return weights


def rotation(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, `(context, head_width / 2)` each."""
    pairs = torch.arange(0, shape.head_width, 2) / shape.head_width
    angles = torch.outer(torch.arange(shape.context), shape.rope_base**-pairs)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn neighbouring pairs, as llama.cpp does; Hugging Face turns halves (see `export_hf`)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return turned.flatten(-2)


def hidden_states(
    weights: Weights, shape: Shape, tokens: Tensor, turn: tuple[Tensor, Tensor]
) -> Tensor:
    """What the network holds at every place of `tokens`, `(batch, length, width)`, normalised."""
    batch, length = tokens.shape
    cosine, sine = turn[0][:length], turn[1][:length]

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.rms_norm(x, (shape.width,), weights[name], shape.epsilon)

    def heads(x: Tensor) -> Tensor:
        return x.view(batch, length, shape.heads, shape.head_width).transpose(1, 2)

    x = functional.embedding(tokens, weights["token_embd.weight"])
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        h = norm(x, f"{block}.attn_norm.weight")
        q, k, v = (heads(h @ weights[f"{block}.attn_{part}.weight"].T) for part in "qkv")
        mixed = functional.scaled_dot_product_attention(
            rotate(q, cosine, sine), rotate(k, cosine, sine), v, is_causal=True
        )
        mixed = mixed.transpose(1, 2).reshape(batch, length, shape.width)
        x = x + mixed @ weights[f"{block}.attn_output.weight"].T
        h = norm(x, f"{block}.ffn_norm.weight")
        gate = functional.silu(h @ weights[f"{block}.ffn_gate.weight"].T)
        h = gate * (h @ weights[f"{block}.ffn_up.weight"].T)
        x = x + h @ weights[f"{block}.ffn_down.weight"].T
    return norm(x, "output_norm.weight")


def logits(weights: Weights, states: Tensor) -> Tensor:
    """Scores of the next token from hidden states; the output is tied to the embedding."""
    return states @ weights["token_embd.weight"].T
