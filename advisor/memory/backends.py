"""What each GPU backend of llama.cpp tells the planner: one rule table, every rule with the source lines that it imitates.

The formulas read it, and so do the GPUs that are imitated for the engine (advisor/engine). Sources are files of ggml/src of the
pinned engine. What a backend keeps outside the graph (its own pools, the driver) is no part of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gguf.constants import GGMLQuantizationType

OFFLOAD_ROWS = 32
"""Rows from which on a backend computes with weights copied from the host: GGML_OP_OFFLOAD_MIN_BATCH's default
(ggml-cuda.cu:5825, ggml-metal-device.m:1285, ggml-vulkan.cpp:16111, ggml-sycl.cpp:7272)."""
HOST_ALIGNMENT = 32
"""Bytes to which the CPU aligns tensors (ggml-cpu's buffers are ggml-backend.cpp's, TENSOR_ALIGNMENT of ggml-impl.h)."""
_Type = GGMLQuantizationType


class AttentionOperands(NamedTuple):
    """What decides how a backend takes a flash attention (GGML_OP_FLASH_ATTN_EXT)."""

    key_length: int
    value_length: int
    heads: int
    kv_heads: int
    rows: int
    """Query rows of one stream."""
    streams: int
    cells: int
    """Of the cache that is read."""
    key_type: int
    """A number of GGMLQuantizationType; so is `value_type`."""
    value_type: int
    key_row: int
    """Bytes from one cell's keys to the next (nb[1])."""
    value_row: int
    values_in_keys: bool
    """V is a view of K, as MLA has it (ggml-cuda/fattn-common.cuh:63, ggml-metal-ops.cpp:3046)."""
    mask: tuple[int, int, int] | None
    """ne[1], ne[2] and ne[3] of the mask; None where there is none."""
    most_cells: int = 0
    """Bound on the cells that a row attends to (op_params[4]); 0 where there is none."""

    @property
    def key_elements(self) -> int:
        """Values of all keys that are read."""
        return self.key_length * self.cells * self.kv_heads * self.streams

    @property
    def value_elements(self) -> int:
        """Values of all values that are read."""
        return self.value_length * self.cells * self.kv_heads * self.streams


@dataclass(frozen=True)
class BackendRules:
    """One backend as far as planning can see it. Sizes in bytes."""

    name: str
    source: str
    alignment: int
    offloaded: frozenset[str] | None = None
    """What it takes over of operations on weights of the host with `OFFLOAD_ROWS` rows or more; None: all."""
    row_padding: int = 0
    """Quantized tensors end on a whole number of this many values; 0 where they end as they do."""
    beside_attention: Callable[[AttentionOperands], int] | None = None
    """Bytes behind the result of a flash attention: scratch, and copies of keys and values in f16."""
    supports_attention: Callable[[AttentionOperands], bool] | None = None
    """Whether it computes this flash attention; None where it computes any. All other operations are taken as supported."""
    beside_experts: Callable[[int, int], int] | None = None
    """Bytes behind the result of MUL_MAT_ID, by experts and tokens."""
    doubled: frozenset[str] = frozenset()
    """Operations whose results take twice their size."""
    top_k_bytes: int = 0
    """What TOP_K's result takes for each of the values that it chooses from; 0 where it takes its own size."""
    caveat: str | None = None
    """What a plan by these rules leaves out, in a sentence for a person."""
    host_buffer: bool = True
    """It has pinned host memory of its own, in which the host's compute buffer then lies."""
    buffer_from_host_ptr: bool = False
    max_buffer: int | None = None
    """Largest single buffer that the allocator asks it for."""

    def offloads(self, op: str, rows: int) -> bool:
        """Whether it wants an operation of so many rows (get_op_batch_size) whose weights lie on the host."""
        return rows >= OFFLOAD_ROWS and (self.offloaded is None or op in self.offloaded)

    def computes(self, op: AttentionOperands) -> bool:
        """Whether it computes this flash attention."""
        return self.supports_attention is None or self.supports_attention(op)


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


# --- CUDA and ROCm (the HIP build compiles the same files) -----------------------------------------

_CUDA_HEADS = (40, 64, 72, 80, 96, 112, 128, 256, 512)
_CUDA_UNEQUAL_HEADS = {192: (128, 8), 320: (256, 32), 576: (512, 1)}
"""Key width: (value width, what the query heads a key head must divide by), fattn.cu:575-625."""


def _cuda_attention(op: AttentionOperands) -> bool:
    """ggml_cuda_get_best_fattn_kernel is not NONE (ggml-cuda/fattn.cu:540-637)."""
    if op.mask is not None and op.mask[1] != 1:
        return False
    ratio = op.heads // op.kv_heads
    grouped = ratio >= 2 and op.mask is not None and op.cells % 256 == 0
    if op.key_length in _CUDA_UNEQUAL_HEADS:
        width, divisor = _CUDA_UNEQUAL_HEADS[op.key_length]
        return op.value_length == width and grouped and ratio % divisor == 0
    return op.key_length in _CUDA_HEADS and op.value_length == op.key_length and (grouped or op.key_length != 512)


def _f16_copies(op: AttentionOperands) -> int:
    """Copies of keys and values of another type than f16 (fattn.cu:722-757, fattn-common.cuh:53-88)."""
    # One row at a time the vector kernel reads equal quantized types as they are (fattn.cu:741-745).
    heads = op.key_length <= 256 and op.key_length % 64 == 0 and op.key_length != 192
    if op.rows == 1 and heads and op.key_type == op.value_type != _Type.F32:
        return 0
    own = end = 4 * op.value_length * op.heads * op.rows * op.streams
    if op.key_type != _Type.F16:
        end = _padded(end, 128) + 2 * op.key_elements
    if op.value_type != _Type.F16 and not (op.values_in_keys and op.key_type != _Type.F16):
        end = _padded(end, 128) + 2 * op.value_elements
    return end - own


_CUDA = BackendRules(
    name="CUDA",
    source="ggml-cuda/ggml-cuda.cu:897-920 (sizes), 5105-5129 (capabilities), 5630-5655 (buffers, offloading), "
    "ggml-cuda/common.cuh:186 (MATRIX_ROW_PADDING)",
    alignment=128,
    row_padding=512,
    beside_attention=_f16_copies,
    supports_attention=_cuda_attention,
)

# --- Metal -----------------------------------------------------------------------------------------

_METAL_HEADS = (32, 40, 48, 64, 72, 80, 96, 112, 128, 192, 256, 320, 512, 576)
_METAL_SPARSE = frozenset(
    ((32, 32), (64, 64), (96, 96), (96, 64), (128, 128), (192, 128), (192, 192), (256, 256), (320, 256), (512, 512), (576, 512))
)
"""Widths of key and value heads, ggml-metal-ops.cpp:3010-3020."""
_METAL_QUANTIZED = frozenset((_Type.Q4_0, _Type.Q4_1, _Type.Q5_0, _Type.Q5_1, _Type.Q8_0))
_METAL_TYPES = _METAL_QUANTIZED | {_Type.F32, _Type.F16, _Type.BF16}
"""ggml-metal-device.m:1752-1770."""


def _metal_attention(op: AttentionOperands) -> bool:
    """ggml-metal-device.m:1727-1772."""
    key, value = op.key_length, op.value_length
    widths = key in _METAL_HEADS and key >= value and not (key == 72 and value != 72)
    return widths and op.key_type == op.value_type and op.key_type in _METAL_TYPES


def _metal_beside_attention(op: AttentionOperands) -> int:
    """ggml-metal-ops.cpp:3064-3229: padded tail, mask blocks, partial results, sparse indices; f16 keys and values."""
    key_row, value_row = op.key_row, op.value_row
    if op.rows >= 32 and op.key_type in _METAL_QUANTIZED:
        key_row, value_row = 2 * op.key_length, 2 * (op.key_length if op.values_in_keys else op.value_length)
    tail = (key_row + value_row) * op.kv_heads * op.streams
    blocks = indices = 0
    if op.mask is not None:
        rows = op.mask[0] * op.mask[1] * op.mask[2]
        tail += 2 * rows
        vector = op.rows < 20 and op.key_length % 32 == 0
        queries, cells = (1, 32) if vector else (8, 64)
        blocks = _padded(-(-op.cells // cells) * -(-op.rows // queries) * op.mask[1] * op.mask[2], 32)
        sparse = (op.key_length, op.value_length) in _METAL_SPARSE and op.key_type in _METAL_TYPES
        if 0 < op.most_cells <= 4096 and sparse:
            indices = _padded(4 * _padded(op.most_cells, 32) * rows, 16)
    partial = 4 * min(op.rows, 32) * op.heads * op.streams * 32 * (op.value_length + 2)
    copies = _padded(2 * op.key_elements, 16) + (0 if op.values_in_keys else _padded(2 * op.value_elements, 16))
    return 64 * tail + blocks + partial + indices + copies


def _metal_beside_experts(experts: int, tokens: int) -> int:
    """ggml-metal-ops.cpp:2650-2674: tokens an expert, ids by expert and token, 2 + N_MM_NPART_AMAX scales."""
    return 4 * experts + 4 * experts * tokens + 8 + 256 * 4


_METAL = BackendRules(
    name="Metal",
    source="ggml-metal/ggml-metal.cpp:220-252, 345-358 (sizes), 684-702 (capabilities), 753-780 (buffers, offloading: matrix "
    "products only)",
    alignment=32,
    offloaded=frozenset(("mul_mat", "mul_mat_id")),
    beside_attention=_metal_beside_attention,
    supports_attention=_metal_attention,
    beside_experts=_metal_beside_experts,
    doubled=frozenset(("cumsum", "argsort")),
    top_k_bytes=8,
    host_buffer=False,
    buffer_from_host_ptr=True,
)

# --- Vulkan ----------------------------------------------------------------------------------------

_VULKAN_TYPES = _METAL_TYPES | {_Type.IQ4_NL}
"""ggml-vulkan.cpp:15471-15486."""


def _vulkan_attention(op: AttentionOperands) -> bool:
    """ggml-vulkan.cpp:15451-15498, for devices that have subgroup shuffles."""
    widths = op.key_length % 8 == 0 and op.value_length % 8 == 0
    types = {op.key_type, op.value_type}
    return widths and types <= _VULKAN_TYPES and (op.key_type == _Type.BF16) == (op.value_type == _Type.BF16)


_VULKAN = BackendRules(
    name="Vulkan",
    source="ggml-vulkan/ggml-vulkan.cpp:13034-13047 (sizes), 4210-4218 (blocks of 1 GiB), 15277-15292 (capabilities), "
    "15962-15977 (buffers, offloading), ggml-vulkan-debug.cpp:766-779 (rows); alignment is the largest "
    "minStorageBufferOffsetAlignment that the Vulkan specification allows (Required Limits)",
    alignment=256,
    supports_attention=_vulkan_attention,
    max_buffer=1 << 30,
)

# --- SYCL and GPUs of no named make ----------------------------------------------------------------

_SYCL = BackendRules(
    name="SYCL",
    source="ggml-sycl/ggml-sycl.cpp:1021-1067 (sizes), 6375-6381 (capabilities), 6849-6866 (offloading), presets.hpp:20",
    caveat="Copies that oneDNN makes for flash attention on Intel GPUs are not counted.",
    alignment=128,
    row_padding=512,
    beside_attention=_f16_copies,
)
_UNNAMED = BackendRules(
    name="GPU",
    source="no backend's: CUDA's alignment and offloading, nothing beyond a tensor's own size",
    alignment=128,
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
