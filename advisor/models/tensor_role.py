"""Where llama.cpp puts a tensor when it loads a model: `role_of`, by the tensor's name."""

import re
from enum import Enum
from functools import lru_cache


class Role(Enum):
    """The part of a model that a tensor belongs to, which decides the device it goes to."""

    BLOCK = "block"
    """With its block (LLM_TENSOR_LAYER_REPEATING)."""
    EXPERT = "expert"
    """With its block, or in system memory by --n-cpu-moe."""
    EMBEDDING = "token embedding"
    """Input layer: always in system memory; copied to the output layer where the model is tied."""
    PER_LAYER_EMBEDDING = "per-layer embedding"
    """Input layer."""
    INPUT = "input"
    """Other tensors of the input layer: position and token type embeddings."""
    OUTPUT = "output"
    """output.weight."""
    OUTPUT_OTHER = "output layer"
    """Other tensors of the output layer: its norm, its bias, pooling and classification heads."""


EXPERTS = re.compile(r"\.ffn_(up|down|gate|gate_up)_(ch|)exps")
"""llama.cpp common/common.h:1198, LLM_FFN_EXPS_REGEX: what --cpu-moe and --n-cpu-moe keep in system memory, biases included."""

_BLOCK = re.compile(r"(?:enc\.|dec\.)?blk\.(\d+)\.")
_BY_NAME = {
    "token_embd.weight": Role.EMBEDDING,
    "per_layer_token_embd.weight": Role.PER_LAYER_EMBEDDING,
    "output.weight": Role.OUTPUT,
    "position_embd.weight": Role.INPUT,
    "token_types.weight": Role.INPUT,
    "masked_embd_centroids.weight": Role.INPUT,
    "masked_embd_ordering.weight": Role.INPUT,
}
# created with block number 0 (src/models/llama.cpp:62-66, gemma3n.cpp:40-41, bert.cpp and others)
_FIRST_BLOCK = re.compile(
    r"rope_freqs\.|rope_factors_(?:long|short)\.|token_embd_norm\.|per_layer_(?:model_proj|proj_norm)\.|hrm\.z_l_init|conv1d\."
    r"|nextn\.pre_projection\."
)


@lru_cache(maxsize=65536)
def role_of(name: str, architecture: str = "") -> tuple[Role, int | None]:
    """Role of a tensor and the block it goes with, None for input and output layers.

    Source: llama.cpp src/llama-arch.cpp:727-1010 (LLM_TENSOR_INFOS). Tensors that repeat for every block but are stored once
    (rope_freqs, the per-layer projection) are created with block 0. LFM2's token_embd_norm is the output's norm
    (LLM_TENSOR_OUTPUT_NORM_LFM2). A name that is none of these counts as part of the output layer.
    """
    if match := _BLOCK.match(name):
        return (Role.EXPERT if EXPERTS.search(name) else Role.BLOCK), int(match[1])
    if role := _BY_NAME.get(name):
        return role, None
    norm_of_output = name.startswith("token_embd_norm.") and architecture in {"lfm2", "lfm2moe"}
    if _FIRST_BLOCK.match(name) and not norm_of_output:
        return Role.BLOCK, 0
    return Role.OUTPUT_OTHER, None
