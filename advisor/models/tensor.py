"""One tensor of a model: name, shape and type, with its exact size."""

from dataclasses import dataclass
from math import prod

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as a GGUF file stores it. `shape` is in ggml's order: `shape[0]` is the contiguous dimension (ne0)."""

    name: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    offset: int | None = None
    """Bytes from the start of the file's tensor data; None where the tensor is predicted and not read."""

    @property
    def elements(self) -> int:
        """Number of weights."""
        return prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes of the tensor's data, without the padding that follows it in a file."""
        return tensor_bytes(self.elements, self.type)


def tensor_bytes(elements: int, kind: GGMLQuantizationType) -> int:
    """Bytes of `elements` weights stored as `kind`, by the exact (block, bytes) pairs of `gguf.constants.GGML_QUANT_SIZES`."""
    block, block_bytes = GGML_QUANT_SIZES[kind]
    return elements // block * block_bytes


ROW_PADDING = 512
"""Values on whose multiples CUDA ends the rows of quantized tensors (MATRIX_ROW_PADDING, ggml-cuda/common.cuh:186)."""


def row_padding(tensor: Tensor) -> int:
    """Bytes that a quantized tensor takes beyond its own on CUDA (ggml-cuda.cu:903-920)."""
    lacking = -tensor.shape[0] % ROW_PADDING
    return tensor_bytes(lacking, tensor.type) if lacking and GGML_QUANT_SIZES[tensor.type][0] > 1 else 0
