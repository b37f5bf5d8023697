"""Size of a GGUF file of known tensors that is not here: `file_size`, and how far off predictions are: `error_band`."""

from collections.abc import Iterable

from advisor.models.quantization_groups import NamedShape
from advisor.models.quantization_names import quantization
from advisor.models.tensor import Tensor

ALIGNMENT = 32
"""GGUF_DEFAULT_ALIGNMENT (ggml/include/gguf.h); general.alignment may say otherwise."""
_FIXED_HEADER = 24
"""Magic, version, tensor count and key count (GGUF version 3)."""


def file_size(tensors: Iterable[Tensor], keys_bytes: int, *, alignment: int = ALIGNMENT) -> int:
    """Bytes of a one-part GGUF file of `tensors` whose keys take `keys_bytes`: header and tensors are padded to `alignment`.

    Source: ggml/src/gguf.cpp, gguf_write_to_buf and GGML_PAD.
    """
    listed = tuple(tensors)
    return padded(header_bytes(listed, keys_bytes), alignment) + sum(padded(tensor.n_bytes, alignment) for tensor in listed)


def header_bytes(tensors: Iterable[NamedShape], keys_bytes: int) -> int:
    """Bytes before the padding that precedes tensor data: the fixed header, keys and the tensor table.

    An entry of the table is the name with its length, the number of dimensions, the dimensions, the type and the offset.
    """
    return _FIXED_HEADER + keys_bytes + sum(8 + len(t.name.encode()) + 4 + 8 * len(t.shape) + 4 + 8 for t in tensors)


def padded(size: int, alignment: int = ALIGNMENT) -> int:
    """`size` rounded up to a multiple of `alignment`."""
    return -(-size // alignment) * alignment


def error_band(name: str, *, mixture: bool) -> tuple[float, float]:
    """How far a published file of a quantization may be from its predicted size: (lowest, highest) relative difference.

    `mixture` for a mixture of experts. Plain names: 0.1 % to either side, which 176 of 191 published files of known exact size
    are well within. Publishers' own mixes: what was seen in files.
    """
    chosen = quantization(name)
    if chosen.exact:
        return -0.001, 0.001
    low, expected, high = chosen.size_ratio(mixture=mixture)
    return low / expected - 1, high / expected - 1
