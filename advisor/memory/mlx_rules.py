"""How mlx_lm keeps each architecture: its module, what happens to routers, what stays in 32 bits. A table of data.

Sources are files of mlx_lm 0.32.2 (mlx_lm/models/); the version that all figures of `advisor.memory.mlx` belong to.
"""

from dataclasses import dataclass
from typing import Literal

from advisor.errors import QuestionError
from advisor.models.hyperparameters import Hyperparameters

MLX_LM_VERSION = "mlx-lm 0.32.2"
GROUP_SIZE = 64
"""Weights that share a scale and a bias (mlx_lm/utils.py:1036)."""

Router = Literal["quantized", "8bit", "plain"]
"""A router is a Linear like any other, one that `quant_predicate` keeps at 8 bits, or a parameter that is not quantized."""


@dataclass(frozen=True, slots=True)
class MlxModel:
    """What one module of mlx_lm/models does otherwise than the plain decoder."""

    module: str
    router: Router = "quantized"
    float32: tuple[str, ...] = ()
    """Tensors that `cast_predicate` keeps in 32 bits."""
    always_8bit: tuple[str, ...] = ()
    """Tensors that `quant_predicate` keeps at 8 bits at least."""
    mixed: bool = True
    """False where it has no "down_proj", so that mixed recipes refuse it (mlx_lm/convert.py:38-40)."""
    down: tuple[str, ...] = ("ffn_down", "ffn_down_exps", "ffn_down_shexp")
    """Tensors whose module's name holds "down_proj"."""
    v_inside: tuple[str, ...] = ()
    """Tensors whose module's name holds "v_proj", "v_a_proj" or "v_b_proj" beside attn_v."""
    rotates: bool = True
    """False where sliding-window blocks keep a whole cache: the module makes no RotatingKVCache."""
    sinks: bool = False
    """A sink beside the scores of each head."""
    biased_experts: bool = False
    head_norms: bool = False
    """Norms on queries and keys, which on the CPU take operations of their own."""
    fused_attention: bool = True
    """False where attention scores are always an array of their own (latent attention passes its rotary part as a mask,
    Gemma 2 caps them)."""


_PHI = MlxModel("phi3", v_inside=("attn_qkv",), rotates=False)
_LATENT = MlxModel(
    "deepseek_v3", router="plain", float32=("exp_probs_b",), v_inside=("attn_kv_a_mqa", "attn_kv_b"), fused_attention=False
)
_LATENT_V2 = MlxModel(
    "deepseek_v2", router="plain", v_inside=("attn_kv_a_mqa", "attn_kv_b", "attn_k_b", "attn_v_b"), fused_attention=False
)
_V2_EXPERTS = 160
"""GGUF calls DeepSeek V2 and V3 both "deepseek2": V2 and V2 Lite have 160 and 64 experts, V3 and Kimi K2 256 and 384."""
_GRANITE_8BIT = ("attn_output", "ffn_down", "output")

MLX_MODELS: dict[str, MlxModel] = {
    "apertus": MlxModel("apertus"),
    "bailingmoe2": MlxModel("bailing_moe", router="8bit", float32=("exp_probs_b",)),
    "command-r": MlxModel("cohere"),
    "cohere2": MlxModel("cohere2"),
    "deepseek2": _LATENT,
    "deepseek32": MlxModel(
        "deepseek_v32", router="plain", float32=("exp_probs_b",), v_inside=("attn_kv_a_mqa",), fused_attention=False
    ),
    "ernie4_5": MlxModel("ernie4_5"),
    "ernie4_5-moe": MlxModel("ernie4_5_moe"),
    "exaone": MlxModel("exaone", mixed=False),
    "exaone4": MlxModel("exaone4"),
    "falcon-h1": MlxModel("falcon_h1"),
    "gemma": MlxModel("gemma"),
    "gemma2": MlxModel("gemma2", rotates=False, fused_attention=False),
    "gemma3": MlxModel("gemma3", head_norms=True),
    "gemma3n": MlxModel("gemma3n"),
    "gemma4": MlxModel("gemma4", router="8bit"),
    "glm4": MlxModel("glm4"),
    "glm4moe": MlxModel("glm4_moe", router="plain", float32=("exp_probs_b",)),
    "glm-dsa": MlxModel(
        "glm_moe_dsa", router="plain", float32=("exp_probs_b",), v_inside=("attn_kv_a_mqa",), fused_attention=False
    ),
    "gpt-oss": MlxModel("gpt_oss", router="8bit", sinks=True, biased_experts=True),
    "gpt2": MlxModel("gpt2", mixed=False),
    "granite": MlxModel("granite", always_8bit=_GRANITE_8BIT),
    "granitehybrid": MlxModel("granitemoehybrid", router="8bit"),
    "granitemoe": MlxModel("granitemoe", router="8bit", always_8bit=("attn_output", "output")),
    "hunyuan-dense": MlxModel("hunyuan_v1_dense"),
    "hunyuan-moe": MlxModel("hunyuan"),
    "lfm2": MlxModel("lfm2", mixed=False),
    "lfm2moe": MlxModel("lfm2_moe", router="8bit", float32=("exp_probs_b",)),
    "llama": MlxModel("llama"),
    "llama4": MlxModel("llama4"),
    "minicpm": MlxModel("minicpm"),
    "minimax-m2": MlxModel("minimax", router="8bit", float32=("exp_probs_b",)),
    "mistral3": MlxModel("ministral3"),
    "nemotron": MlxModel("nemotron"),
    "nemotron_h": MlxModel("nemotron_h", float32=("ssm_a",)),
    "nemotron_h_moe": MlxModel("nemotron_h", router="plain", float32=("exp_probs_b", "ssm_a"), down=("ffn_down_shexp",)),
    "olmo2": MlxModel("olmo2"),
    "olmoe": MlxModel("olmoe"),
    "phi2": MlxModel("phi", mixed=False),
    "phi3": _PHI,
    "phimoe": MlxModel("phimoe", rotates=False),
    "qwen2": MlxModel("qwen2"),
    "qwen2moe": MlxModel("qwen2_moe"),
    "qwen2vl": MlxModel("qwen2_vl"),
    "qwen3": MlxModel("qwen3", head_norms=True),
    "qwen3moe": MlxModel("qwen3_moe", router="8bit", head_norms=True),
    "qwen3next": MlxModel("qwen3_next", router="8bit"),
    "qwen3vl": MlxModel("qwen3_vl"),
    "qwen3vlmoe": MlxModel("qwen3_vl_moe", router="8bit"),
    "qwen35": MlxModel("qwen3_5", float32=("ssm_a",)),
    "qwen35moe": MlxModel("qwen3_5_moe", router="8bit", float32=("ssm_a",)),
    "seed_oss": MlxModel("seed_oss"),
    "smollm3": MlxModel("smollm3"),
    "stablelm": MlxModel("stablelm"),
    "starcoder2": MlxModel("starcoder2", mixed=False, rotates=False),
}
"""By GGUF architecture; one that is not here has no module in mlx_lm."""


def mlx_model(hp: Hyperparameters) -> MlxModel:
    """The rules for a model's architecture. Raises QuestionError where mlx_lm has no such model."""
    found = MLX_MODELS.get(hp.architecture)
    if found is _LATENT and hp.expert_count <= _V2_EXPERTS:
        return _LATENT_V2
    if found is None:
        raise QuestionError(
            f'{MLX_LM_VERSION} cannot run the architecture "{hp.architecture}"; choose another model, or llama-server',
            field="runtime",
        )
    return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """Bits of an MLX quantization; None for weights left in 16 or 32 bits."""

    name: str
    bits: int | None
    high_bits: int | None = None
    """Of a mixed recipe: what part of the layers' v_proj and down_proj, and lm_head, get (mlx_lm/convert.py:20-77)."""
    float_bytes: int = 2
    """Bytes of what is not quantized, scales and biases among it: the model's dtype."""


_MIXED = {"2-6": (2, 6), "3-4": (3, 4), "3-6": (3, 6), "4-6": (4, 6)}
RECIPES: dict[str, Recipe] = {
    **{f"mlx-{bits}bit": Recipe(f"mlx-{bits}bit", bits) for bits in (2, 3, 4, 5, 6, 8)},
    **{f"mlx-mixed-{name}": Recipe(f"mlx-mixed-{name}", low, high) for name, (low, high) in _MIXED.items()},
    "BF16": Recipe("BF16", None),
    "F16": Recipe("F16", None),
    "F32": Recipe("F32", None, float_bytes=4),
}
"""By name: `mlx_lm.convert --q-bits N`, `--quant-predicate mixed_A_B`, and unquantized."""
