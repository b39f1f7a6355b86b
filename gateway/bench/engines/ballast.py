"""The built-in model with ballast: the same answers, at the cost of a model that is worth serving.

As it is shipped a token costs less than passing it on, so that a comparison of engines would
compare their HTTP servers. Each of its layers gets further neurons whose weights are all zero. They
add nothing to any answer, and are read and multiplied as all others are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.builtin import model_path

if TYPE_CHECKING:
    from gguf import GGUFReader, GGUFWriter
    from numpy.typing import NDArray

_HIDDEN = "llama.feed_forward_length"
_BLOCK_VALUES, _BLOCK_BYTES = 32, 34
"""Q8_0: so many weights, and the bytes that hold them with their scale."""
_OWN_FIELDS = ("GGUF.", "general.architecture")
"""What the writer writes by itself."""


def write_with_ballast(path: Path, hidden: int, source: Path | None = None) -> Path:
    """Write it with `hidden` neurons in each layer, a multiple of 32, and return `path`.

    `source` is a GGUF in Q8_0 that `backends.builtin.train` made; default the shipped one. Raises
    `ModuleNotFoundError` without the `gguf` package, `OSError` where a file cannot be written.
    """
    from gguf import GGUFReader, GGUFWriter

    reader = GGUFReader(source or model_path())
    writer = GGUFWriter(path, "llama")
    _copy_fields(reader, writer, hidden)
    for tensor in reader.tensors:
        data = _padded(tensor.name, tensor.data, hidden)
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _copy_fields(reader: GGUFReader, writer: GGUFWriter, hidden: int) -> None:
    from gguf import GGUFValueType

    for name, field in reader.fields.items():
        if name.startswith(_OWN_FIELDS):
            continue
        value = hidden if name == _HIDDEN else field.contents()
        kind = field.types[0]
        below = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(name, value, kind, below)


def _padded(name: str, data: NDArray[Any], hidden: int) -> NDArray[Any]:
    """Zeros are zeros in Q8_0 too: a scale of zero before thirty-two of them."""
    import numpy as np

    if ".ffn_gate." in name or ".ffn_up." in name:
        return np.pad(data, ((0, hidden - data.shape[0]), (0, 0)))
    if ".ffn_down." in name:
        wide = hidden // _BLOCK_VALUES * _BLOCK_BYTES
        return np.pad(data, ((0, 0), (0, wide - data.shape[1])))
    return data
