"""Export the shipped model as a Hugging Face directory: `python -m backends.builtin.export_hf DIR`.

For runners that read no GGUF, such as vLLM. Reads the GGUF; needs `gguf` and numpy, no PyTorch.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.builtin import model_path

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_CONTROL = 3  # gguf.TokenType.CONTROL

_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The GGUF's fields by name."""

    reader: GGUFReader

    def __getitem__(self, name: str) -> Any:
        return self.reader.fields[name].contents()


def export_hf(directory: Path, source: Path | None = None) -> Path:
    """Write config, tokenizer and weights (float32) into `directory`, made if missing; return it.

    `source` is a GGUF made by `train`; default the shipped one. Raises `ModuleNotFoundError`
    without the `gguf` package, `OSError` where a file cannot be read or written.
    """
    from gguf import GGUFReader

    reader = GGUFReader(source or model_path())
    metadata = _Metadata(reader)
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("config.json", _config(metadata)),
        ("generation_config.json", {"eos_token_id": metadata["tokenizer.ggml.eos_token_id"]}),
        ("tokenizer.json", _tokenizer(metadata)),
        ("tokenizer_config.json", _tokenizer_config(metadata)),
    ):
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (directory / name).write_text(text, encoding="utf-8")
    template = metadata["tokenizer.chat_template"]
    (directory / "chat_template.jinja").write_text(template, encoding="utf-8")
    _write_safetensors(directory / "model.safetensors", _weights(reader, metadata))
    return directory


def _config(metadata: _Metadata) -> dict[str, Any]:
    heads = metadata["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": metadata["llama.vocab_size"],
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.rope.dimension_count"],
        "hidden_act": "silu",
        "max_position_embeddings": metadata["llama.context_length"],
        "rms_norm_eps": metadata["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": metadata["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "torch_dtype": "float32",
    }


def _tokenizer(metadata: _Metadata) -> dict[str, Any]:
    """A `tokenizer.json`: byte-level BPE without prefix space, as llama.cpp's "gpt-2"."""
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    kinds: list[int] = metadata["tokenizer.ggml.token_type"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": token, **plain, "special": True}
            for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind == _CONTROL
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level | {"use_regex": True},
        "post_processor": None,
        "decoder": byte_level | {"use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def _tokenizer_config(metadata: _Metadata) -> dict[str, Any]:
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    end = tokens[metadata["tokenizer.ggml.eos_token_id"]]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": metadata["llama.context_length"],
        "bos_token": None,
        "eos_token": end,
        "pad_token": end,
        "chat_template": metadata["tokenizer.chat_template"],
        "clean_up_tokenization_spaces": False,
    }


def _weights(reader: GGUFReader, metadata: _Metadata) -> dict[str, Matrix]:
    import numpy as np
    from gguf import dequantize

    weights: dict[str, Matrix] = {}
    for tensor in reader.tensors:
        matrix = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        parts = tensor.name.split(".")
        if parts[0] != "blk":
            weights[f"{_OUTER[parts[0]]}.weight"] = matrix
            continue
        if parts[2] in ("attn_q", "attn_k"):
            matrix = _halves(matrix, metadata["llama.rope.dimension_count"])
        weights[f"model.layers.{parts[1]}.{_INNER[parts[2]]}.weight"] = matrix
    return weights


def _halves(matrix: Matrix, head_width: int) -> Matrix:
    """Rotary pairs from neighbours (llama.cpp) to halves of a head (Hugging Face)."""
    import numpy as np

    heads = matrix.reshape(-1, head_width // 2, 2, matrix.shape[1])
    return np.ascontiguousarray(heads.swapaxes(1, 2).reshape(matrix.shape))


def _write_safetensors(path: Path, weights: dict[str, Matrix]) -> None:
    """The format's three parts: length of the header (u64), header (JSON), data."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, matrix in weights.items():
        end = offset + matrix.nbytes
        header[name] = {
            "dtype": "F32",
            "shape": list(matrix.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # data must begin at a multiple of eight
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for matrix in weights.values():
            file.write(matrix.astype("<f4").tobytes())


def main() -> None:
    """Export to the directory named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where to write; made if missing")
    print(export_hf(parser.parse_args().directory))


if __name__ == "__main__":
    main()
