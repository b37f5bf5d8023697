"""The tensor table of a GGUF header, and whether its tensors can lie where it says."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.errors import (
    GGUFAlignmentError,
    GGUFShapeError,
    GGUFTensorNameError,
    GGUFTensorRangeError,
    GGUFTensorTypeError,
)
from advisor.models.gguf_stream import HeaderStream
from advisor.models.gguf_values import read_name
from advisor.models.tensor import Tensor, tensor_bytes

MIN_TENSOR_BYTES = 24
"""What a table entry takes at least: length of its name, number of dimensions, type, offset."""

MAX_DIMENSIONS = 4
"""GGML_MAX_DIMS (ggml/include/ggml.h:222)."""

MAX_NAME_BYTES = 64
"""From the specification, and GGML_MAX_NAME (ggml/include/ggml.h:229)."""

_MAX_INT = 2**63 - 1
_OBJECT_BYTES = 450
"""About what a Tensor, its shape and its place in a tuple and a set take, without the name."""

# Numbers that ggml has given up (ggml/include/ggml.h:394-428), by the type that took their place.
_REMOVED = {4: "Q4_0", 5: "Q4_0", 31: "Q4_0", 32: "Q4_0", 33: "Q4_0", 36: "IQ4_NL", 37: "IQ4_NL", 38: "IQ4_NL"}


def read_tensors(stream: HeaderStream, n_tensors: int) -> tuple[Tensor, ...]:
    """The next `n_tensors` entries of the table, each checked by itself. Raises GGUFError of the kind that fits."""
    tensors: dict[str, Tensor] = {}
    stream.expect(n_tensors * (MIN_TENSOR_BYTES + 48))
    for _ in range(n_tensors):
        offset = stream.offset
        tensor = _read_tensor(stream)
        if tensor.name in tensors:
            raise GGUFTensorNameError(f'has a damaged header: the tensor "{tensor.name}" is there twice', offset=offset)
        tensors[tensor.name] = tensor
    return tuple(tensors.values())


def check_ranges(tensors: Sequence[Tensor], alignment: int, data_start: int, file_bytes: int | None) -> None:
    """Raises where a tensor is not aligned, lies over another, or ends behind `file_bytes` (None: not known)."""
    placed = sorted((tensor.offset or 0, tensor.n_bytes, tensor.name) for tensor in tensors)
    for offset, n_bytes, name in placed:
        end = data_start + offset + n_bytes
        if offset % alignment:
            raise GGUFAlignmentError(
                f'has a damaged header: the tensor "{name}" does not begin on a multiple of {alignment}',
                offset=data_start + offset,
            )
        if end > _MAX_INT:
            raise GGUFTensorRangeError(f'has a damaged header: the tensor "{name}" ends behind any file', offset=data_start)
    for (offset, n_bytes, name), (next_offset, _, next_name) in pairwise(placed):
        if offset + n_bytes > next_offset:
            raise GGUFTensorRangeError(
                f'has a damaged header: the tensors "{name}" and "{next_name}" lie over each other',
                offset=data_start + next_offset,
            )
    if placed and file_bytes is not None:
        offset, n_bytes, name = placed[-1]
        if data_start + offset + n_bytes > file_bytes:
            raise GGUFTensorRangeError(
                f"is cut off: it has {file_bytes:,} bytes and its tensors go on to byte {data_start + offset + n_bytes:,}",
                offset=file_bytes,
                advice="the download is not complete: finish it or download it again",
            )


def data_end(tensors: Sequence[Tensor]) -> int:
    """Bytes from the start of the tensor data to the end of its last tensor."""
    return max(((tensor.offset or 0) + tensor.n_bytes for tensor in tensors), default=0)


def _read_tensor(stream: HeaderStream) -> Tensor:
    start = stream.offset
    name = read_name(stream, MAX_NAME_BYTES, "the name of a tensor", GGUFTensorNameError)
    stream.allowance.spend(_OBJECT_BYTES, start)
    what = f'the tensor "{name}"'
    (n_dimensions,) = stream.unpack("I", what)
    if n_dimensions > MAX_DIMENSIONS:
        raise GGUFShapeError(
            f"has a damaged header: {what} has {n_dimensions:,} dimensions, and {MAX_DIMENSIONS} are allowed", offset=start
        )
    *shape, number, offset = stream.unpack(f"{n_dimensions}QIQ", what)
    kind = _type(number, what, start)
    _check_shape(tuple(shape), kind, what, start)
    return Tensor(name, tuple(shape), kind, offset)


def _type(number: int, what: str, offset: int) -> GGMLQuantizationType:
    try:
        return GGMLQuantizationType(number)
    except ValueError:
        pass
    if number in _REMOVED:
        raise GGUFTensorTypeError(
            f"cannot be read by llama.cpp: {what} has type {number}, which was removed",
            offset=offset,
            advice=f"choose the {_REMOVED[number]} file of this model, which is repacked at loading",
        )
    raise GGUFTensorTypeError(f"cannot be read: {what} has the unknown type {number}", offset=offset)


def _check_shape(shape: tuple[int, ...], kind: GGMLQuantizationType, what: str, offset: int) -> None:
    """The checks of ggml/src/gguf.cpp:693-758, and that no dimension is empty."""
    problem = None
    block = GGML_QUANT_SIZES[kind][0]
    if any(length > _MAX_INT for length in shape):
        problem = "has a negative dimension"
    elif not all(shape):
        problem = "has an empty dimension"
    elif prod(shape) > _MAX_INT or tensor_bytes(prod(shape), kind) > _MAX_INT:
        problem = "is larger than any memory"
    elif (shape[0] if shape else 1) % block:
        problem = f"has rows of {shape[0] if shape else 1:,}, which is no multiple of the {block} that {kind.name} needs"
    if problem:
        raise GGUFShapeError(f"has a damaged header: {what} {problem}", offset=offset)
