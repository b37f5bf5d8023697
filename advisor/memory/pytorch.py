"""Memory of models that PyTorch runs: vLLM and transformers, by their documented rules. Grade: typical."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from advisor.memory.mlx import Shape
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.tensor_role import EXPERTS
from advisor.units import GIB, MIB

GPU_MEMORY_UTILIZATION = 0.9
"""Share of a GPU that vLLM takes (--gpu-memory-utilization; https://docs.vllm.ai/en/latest/configuration/engine_args.html)."""
BLOCK_TOKENS = 16
"""Tokens of one block of vLLM's cache on CUDA (--block-size)."""
BATCHED_TOKENS, SEQUENCES = 2048, 256
"""What vLLM profiles a forward pass with (--max-num-batched-tokens, --max-num-seqs; vllm/engine/arg_utils.py,
get_batch_defaults: 2048 and 256 on GPUs below 70 GiB)."""
CUDA_GRAPHS_BYTES = 1 * GIB
"""vLLM's own message at start: "CUDA graphs can take additional 1~3 GiB memory per GPU" (vllm/worker/model_runner.py); captured
after the cache was laid out, so beyond the share above. The lower end: newer versions capture piecewise graphs."""
HOST_BYTES = 2 * GIB
"""Our allowance for Python, PyTorch and the libraries of CUDA in system memory."""

BITSANDBYTES_BLOCK, ABSMAX_BLOCK = 64, 256
"""NF4: one absolute maximum for each 64 weights; with double quantization those are 8-bit numbers with a 32-bit one for each
256 (QLoRA, https://arxiv.org/abs/2305.14314, section 3)."""


@dataclass(frozen=True, slots=True)
class TorchRecipe:
    """How weights are kept: plain, or linear layers by bitsandbytes."""

    name: str
    float_bytes: int = 2
    bits: int | None = None
    """4: NF4 with double quantization. 8: LLM.int8 with one 32-bit scale a row."""


TORCH_RECIPES = {
    "BF16": TorchRecipe("BF16"),
    "F16": TorchRecipe("F16"),
    "F32": TorchRecipe("F32", float_bytes=4),
    "bnb-4bit": TorchRecipe("bnb-4bit", bits=4),
    "bnb-8bit": TorchRecipe("bnb-8bit", bits=8),
}


def weights_bytes(hp: Hyperparameters, tensors: Iterable[Shape], recipe: TorchRecipe) -> int:
    """Bytes of the weights.

    bitsandbytes takes linear layers only: embeddings and the output layer stay (transformers/quantizers/base.py,
    get_keys_to_not_convert), and so do experts, which are parameters and not layers (transformers 5: models/qwen3_moe,
    Qwen3MoeExperts; integrations/bitsandbytes.py, replace_with_bnb_linear converts `nn.Linear` alone).
    """
    return sum(_tensor_bytes(tensor, hp, recipe) for tensor in tensors)


def _tensor_bytes(tensor: Shape, hp: Hyperparameters, recipe: TorchRecipe) -> int:
    block = int(tensor.name.split(".", 2)[1]) if tensor.name.startswith("blk.") else None
    if tensor.name.startswith("rope_") or (block is not None and block >= hp.layer_count):
        return 0
    elements = prod(tensor.shape)
    linear = block is not None and len(tensor.shape) == 2 and "norm" not in tensor.name and tensor.name.endswith(".weight")
    if recipe.bits is None or not linear or EXPERTS.search(tensor.name) or "conv" in tensor.name:
        return elements * recipe.float_bytes
    if recipe.bits == 8:
        return elements + tensor.shape[1] * 4
    blocks = -(-elements // BITSANDBYTES_BLOCK)
    return -(-elements // 2) + blocks + -(-blocks // ABSMAX_BLOCK) * 4


def cache_bytes(hp: Hyperparameters, tokens: int, *, step: int = 1, shards: int = 1, beyond_window: int = 0) -> int:
    """Bytes of one sequence's keys and values in 16 bits on one of `shards` GPUs that share the heads.

    `step`: tokens are kept in blocks of this many. A sliding-window block keeps its window and `beyond_window` tokens more
    (vllm/v1/core/single_type_kv_cache_manager.py; transformers/cache_utils.py, DynamicSlidingWindowLayer).
    """
    total = 0
    for il in range(hp.layer_count):
        if not hp.caches_kv[il]:
            continue
        kept = tokens
        if hp.attention[il] is Attention.SLIDING and hp.sliding_window:
            kept = min(tokens, hp.sliding_window + beyond_window)
        total += -(-kept // step) * step * _token_elements(hp, il, shards) * 2
    return total


def _token_elements(hp: Hyperparameters, il: int, shards: int) -> int:
    """Elements of one token in one block; latent vectors and single heads are held on every GPU."""
    if hp.kv_lora_rank:
        return hp.kv_lora_rank + hp.rope_dimension_count
    heads = max(-(-hp.head_count_kv[il] // shards), 1)
    return heads * (hp.key_length[il] + hp.value_length[il])


def state_bytes(hp: Hyperparameters) -> int:
    """Bytes of one sequence's recurrent state: the convolution's inputs in 16 bits, the state in 32."""
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
