"""Files of slices: Gaussian weights, quantized by ggml, written into a file that has only its header so far."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from advisor.engine.ggml_structs import Library, function
from advisor.models.gguf_header import read_header
from advisor.models.tensor import Tensor

_PATTERN_VALUES = 1 << 20
"""So many values are drawn and quantized for rows of one length and type, and repeated: speed does not depend on them."""
_DEVIATION = 0.02
"""Of the weights, as models are initialized: activations stay finite through all layers."""
_WRITTEN_AT_ONCE = 16 << 20


class SliceWriter:
    """Fills files of slices; patterns are kept between them. Needs ggml loaded, so it belongs into the worker."""

    def __init__(self, library: Library) -> None:
        floats, size = ctypes.POINTER(ctypes.c_float), ctypes.c_int64
        self._quantize = function(
            library.base,
            "ggml_quantize_chunk",
            ctypes.c_size_t,
            ctypes.c_int,
            floats,
            ctypes.c_void_p,
            size,
            size,
            size,
            floats,
        )
        self._row_size = library.row_size
        self._patterns: dict[tuple[int, int], bytes] = {}
        self._random = np.random.default_rng(20_260_101)

    def fill(self, path: Path, wrote: Callable[[int], None] = lambda _: None) -> None:
        """Write the weights of the file at `path`, which has a header and a hole; `wrote` gets the bytes of each piece.

        Raises OSError where the disk has no room.
        """
        header = read_header(path)
        with path.open("r+b") as file:
            for tensor in header.tensors:
                file.seek(header.header_bytes + (tensor.offset or 0))
                for count in _repeat(file, self._values(tensor), tensor.n_bytes):
                    wrote(count)

    def _values(self, tensor: Tensor) -> bytes:
        """The bytes that a tensor repeats. Norms are ones; what is exponentiated in recurrent layers is negative."""
        if len(tensor.shape) == 1 or "norm" in tensor.name or "ssm_a" in tensor.name:
            value = -1.0 if "ssm_a" in tensor.name else 1.0 if "norm" in tensor.name else 0.0
            return self._quantized(tensor, np.full((1, tensor.shape[0]), value, dtype=np.float32))
        key = (int(tensor.type), tensor.shape[0])
        if key not in self._patterns:
            rows = max(1, _PATTERN_VALUES // tensor.shape[0])
            drawn = self._random.standard_normal((rows, tensor.shape[0]), dtype=np.float32) * np.float32(_DEVIATION)
            self._patterns[key] = self._quantized(tensor, drawn)
        return self._patterns[key]

    def _quantized(self, tensor: Tensor, values: NDArray[np.float32]) -> bytes:
        rows, width = values.shape
        target = ctypes.create_string_buffer(int(self._row_size(int(tensor.type), width)) * rows)
        # Types of few bits insist on an importance matrix; one of ones stands for any.
        importance = np.ones(width, dtype=np.float32)
        self._quantize(int(tensor.type), _floats(values), target, 0, rows, width, _floats(importance))
        return target.raw


def _floats(values: NDArray[np.float32]) -> Any:
    return np.ascontiguousarray(values).ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def _repeat(file: BinaryIO, values: bytes, n_bytes: int) -> Iterator[int]:
    many = values * max(1, min(_WRITTEN_AT_ONCE, n_bytes) // len(values))
    left = n_bytes
    while left:
        part = many if left >= len(many) else many[:left]
        file.write(part)
        left -= len(part)
        yield len(part)
