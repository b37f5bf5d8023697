"""What each GPU backend of llama.cpp tells the planner: one rule table, every rule with the source lines that it imitates.

Rules are functions of a tensor as the graph has it. Sources are files of ggml/src of the pinned engine. What a backend keeps
outside the graph (its own pools, the driver) is no part of them.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from advisor.engine.ggml_structs import Address, Library, Tensor

OFFLOAD_ROWS = 32
"""Rows from which on a backend computes with weights copied from the host: GGML_OP_OFFLOAD_MIN_BATCH's default
(ggml-cuda.cu:5825, ggml-metal-device.m:1285, ggml-vulkan.cpp:16111, ggml-sycl.cpp:7272)."""
_ROW_PADDING = 512
"""MATRIX_ROW_PADDING, ggml-cuda/common.cuh:186 and ggml-sycl/presets.hpp:20."""
_F16 = 1
_F32 = 0


@dataclass(frozen=True)
class BackendRules:
    """One backend as far as planning can see it. Sizes in bytes."""

    name: str
    source: str
    alignment: int
    offloads: Callable[["Reader", Tensor], bool]
    """Whether it wants an operation whose weights lie on the host."""
    extra_bytes: Callable[["Reader", Tensor], int] | None
    """What a tensor takes beyond its own size, for scratch and padding; None where nothing ever does."""
    supports_flash_attention: Callable[["Reader", Tensor], bool] | None
    """Whether it computes this flash attention; None where it computes any. All other operations are taken as supported."""
    caveat: str | None = None
    """What a plan by these rules leaves out, in a sentence for a person."""
    host_buffer: bool = True
    """It has pinned host memory of its own, in which the host's compute buffer then lies."""
    buffer_from_host_ptr: bool = False
    max_buffer: int | None = None


class Reader:
    """Reads tensors that the engine points to."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.ops = library.ops
        self._mixed = (self.ops["MUL_MAT_ID"], self.ops["ROPE"], self.ops["ROPE_BACK"])

    def source(self, tensor: Tensor, index: int) -> Tensor | None:
        """An operand; None where there is none."""
        address: Address | None = tensor.src[index]
        return Tensor.from_address(address) if address else None

    def n_bytes(self, tensor: Tensor) -> int:
        """Bytes of the tensor's own data."""
        return int(self._library.n_bytes(ctypes.addressof(tensor)))

    def is_quantized(self, tensor: Tensor) -> bool:
        """True for types of more than one value a block."""
        return bool(self._library.is_quantized(tensor.type))

    def row_bytes(self, tensor: Tensor, elements: int) -> int:
        """Bytes of `elements` in the tensor's type."""
        return int(self._library.row_size(tensor.type, elements))

    def rows(self, tensor: Tensor) -> int:
        """ggml_nrows."""
        return int(tensor.ne[1] * tensor.ne[2] * tensor.ne[3])

    def batch(self, tensor: Tensor) -> int:
        """get_op_batch_size of CUDA, Vulkan and SYCL: rows that an operation computes at once."""
        if tensor.op == self.ops["GET_ROWS"]:
            return 0
        if tensor.op == self.ops["MUL_MAT"]:
            return int(tensor.ne[1])
        return int(tensor.ne[2]) if tensor.op in self._mixed else self.rows(tensor)


def _elements(tensor: Tensor) -> int:
    return int(tensor.ne[0] * tensor.ne[1] * tensor.ne[2] * tensor.ne[3])


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


def _values_in_keys(K: Tensor, V: Tensor) -> bool:
    """True where V is a view of K, as MLA has it (ggml-cuda/fattn-common.cuh:63, ggml-metal-ops.cpp:3046)."""
    if not V.view_src:
        return False
    return bool(V.view_src == ctypes.addressof(K) or (V.view_src == K.view_src and V.view_offs == K.view_offs))


def _offloads_batches(read: Reader, op: Tensor) -> bool:
    return read.batch(op) >= OFFLOAD_ROWS


# --- CUDA and ROCm (the HIP build compiles the same files) -----------------------------------------

_CUDA_HEADS = (40, 64, 72, 80, 96, 112, 128, 256, 512)
_CUDA_UNEQUAL_HEADS = {192: (128, 8), 320: (256, 32), 576: (512, 1)}
"""Key width: (value width, what the query heads a key head must divide by), fattn.cu:575-625."""


def _cuda_flash_attention(read: Reader, op: Tensor) -> bool:
    """ggml_cuda_get_best_fattn_kernel is not NONE (ggml-cuda/fattn.cu:540-637)."""
    Q, K, V, mask = (read.source(op, index) for index in range(4))
    assert Q is not None
    assert K is not None
    assert V is not None
    if mask is not None and mask.ne[2] != 1:
        return False
    ratio = Q.ne[2] // K.ne[2]
    grouped = ratio >= 2 and mask is not None and K.ne[1] % 256 == 0
    if K.ne[0] in _CUDA_UNEQUAL_HEADS:
        width, divisor = _CUDA_UNEQUAL_HEADS[K.ne[0]]
        return bool(V.ne[0] == width and grouped and ratio % divisor == 0)
    return bool(K.ne[0] in _CUDA_HEADS and V.ne[0] == K.ne[0] and (grouped or K.ne[0] != 512))


def _cuda_extra(read: Reader, tensor: Tensor) -> int:
    """Padding of quantized rows, and flash attention's f16 copies of keys and values of another type
    (ggml-cuda.cu:903-920, fattn.cu:722-757, fattn-common.cuh:53-88)."""
    if tensor.op == read.ops["FLASH_ATTN_EXT"]:
        return _f16_copies(read, tensor, alignment=128)
    if read.is_quantized(tensor) and tensor.ne[0] % _ROW_PADDING:
        return read.row_bytes(tensor, _ROW_PADDING - tensor.ne[0] % _ROW_PADDING)
    return 0


def _f16_copies(read: Reader, op: Tensor, *, alignment: int) -> int:
    Q, K, V = (read.source(op, index) for index in range(3))
    assert Q is not None
    assert K is not None
    assert V is not None
    # One row at a time the vector kernel reads equal quantized types as they are (fattn.cu:741-745).
    vector = Q.ne[1] == 1 and Q.ne[0] <= 256 and Q.ne[0] % 64 == 0 and Q.ne[0] != 192 and K.type == V.type != _F32
    if vector:
        return 0
    own = 4 * _elements(op)
    end = own
    if K.type != _F16:
        end = _padded(end, alignment) + 2 * _elements(K)
    if V.type != _F16 and not (_values_in_keys(K, V) and K.type != _F16):
        end = _padded(end, alignment) + 2 * _elements(V)
    return end - own


_CUDA = BackendRules(
    name="CUDA",
    source="ggml-cuda/ggml-cuda.cu:897-920 (sizes), 5105-5129 (capabilities), 5630-5655 (buffers, offloading)",
    alignment=128,
    offloads=_offloads_batches,
    extra_bytes=_cuda_extra,
    supports_flash_attention=_cuda_flash_attention,
)

# --- Metal -----------------------------------------------------------------------------------------

_METAL_HEADS = (32, 40, 48, 64, 72, 80, 96, 112, 128, 192, 256, 320, 512, 576)
_METAL_SPARSE = frozenset(
    ((32, 32), (64, 64), (96, 96), (96, 64), (128, 128), (192, 128), (192, 192), (256, 256), (320, 256), (512, 512), (576, 512))
)
"""Widths of key and value heads, ggml-metal-ops.cpp:3010-3020."""
_METAL_TYPES = frozenset((0, 1, 2, 3, 6, 7, 8, 30))
"""F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and BF16 (ggml-metal-device.m:1752-1770)."""
_METAL_QUANTIZED = frozenset((2, 3, 6, 7, 8))


def _metal_offloads(read: Reader, op: Tensor) -> bool:
    """Matrix products only (ggml-metal.cpp:763-780)."""
    if op.op == read.ops["MUL_MAT"]:
        return bool(op.ne[1] >= OFFLOAD_ROWS)
    return bool(op.op == read.ops["MUL_MAT_ID"] and op.ne[2] >= OFFLOAD_ROWS)


def _metal_flash_attention(read: Reader, op: Tensor) -> bool:
    """ggml-metal-device.m:1727-1772."""
    Q, K, V = (read.source(op, index) for index in range(3))
    assert Q is not None
    assert K is not None
    assert V is not None
    widths = Q.ne[0] in _METAL_HEADS and K.ne[0] >= V.ne[0] and not (K.ne[0] == 72 and V.ne[0] != 72)
    return widths and K.type == V.type and K.type in _METAL_TYPES


def _metal_extra(read: Reader, tensor: Tensor) -> int:
    """Memory for fleeting data (ggml-metal.cpp:220-252)."""
    ops = read.ops
    if tensor.op == ops["MUL_MAT_ID"]:
        weights, ids = read.source(tensor, 0), read.source(tensor, 2)
        assert weights is not None
        assert ids is not None
        # ggml-metal-ops.cpp:2650-2674: tokens an expert, ids by expert and token, 2 + N_MM_NPART_AMAX scales
        return int(4 * weights.ne[2] + 4 * weights.ne[2] * ids.ne[1] + 8 + 256 * 4)
    if tensor.op == ops["FLASH_ATTN_EXT"]:
        return _metal_attention_extra(read, tensor)
    if tensor.op in (ops["CUMSUM"], ops["ARGSORT"]):
        return read.n_bytes(tensor)
    if tensor.op == ops["TOP_K"]:
        scores = read.source(tensor, 0)
        assert scores is not None
        return 8 * _elements(scores) - read.n_bytes(tensor)
    return 0


def _metal_attention_extra(read: Reader, op: Tensor) -> int:
    """ggml-metal-ops.cpp:3064-3229: padded tail, mask blocks, partial results, f16 keys and values, sparse indices."""
    Q, K, V, mask = (read.source(op, index) for index in range(4))
    assert Q is not None
    assert K is not None
    assert V is not None
    shared = _values_in_keys(K, V)
    in_f16 = Q.ne[1] >= 32 and K.type in _METAL_QUANTIZED
    k_row, v_row = K.nb[1], V.nb[1]
    if in_f16:
        k_row, v_row = 2 * K.ne[0], 2 * (K.ne[0] if shared else V.ne[0])
    tail = k_row * K.ne[2] * K.ne[3] + v_row * V.ne[2] * V.ne[3]
    blocks = indices = 0
    if mask is not None:
        tail += 2 * mask.ne[1] * mask.ne[2] * mask.ne[3]
        vector = Q.ne[1] < 20 and Q.ne[0] % 32 == 0
        queries, cells = (1, 32) if vector else (8, 64)
        blocks = _padded(-(-mask.ne[0] // cells) * -(-Q.ne[1] // queries) * mask.ne[2] * mask.ne[3], 32)
        most: int = op.op_params[4]
        if 0 < most <= 4096 and (K.ne[0], V.ne[0]) in _METAL_SPARSE and K.type in _METAL_TYPES:
            indices = _padded(4 * _padded(most, 32) * mask.ne[1] * mask.ne[2] * mask.ne[3], 16)
    partial = 4 * min(Q.ne[1], 32) * Q.ne[2] * Q.ne[3] * 32 * (V.ne[0] + 2)
    copies = _padded(2 * _elements(K), 16) + (0 if shared else _padded(2 * _elements(V), 16))
    return int(64 * tail + blocks + partial + copies + indices)


_METAL = BackendRules(
    name="Metal",
    source="ggml-metal/ggml-metal.cpp:220-252, 345-358 (sizes), 684-702 (capabilities), 753-780 (buffers, offloading)",
    alignment=32,
    offloads=_metal_offloads,
    extra_bytes=_metal_extra,
    supports_flash_attention=_metal_flash_attention,
    host_buffer=False,
    buffer_from_host_ptr=True,
)

# --- Vulkan ----------------------------------------------------------------------------------------

_VULKAN_TYPES = frozenset((0, 1, 2, 3, 6, 7, 8, 20, 30))
"""F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL and BF16 (ggml-vulkan.cpp:15471-15486)."""
_BF16 = 30


def _vulkan_flash_attention(read: Reader, op: Tensor) -> bool:
    """ggml-vulkan.cpp:15451-15498, for devices that have subgroup shuffles."""
    K, V = read.source(op, 1), read.source(op, 2)
    assert K is not None
    assert V is not None
    widths = K.ne[0] % 8 == 0 and V.ne[0] % 8 == 0
    return widths and {K.type, V.type} <= _VULKAN_TYPES and (K.type == _BF16) == (V.type == _BF16)


_VULKAN = BackendRules(
    name="Vulkan",
    source="ggml-vulkan/ggml-vulkan.cpp:13034-13047 (sizes), 4210-4218 (blocks of 1 GiB), 15277-15292 (capabilities), "
    "15962-15977 (buffers, offloading), ggml-vulkan-debug.cpp:766-779 (rows); alignment is the largest "
    "minStorageBufferOffsetAlignment that the Vulkan specification allows (Required Limits)",
    alignment=256,
    offloads=_offloads_batches,
    extra_bytes=None,
    supports_flash_attention=_vulkan_flash_attention,
    max_buffer=1 << 30,
)

# --- SYCL and GPUs of no named make ----------------------------------------------------------------

_SYCL = BackendRules(
    name="SYCL",
    source="ggml-sycl/ggml-sycl.cpp:1021-1067 (sizes), 6375-6381 (capabilities), 6849-6866 (offloading)",
    caveat="Copies that oneDNN makes for flash attention on Intel GPUs are not counted.",
    alignment=128,
    offloads=_offloads_batches,
    extra_bytes=_cuda_extra,
    supports_flash_attention=None,
)
_UNNAMED = BackendRules(
    name="GPU",
    source="no backend's: CUDA's alignment and offloading, nothing beyond a tensor's own size, as the formulas have it where "
    "no machine is named",
    alignment=128,
    offloads=_offloads_batches,
    extra_bytes=None,
    supports_flash_attention=None,
)

RULES: dict[str, BackendRules] = {
    "cuda": _CUDA,
    "rocm": _CUDA,
    "metal": _METAL,
    "vulkan": _VULKAN,
    "sycl": _SYCL,
    "": _UNNAMED,
}
"""By the name that machine profiles give a backend; "" where none is known."""
