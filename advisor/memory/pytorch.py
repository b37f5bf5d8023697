"""Memory of models that PyTorch runs: vLLM and transformers, by their sources. Grade: typical.

Sources: transformers 5.23.0 (file and function below are its own), bitsandbytes 0.50.2, and vLLM's main branch of autumn 2026
(files under vllm/; its lines move from week to week, so that classes and functions are named).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Literal

from advisor.memory.mlx import Shape
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.tensor_role import EXPERTS
from advisor.units import GIB, MIB

GPU_MEMORY_UTILIZATION = 0.92
"""Share of a GPU that vLLM takes (--gpu-memory-utilization; vllm/config/cache.py, CacheConfig; 0.9 in versions before)."""
BLOCK_TOKENS = 16
"""Tokens of one block of vLLM's cache (--block-size; vllm/config/cache.py, CacheConfig.DEFAULT_BLOCK_SIZE)."""
CUDA_GRAPHS_BYTES = 1 * GIB
"""What vLLM keeps of its share for CUDA graphs (vllm/v1/worker/gpu_worker.py, determine_available_memory:
cudagraph_memory_estimate). Its logs say 0.11 to 1.10 GiB ("Graph capturing finished in ..., took"); nearly the largest."""
HOST_BYTES = 2 * GIB
"""Our allowance for Python, PyTorch and the libraries of CUDA in system memory."""
_LARGE_GPU_BYTES = 70 * GIB
_BATCHES_AT_ONCE = 2
"""Batches that are scheduled and not yet settled: vLLM plans the next one while a GPU computes (async_scheduling, on unless
something stands against it; vllm/config/vllm.py, VllmConfig.max_concurrent_batches)."""

BITSANDBYTES_BLOCK = 64
"""NF4: one absolute maximum in 32 bits for each 64 weights (bitsandbytes nn/modules.py:230-231). `bnb_4bit_use_double_quant`,
which takes them in 8 bits, is off unless asked for (utils/quantization_config.py, BitsAndBytesConfig)."""
PACKED_GROUP = 128
"""Weights of an AWQ or GPTQ matrix that share a 16-bit scale and a 4-bit zero point: what nearly all published files have
("group_size" of their quantization_config)."""

Scheme = Literal["nf4", "int8", "fp8", "awq", "gptq", "mxfp4"]


@dataclass(frozen=True, slots=True)
class TorchRecipe:
    """How weights are kept."""

    name: str
    float_bytes: int = 2
    """Bytes of what is not quantized."""
    scheme: Scheme | None = None
    experts: bool = True
    """Whether experts are quantized too."""
    others: bool = True
    """Whether linear layers that are no experts are."""


_PLAIN = (TorchRecipe("BF16"), TorchRecipe("F16"))
_MXFP4 = TorchRecipe("MXFP4_MOE", scheme="mxfp4", others=False)
TRANSFORMERS_RECIPES = {
    recipe.name: recipe
    for recipe in (
        *_PLAIN,
        TorchRecipe("F32", float_bytes=4),
        # Experts are parameters and no layers (models/qwen3_moe/modeling_qwen3_moe.py, Qwen3MoeExperts), and only `nn.Linear`
        # is converted (integrations/bitsandbytes.py, replace_with_bnb_linear).
        TorchRecipe("bnb-4bit", scheme="nf4", experts=False),
        TorchRecipe("bnb-8bit", scheme="int8", experts=False),
        _MXFP4,
    )
}
VLLM_RECIPES = {
    recipe.name: recipe
    for recipe in (
        *_PLAIN,
        TorchRecipe("fp8", scheme="fp8"),
        TorchRecipe("awq-4bit", scheme="awq"),
        TorchRecipe("gptq-4bit", scheme="gptq"),
        _MXFP4,
    )
}
RELEASED_IN = {"gpt-oss": "MXFP4_MOE"}
"""Architectures whose experts are published in MXFP4 and kept so (quantization_config of openai/gpt-oss-20b:
quant_method "mxfp4"; quantizers/quantizer_mxfp4.py; vllm/model_executor/layers/quantization/mxfp4.py)."""


def weights_bytes(hp: Hyperparameters, tensors: Iterable[Shape], recipe: TorchRecipe) -> int:
    """Bytes of the weights. Embeddings, the output layer and norms are never quantized (quantizers/base.py,
    get_keys_to_not_convert; vLLM gives lm_head no quant method), nor are routers (Qwen3MoeTopKRouter holds a parameter)."""
    return sum(_tensor_bytes(tensor, hp, recipe) for tensor in tensors)


def _tensor_bytes(tensor: Shape, hp: Hyperparameters, recipe: TorchRecipe) -> int:
    block = int(tensor.name.split(".", 2)[1]) if tensor.name.startswith("blk.") else None
    if tensor.name.startswith("rope_") or (block is not None and block >= hp.layer_count):
        return 0
    elements = prod(tensor.shape)
    if recipe.scheme is None or block is None or not _is_quantized(tensor, recipe):
        return elements * recipe.float_bytes
    return _PACKED[recipe.scheme](tensor.shape[0], elements // tensor.shape[0])


def _is_quantized(tensor: Shape, recipe: TorchRecipe) -> bool:
    if not tensor.name.endswith(".weight") or "norm" in tensor.name or "conv" in tensor.name:
        return False
    if EXPERTS.search(tensor.name):
        return recipe.experts
    return recipe.others and len(tensor.shape) == 2 and "ffn_gate_inp" not in tensor.name


def _grouped(wide: int, rows: int) -> int:
    """AWQ: qweight, qzeros and scales (vllm/model_executor/layers/quantization/auto_awq.py,
    AutoAWQMarlinLinearMethod.create_weights; awq.py in versions before)."""
    groups = -(-wide // PACKED_GROUP) * rows
    return wide * rows // 2 + groups * 2 + groups // 2


_PACKED: dict[Scheme, Callable[[int, int], int]] = {
    "nf4": lambda wide, rows: -(-wide * rows // 2) + -(-wide * rows // BITSANDBYTES_BLOCK) * 4,
    # LLM.int8: a 32-bit scale a row (bitsandbytes nn/modules.py:743-746, Int8Params: SCB)
    "int8": lambda wide, rows: wide * rows + rows * 4,
    # one 32-bit scale for a matrix (vllm/model_executor/layers/quantization/fp8.py, Fp8LinearMethod.create_weights; a 16-bit
    # model is quantized while it loads: online/fp8.py, Fp8PerTensorOnlineLinearMethod)
    "fp8": lambda wide, rows: wide * rows + 4,
    "awq": _grouped,
    # and g_idx (vllm/model_executor/layers/quantization/auto_gptq.py, AutoGPTQLinearMethod.create_weights; gptq.py before)
    "gptq": lambda wide, rows: _grouped(wide, rows) + wide * 4,
    # blocks of 32 weights of 4 bits with an 8-bit scale
    "mxfp4": lambda wide, rows: -(-wide // 32) * 17 * rows,
}
"""Bytes of a matrix of `rows` rows that are `wide` weights long."""


def batch_defaults(capacity_bytes: int | None, gpu: str) -> tuple[int, int]:
    """Tokens and sequences of one forward pass of `vllm serve`, with which it also profiles (vllm/engine/arg_utils.py,
    get_batch_defaults: larger from 70 GiB on, but for the A100)."""
    large = capacity_bytes is not None and capacity_bytes >= _LARGE_GPU_BYTES and "a100" not in gpu.lower()
    return (8192, 1024) if large else (2048, 256)


def vllm_cache_bytes(hp: Hyperparameters, tokens: int, *, batched: int, shards: int) -> int:
    """Bytes of the blocks of one sequence on one of `shards` GPUs that share the heads.

    A sliding-window layer needs its window less one, the batches that are on their way, and a block more
    (vllm/v1/kv_cache_interface.py, SlidingWindowSpec.max_admission_blocks_per_request, of VllmConfig.max_in_flight_tokens).
    """

    def kept(il: int) -> int:
        if _slides(hp, il):
            held = min(hp.sliding_window - 1 + _BATCHES_AT_ONCE * batched, tokens)
            return (-(-held // BLOCK_TOKENS) + 1) * BLOCK_TOKENS
        return -(-tokens // BLOCK_TOKENS) * BLOCK_TOKENS

    return _cache_bytes(hp, kept, shards)


def transformers_cache_bytes(hp: Hyperparameters, tokens: int) -> int:
    """Bytes of one sequence's keys and values; a sliding-window layer keeps its window less one (cache_utils.py,
    DynamicLayer and DynamicSlidingWindowLayer.update)."""
    return _cache_bytes(hp, lambda il: min(tokens, hp.sliding_window - 1) if _slides(hp, il) else tokens, 1)


def _slides(hp: Hyperparameters, il: int) -> bool:
    return hp.attention[il] is Attention.SLIDING and hp.sliding_window > 0


def _cache_bytes(hp: Hyperparameters, kept: Callable[[int], int], shards: int) -> int:
    blocks = (il for il in range(hp.layer_count) if hp.caches_kv[il])
    return sum(kept(il) * _token_elements(hp, il, shards) * 2 for il in blocks)


def _token_elements(hp: Hyperparameters, il: int, shards: int) -> int:
    """Elements of one token in one block; latent vectors and single heads are held on every GPU."""
    if hp.kv_lora_rank:
        return hp.kv_lora_rank + hp.rope_dimension_count
    heads = max(-(-hp.head_count_kv[il] // shards), 1)
    return heads * (hp.key_length[il] + hp.value_length[il])


def state_bytes(hp: Hyperparameters) -> int:
    """Bytes of one sequence's recurrent state: the convolution's inputs in 16 bits, the state in 32.

    vLLM keeps the state in the model's own type unless its config.json says float32, as those of Qwen3.5 do
    (vllm/model_executor/layers/mamba/mamba_utils.py, MambaStateDtypeCalculator): the larger counts. It keeps one for a sequence
    (vllm/v1/kv_cache_interface.py, MambaSpec.max_memory_usage_bytes), as prefixes of hybrid models are not cached by default
    (vllm/config/model.py, ModelConfig.is_prefix_caching_supported).
    """
    return (hp.conv_state_elements * 2 + hp.recurrent_state_elements * 4) * sum(hp.recurrent[: hp.layer_count])


def activation_bytes(hp: Hyperparameters, tokens: int, *, rows: int = 1, shards: int = 1) -> int:
    """Bytes that a forward pass of `tokens` holds at its widest: the residual and its norm in 32 bits beside gate, up and their
    product, and `rows` of logits with the sampler's copy in 32 bits."""
    inner = max((*hp.feed_forward_length, hp.expert_shared_feed_forward_length))
    if hp.expert_count:
        inner = max(inner, hp.expert_used_count * (hp.expert_feed_forward_length + hp.embedding_length))
    attention = max(heads * length for heads, length in zip(hp.head_count, hp.key_length, strict=True))
    wide = max(3 * -(-inner // shards), 4 * -(-attention // shards))
    return tokens * (hp.embedding_length * 8 + wide * 2) + rows * hp.vocab_size * 10 + 16 * MIB
