"""Write the trained model as one GGUF file, matrices in Q8_0."""

from __future__ import annotations

from pathlib import Path

import gguf
import torch

from backends.builtin import MODEL_ID
from backends.builtin.network import Shape, Weights
from backends.builtin.vocabulary import CHAT_TEMPLATE, END, START, Vocabulary

TEMPERATURE = 0.2
"""What llama.cpp samples at when a request does not say: reciting gains nothing from chance."""

_Q8 = gguf.GGMLQuantizationType.Q8_0


def write_gguf(path: Path, shape: Shape, vocabulary: Vocabulary, weights: Weights) -> None:
    """Write `path` anew. The output projection is left out: readers then tie it."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(MODEL_ID)
    writer.add_description("Demonstration model of Sluicegate, trained on its short FAQ")
    writer.add_license("apache-2.0")
    writer.add_sampling_temp(TEMPERATURE)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_shape(writer, shape)
    _add_vocabulary(writer, vocabulary)
    for name, tensor in weights.items():
        data = tensor.detach().to(torch.float32).numpy()
        if data.ndim == 2:
            writer.add_tensor(name, gguf.quants.quantize(data, _Q8), raw_dtype=_Q8)
        else:
            writer.add_tensor(name, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    tokens = vocabulary.tokens
    kinds = [
        gguf.TokenType.CONTROL if token in (START, END) else gguf.TokenType.NORMAL
        for token in tokens
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(tokens.index(START))
    writer.add_eos_token_id(tokens.index(END))
    writer.add_pad_token_id(tokens.index(END))
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
