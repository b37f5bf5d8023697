"""Size of a GGUF file that is not here: `file_size` from its tensors, `keys_bytes` for the part that the vocabulary takes."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from advisor.models.hyperparameters import Hyperparameters
from advisor.models.quantization import quantized_bytes
from advisor.models.quantization_groups import NamedShape, TensorGroups
from advisor.models.quantization_names import quantization
from advisor.models.tensor import Tensor

ALIGNMENT = 32
"""GGUF_DEFAULT_ALIGNMENT (ggml/include/gguf.h); general.alignment may say otherwise."""


def file_size(tensors: Iterable[Tensor], keys_bytes: int, *, alignment: int = ALIGNMENT) -> int:
    """Bytes of a one-part GGUF file of `tensors`: header and each tensor padded to `alignment` (ggml/src/gguf.cpp)."""
    listed = tuple(tensors)
    header = header_bytes(listed, keys_bytes)
    return _padded(header, alignment) + sum(_padded(tensor.n_bytes, alignment) for tensor in listed)


def predicted_file_size(groups: TensorGroups, hp: Hyperparameters, name: str, *, imatrix: bool | None = None) -> int:
    """Bytes of the file of a model in quantization `name`; for UD- names the base mix times the median published ratio."""
    listed = sum(_entry_bytes(tensor, shape) for tensor, shape in zip(groups.names, groups.shapes, strict=True))
    data = int(quantized_bytes(groups, [name], imatrix=imatrix, alignment=ALIGNMENT)[0])
    return _padded(_FIXED_HEADER + keys_bytes(hp) + listed, ALIGNMENT) + data


def error_band(name: str, hp: Hyperparameters) -> tuple[float, float]:
    """How far the size of a published file may be from the predicted one, as (lowest, highest) relative difference.

    Plain names: 0.1 % to either side, which 176 of 191 published files of known exact size are well within. UD- names: what was
    seen in published files.
    """
    chosen = quantization(name)
    if chosen.exact:
        return -0.001, 0.001
    low, expected, high = chosen.size_ratio(mixture=hp.expert_count > 1)
    return low / expected - 1, high / expected - 1


_FIXED_HEADER = 24
"""Magic, version, tensor count and key count (GGUF version 3)."""


def header_bytes(tensors: Iterable[NamedShape], keys_bytes: int) -> int:
    """Bytes before the padding that precedes tensor data: the fixed header, keys and the tensor table (ggml/src/gguf.cpp)."""
    return _FIXED_HEADER + keys_bytes + sum(_entry_bytes(tensor.name, tensor.shape) for tensor in tensors)


def _entry_bytes(name: str, shape: tuple[int, ...]) -> int:
    """Length and text of the name, number of dimensions, dimensions, type and offset."""
    return 8 + len(name.encode()) + 4 + 8 * len(shape) + 4 + 8


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    tokens: int
    bytes: int
    architectures: frozenset[str]


@cache
def _tokenizers() -> tuple[_Tokenizer, ...]:
    table = tomllib.loads(resources.files("advisor.models").joinpath("tokenizer_sizes.toml").read_text("utf-8"))
    rows = table["tokenizer"]
    return tuple(_Tokenizer(row["tokens"], row["bytes"], frozenset(row.get("architectures", ()))) for row in rows)


def keys_bytes(hp: Hyperparameters) -> int:
    """Bytes of all keys of a file of this model, an estimate: those of the vocabulary nearest in size, by the token.

    For known tokenizers off by 1 MB at most, by the chat template and the converter's version.
    """
    known = [row for row in _tokenizers() if hp.architecture in row.architectures]
    known = [row for row in known if abs(row.tokens - hp.vocab_size) <= row.tokens // 50]
    rows = known or [row for row in _tokenizers() if not row.architectures]
    nearest = min(rows, key=lambda row: abs(row.tokens - hp.vocab_size))
    return round(nearest.bytes * hp.vocab_size / nearest.tokens) if hp.vocab_size else nearest.bytes


def _padded(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
