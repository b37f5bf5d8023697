"""What mlx_lm keeps in memory for a model: weights and caches, to the byte, from the tensor shapes of its GGUF file.

All rules are those of mlx_lm 0.32.2; file names below are its own. What processing a prompt adds:
`advisor.memory.mlx_prefill`.
"""

from collections.abc import Iterable
from math import prod
from typing import Protocol

from advisor.errors import QuestionError
from advisor.memory.mlx_rules import GROUP_SIZE, MlxModel, Recipe, mlx_model
from advisor.models.hyperparameters import Attention, Hyperparameters

CACHE_STEP = 256
"""Tokens that a KV cache grows by (models/cache.py:340, KVCache.step)."""
PREFILL_STEP = 2048
"""Tokens of a prompt that are processed at a time (generate.py:323)."""

_NOT_THERE = ("rope_freqs", "rope_factors_long", "rope_factors_short")
"""Tables that a GGUF file carries and mlx_lm computes (models/rope_utils.py)."""
_NEVER_QUANTIZED = ("conv1d", "shortconv.conv", "ssm_a", "ssm_d", "altup_correct_scale", "attn_sinks")
"""Convolutions and bare parameters: modules without `to_quantized` (utils.py:1058)."""


class Shape(Protocol):
    """A tensor as its GGUF file has it: name and shape, the contiguous dimension first."""

    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


def weights_bytes(hp: Hyperparameters, tensors: Iterable[Shape], recipe: Recipe) -> int:
    """Bytes of the model's arrays, embeddings quantized like linear layers and tied ones held once.

    A quantized matrix holds its bits and, for each group of 64 weights, a scale and a bias in the model's dtype
    (mlx/nn/layers/quantized.py, `mx.quantize`). Blocks that predict several tokens are left out, as every `sanitize` does.
    Raises QuestionError where mlx_lm has no such architecture, or refuses the mixed recipe for it.
    """
    rules = mlx_model(hp)
    if recipe.high_bits and not rules.mixed:
        raise QuestionError(
            f"mlx_lm's mixed recipes need layers named down_proj, which {rules.module} has not; choose mlx-4bit",
            field="quantization",
        )
    return sum(_tensor_bytes(tensor, hp, rules, recipe) for tensor in tensors)


def _tensor_bytes(tensor: Shape, hp: Hyperparameters, rules: MlxModel, recipe: Recipe) -> int:
    block, part = _located(tensor.name)
    if part in _NOT_THERE or (block is not None and block >= hp.layer_count):
        return 0
    elements = prod(tensor.shape)
    bits = _bits(tensor, part, block, hp, rules, recipe)
    if bits is not None:
        return elements * bits // 8 + elements // GROUP_SIZE * 2 * recipe.float_bytes
    return elements * (4 if part in rules.float32 else recipe.float_bytes)


def _located(name: str) -> tuple[int | None, str]:
    """Number of the block, None outside of one, and the tensor's name in it without ".weight"."""
    block = None
    if name.startswith("blk."):
        number, name = name.removeprefix("blk.").split(".", 1)
        block = int(number)
    return block, name.removesuffix(".weight").removesuffix(".bias") if name != "ssm_dt.bias" else name


def _bits(tensor: Shape, part: str, block: int | None, hp: Hyperparameters, rules: MlxModel, recipe: Recipe) -> int | None:
    """Bits that a tensor is quantized to; None where it is not (utils.py:1057-1075)."""
    if recipe.bits is None or not _is_matrix(tensor, part) or tensor.shape[0] % GROUP_SIZE:
        return None
    is_router = part in ("ffn_gate_inp", "ffn_gate_inp_shexp")
    if part == "ffn_gate_inp" and rules.router == "plain":
        return None
    if recipe.high_bits is not None:
        # a recipe's predicate takes the place of the model's own, so routers get its low bits
        return recipe.high_bits if _more_bits(part, block, hp.layer_count, rules) else recipe.bits
    if (is_router and rules.router == "8bit") or part in rules.always_8bit:
        return 8
    return recipe.bits


def _is_matrix(tensor: Shape, part: str) -> bool:
    """True for linear layers, experts and embeddings; a gate on shared experts is a matrix of one row."""
    if tensor.name.endswith((".bias", ".scale")) or "norm" in part or part.endswith(_NEVER_QUANTIZED):
        return False
    return len(tensor.shape) > 1 or part == "ffn_gate_inp_shexp"


def _more_bits(part: str, block: int | None, layers: int, rules: MlxModel) -> bool:
    """convert.py:48-75: part of the layers' values and down projections, and the output layer."""
    if part == "output":
        return True
    chosen = part == "attn_v" or part in rules.down or part in rules.v_inside
    if block is None or not chosen:
        return False
    eighth = layers // 8
    return block < eighth or block >= 7 * layers // 8 or (block - eighth) % 3 == 2


# --- caches ----------------------------------------------------------------------------------------


def full_cells(tokens: int) -> int:
    """Cells of a KVCache that holds `tokens`: whole steps of 256 (models/cache.py:347-364)."""
    return -(-tokens // CACHE_STEP) * CACHE_STEP


def rotating_cells(tokens: int, window: int) -> int:
    """Cells of a RotatingKVCache once tokens are generated one by one: grown by 256, at most its `max_size`, the window
    (models/cache.py, RotatingKVCache._update_in_place)."""
    return min(full_cells(tokens), window)


def cached_widths(hp: Hyperparameters, il: int) -> int:
    """Elements that one token takes in the cache of block `il`, key and value together; 0 where it has none of its own.

    Latent attention caches the latent vector and the rotary part of one head (models/deepseek_v3.py:132-144); DeepSeek-V2's
    module caches whole heads (models/deepseek_v2.py:221-232).
    """
    if il >= hp.layer_count or not hp.caches_kv[il]:
        return 0
    if keeps_latent(hp):
        indexer = hp.indexer_key_length if hp.caches_indexer_keys and hp.caches_indexer_keys[il] else 0
        return hp.kv_lora_rank + hp.rope_dimension_count + indexer
    if hp.kv_lora_rank:
        return hp.head_count[il] * ((hp.key_length_mla or hp.key_length[il]) + (hp.value_length_mla or hp.value_length[il]))
    return hp.head_count_kv[il] * (hp.key_length[il] + hp.value_length[il])


def keeps_latent(hp: Hyperparameters) -> bool:
    """True where the cache holds latent vectors: DeepSeek V3 and later."""
    return hp.kv_lora_rank > 0 and mlx_model(hp).module != "deepseek_v2"


def kv_cache_bytes(hp: Hyperparameters, tokens: int, *, bits: int | None = None, float_bytes: int = 2) -> int:
    """Bytes of the caches of all blocks that hold `tokens`, as they are while tokens are generated.

    `bits` is `--kv-bits`: a quantized cache holds those and a scale and a bias for each 64 elements (models/cache.py,
    QuantizedKVCache). Raises QuestionError where a sliding-window block could not be quantized.
    """
    if bits is not None and any(rotates(hp, il) for il in range(hp.layer_count)):
        raise QuestionError(
            "mlx_lm cannot quantize the cache of a model with sliding-window blocks (RotatingKVCache); leave the cache at bf16",
            field="type_k",
        )
    blocks = range(hp.layer_count)
    return sum(block_cache_bytes(hp, il, cells(hp, il, tokens), bits=bits, float_bytes=float_bytes) for il in blocks)


def rotates(hp: Hyperparameters, il: int) -> bool:
    """True where block `il` keeps a RotatingKVCache of its window."""
    sliding = hp.attention[il] is Attention.SLIDING and hp.caches_kv[il]
    return sliding and hp.sliding_window > 0 and mlx_model(hp).rotates


def cells(hp: Hyperparameters, il: int, tokens: int) -> int:
    """Cells that the cache of block `il` has at `tokens`. Chunked blocks (Llama 4) trim to their chunk before each step
    (models/cache.py, ChunkedKVCache.maybe_trim_front)."""
    kind = hp.attention[il]
    if rotates(hp, il):
        return rotating_cells(tokens, hp.sliding_window)
    if kind is Attention.CHUNKED and hp.sliding_window:
        return min(full_cells(tokens), hp.sliding_window + CACHE_STEP)
    return full_cells(tokens)


def block_cache_bytes(hp: Hyperparameters, il: int, count: int, *, bits: int | None = None, float_bytes: int = 2) -> int:
    """Bytes of `count` cells in the cache of block `il`."""
    elements = cached_widths(hp, il) * count
    if bits is None:
        return elements * float_bytes
    return elements * bits // 8 + elements // GROUP_SIZE * 2 * float_bytes


def state_bytes(hp: Hyperparameters, *, float_bytes: int = 2) -> int:
    """Bytes of recurrent states (ArraysCache): the convolution's last inputs in the model's dtype and the state itself, which
    gated delta nets keep in 32 bits (models/qwen3_next.py, models/gated_delta.py) and Mamba in the model's dtype
    (models/ssm.py)."""
    delta_net = hp.architecture in ("qwen3next", "qwen35", "qwen35moe")
    one = hp.conv_state_elements * float_bytes + hp.recurrent_state_elements * (4 if delta_net else float_bytes)
    return one * sum(hp.recurrent[: hp.layer_count])
