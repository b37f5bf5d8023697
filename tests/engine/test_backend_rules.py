"""What each imitated backend says of a tensor, by the formulas of ggml/src (llama.cpp 0c1e57098). No engine is needed."""

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any, cast

import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from advisor.engine.backend_rules import Reader, extra_bytes, offloads, supports
from advisor.engine.ggml_structs import Library, Tensor
from advisor.machines.profile import Backend
from advisor.memory.backends import RULES

OPS = {name: number for number, name in enumerate(("NONE", "GET_ROWS", "MUL_MAT", "MUL_MAT_ID", "ROPE", "ROPE_BACK", "ADD"))}
OPS |= {"FLASH_ATTN_EXT": 20, "CUMSUM": 21, "ARGSORT": 22, "TOP_K": 23}
F32, F16, Q4_0, Q8_0, Q4_K, BF16, I32 = 0, 1, 2, 8, 12, 30, 26


class NoLibrary:
    """The three calls of ggml that rules use, by the table of types."""

    ops = OPS

    def is_quantized(self, kind: int) -> bool:
        return GGML_QUANT_SIZES[GGMLQuantizationType(kind)][0] > 1

    def row_size(self, kind: int, elements: int) -> int:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        assert elements % block == 0
        return elements // block * size

    def n_bytes(self, address: int) -> int:
        found = Tensor.from_address(address)
        return self.row_size(found.type, prod(found.ne))


READ = Reader(cast("Library", NoLibrary()))


def tensor(kind: int, *shape: int, op: str = "NONE", sources: Sequence[Tensor | None] = (), hint: int = 0) -> Tensor:
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    ne = (*shape, 1, 1, 1)[:4]
    nb = [size, ne[0] // block * size]
    nb += [nb[1] * ne[1], nb[1] * ne[1] * ne[2]]
    made = Tensor(type=kind, op=OPS[op])
    made.ne[:], made.nb[:] = ne, nb
    made.op_params[4] = hint
    for index, source in enumerate(sources):
        made.src[index] = None if source is None else ctypes.addressof(source)
    made.alive = list(sources)
    return made


def attention(
    rows: int, cells: int, *, heads: int = 32, kv_heads: int = 8, k: int = 128, v: int = 128, kind: int = F16, **more: Any
) -> Tensor:
    sources = (
        tensor(F32, k, rows, heads),
        tensor(kind, k, cells, kv_heads),
        tensor(more.get("v_kind", kind), v, cells, kv_heads),
        tensor(F16, cells, rows),
    )
    return tensor(F32, v, heads, rows, op="FLASH_ATTN_EXT", sources=sources, hint=more.get("hint", 0))


def extra(backend: str, made: Tensor) -> int:
    return extra_bytes(RULES[backend], READ, made)


def test_every_backend_of_a_machine_has_rules() -> None:
    from typing import get_args

    assert set(RULES) == {*get_args(Backend), ""}
    for rules in RULES.values():
        assert rules.alignment & (rules.alignment - 1) == 0
        assert rules.source


OFFLOADED = [
    ("MUL_MAT", (4096, 32), True, True),
    ("MUL_MAT", (4096, 31), False, False),
    ("MUL_MAT_ID", (4096, 8, 32), True, True),
    ("MUL_MAT_ID", (4096, 40, 4), False, False),
    ("GET_ROWS", (4096, 512), False, False),
    ("ADD", (4096, 8, 4), True, False),
    ("ROPE", (128, 32, 512), True, False),
    ("ROPE", (128, 64, 8), False, False),
]


@pytest.mark.parametrize(("op", "shape", "wanted", "by_metal"), OFFLOADED)
def test_which_operations_are_worth_copying_weights_for(op: str, shape: tuple[int, ...], wanted: bool, by_metal: bool) -> None:
    made = tensor(F32, *shape, op=op)
    for backend in ("cuda", "rocm", "vulkan", "sycl", ""):
        assert offloads(RULES[backend], READ, made) is wanted, backend
    assert offloads(RULES["metal"], READ, made) is by_metal


@pytest.mark.parametrize("backend", ["cuda", "rocm"])
def test_cuda_pads_the_last_row_of_quantized_tensors(backend: str) -> None:
    # 576 values: 448 more make two times 512, 14 blocks of 34 bytes
    assert extra(backend, tensor(Q8_0, 576, 1536)) == 14 * 34
    assert extra(backend, tensor(Q8_0, 4096, 4096)) == 0
    assert extra(backend, tensor(F16, 576, 1536)) == 0


def test_cuda_copies_a_quantized_cache_to_f16() -> None:
    both = 2 * 2 * 8192 * 8 * 128
    assert extra("cuda", attention(512, 8192, kind=Q8_0)) == both
    assert extra("cuda", attention(512, 8192, kind=BF16)) == both
    assert extra("cuda", attention(512, 8192, kind=F16)) == 0
    assert extra("cuda", attention(512, 8192, kind=Q8_0, v_kind=F16)) == both // 2
    # One row at a time the vector kernel reads equal quantized types as they are, of heads that it knows.
    assert extra("cuda", attention(1, 8192, kind=Q8_0)) == 0
    assert extra("cuda", attention(1, 8192, kind=Q8_0, v_kind=Q4_0)) == both
    assert extra("cuda", attention(1, 8192, k=576, v=512, kv_heads=1, kind=Q8_0)) == 2 * 8192 * (576 + 512)


def test_values_that_are_a_view_of_keys_are_copied_once() -> None:
    made = attention(512, 8192, k=576, v=512, kv_heads=1, kind=Q8_0)
    keys, values = Tensor.from_address(made.src[1]), Tensor.from_address(made.src[2])
    values.view_src = ctypes.addressof(keys)
    assert extra("cuda", made) == 2 * 8192 * 576


HEADS = [
    # key width, value width, query heads, key heads, CUDA, Metal
    (128, 128, 32, 8, True, True),
    (128, 128, 8, 8, True, True),
    (96, 96, 32, 32, True, True),
    (100, 100, 8, 8, False, False),
    (512, 512, 8, 4, True, True),
    (512, 512, 8, 8, False, True),
    (576, 512, 128, 1, True, True),
    (192, 128, 16, 2, True, True),
    (192, 128, 16, 16, False, True),
    (192, 192, 16, 2, False, True),
    (64, 128, 16, 2, False, False),
]


@pytest.mark.parametrize(("k", "v", "heads", "kv_heads", "cuda", "metal"), HEADS)
def test_which_heads_flash_attention_is_made_for(k: int, v: int, heads: int, kv_heads: int, cuda: bool, metal: bool) -> None:
    made = attention(512, 8192, k=k, v=v, heads=heads, kv_heads=kv_heads)
    assert supports(RULES["cuda"], READ, made) is cuda
    assert supports(RULES["rocm"], READ, made) is cuda
    assert supports(RULES["metal"], READ, made) is metal


TYPES = [
    (F16, F16, True, True),
    (Q8_0, Q8_0, True, True),
    (Q8_0, F16, False, True),
    (20, 20, False, True),
    (BF16, F16, False, False),
]


@pytest.mark.parametrize(("k", "v", "metal", "vulkan"), TYPES)
def test_which_types_of_cache_flash_attention_is_made_for(k: int, v: int, metal: bool, vulkan: bool) -> None:
    made = attention(512, 8192, kind=k, v_kind=v)
    assert supports(RULES["metal"], READ, made) is metal
    assert supports(RULES["vulkan"], READ, made) is vulkan


def test_metal_keeps_scratch_for_flash_attention() -> None:
    # ggml-metal-ops.cpp:3064-3210 for 512 rows over 8,192 cells of 8 heads of 128 in f16: 64 padded cells of K, V and mask,
    # a byte a mask block of 64 x 8, partial results of 32 rows, and K and V once more in f16
    tail = 64 * (2 * 128 * 2 * 8 + 2 * 512)
    blocks = 128 * 64
    partial = 4 * 32 * 32 * 32 * (128 + 2)
    copies = 2 * 2 * 8192 * 8 * 128
    assert extra("metal", attention(512, 8192)) == tail + blocks + partial + copies
    # With a bound on how many cells a row sees there is a list of them, padded to 32, for each row of the mask.
    assert extra("metal", attention(512, 8192, hint=1000)) == tail + blocks + partial + copies + 4 * 1024 * 512
    assert extra("metal", attention(512, 8192, hint=5000)) == tail + blocks + partial + copies


def test_metal_keeps_scratch_for_experts_and_sorting() -> None:
    weights, ids = tensor(Q4_K, 2048, 768, 128), tensor(I32, 8, 512)
    experts = tensor(F32, 768, 8, 512, op="MUL_MAT_ID", sources=(weights, tensor(F32, 2048, 1, 512), ids))
    assert extra("metal", experts) == 4 * 128 + 4 * 128 * 512 + 8 + 1024
    assert extra("metal", tensor(I32, 128, 512, op="ARGSORT")) == 4 * 128 * 512
    scores = tensor(F32, 256, 512)
    assert extra("metal", tensor(I32, 8, 512, op="TOP_K", sources=(scores,))) == 8 * 256 * 512 - 4 * 8 * 512
    assert extra("metal", tensor(F32, 4096, 512, op="MUL_MAT")) == 0
