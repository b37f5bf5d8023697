"""What each family of Hugging Face models adds to the general keys: a table by `model_type`. Comments name the converter's file
(vendored llama.cpp, conversion/)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from advisor.models import hf_attention as attention
from advisor.models import hf_recurrent as recurrent
from advisor.models.hf_attention import Keys
from advisor.models.hf_fields import Config

Convert = Callable[[Config, Keys], str | None]
"""Changes the keys in place; returns the architecture where it is not the family's usual one."""
Options = Callable[[Config], dict[str, Any]]


def _nothing_more(_config: Config, _keys: Keys) -> None:
    return None


@dataclass(frozen=True)
class Family:
    """How one model_type becomes a GGUF architecture."""

    architecture: str
    convert: Convert = _nothing_more
    options: Options | None = None
    leaves_out_tail: bool = False
    """Blocks for multi-token prediction are left out, as in most published files (--no-mtp)."""


OUTPUT_BIAS = frozenset(
    {
        "llama",
        "mistral3",
        "smollm3",
        "arcee",
        "granite",
        "granitemoe",
        "qwen3",
        "qwen3moe",
        "gpt-oss",
        "phimoe",
        "olmo2",
        "olmoe",
    }
)
"""Architectures whose models have a bias on the attention's output too, where attention_bias is true (modeling_*.py of
transformers)."""


# --- what configurations say of tensors ------------------------------------------------------------


def _selection_bias(config: Config) -> dict[str, Any]:
    """A bias on the choice of experts, where it is trained without an extra loss."""
    method = config.get("topk_method")
    return {} if method is None else {"selection_bias": method == "noaux_tc"}


def _qk_norm(kind: str) -> Options:
    def said(config: Config) -> dict[str, Any]:
        return {"qk_norm": kind if config.flag("use_qk_norm") else "none"}

    return said


def _phi3_factors(config: Config) -> dict[str, Any]:
    """phi.py, generate_extra_tensors."""
    return {"rope_factors": isinstance(config.get("rope_scaling"), dict)}


def _glm4_moe_tensors(config: Config) -> dict[str, Any]:
    """GLM-4.5 and 4.7 have an embedding and a head in the block for multi-token prediction, 4.6 does not; no field says it."""
    return {**_qk_norm("head")(config), "attention_output_bias": False, "nextn_embeddings": True}


def _family(architecture: str, *names: str, **more: Any) -> dict[str, Family]:
    return dict.fromkeys(names, Family(architecture, **more))


def _merged(*tables: dict[str, Family]) -> dict[str, Family]:
    return {name: family for table in tables for name, family in table.items()}


def _values_from_keys(config: Config) -> dict[str, Any]:
    return {"values_from_keys": config.flag("attention_k_eq_v"), "rope_freqs": True}


def _state_norm(config: Config) -> dict[str, Any]:
    return {"state_norm": config.flag("mamba_rms_norm")}


def _starcoder_biases(config: Config) -> dict[str, Any]:
    bias = config.flag("use_bias", default=True)
    return dict.fromkeys(("qkv_bias", "attention_output_bias", "feed_forward_bias"), bias)


FAMILIES: dict[str, Family] = _merged(
    _family("llama", "llama", "mistral", "mixtral"),
    _family("mistral3", "mistral3", "ministral3"),
    _family("smollm3", "smollm3"),
    _family("arcee", "arcee"),
    _family("apertus", "apertus"),
    _family("qwen2", "qwen2", options=lambda _: {"qkv_bias": True}),
    _family("qwen2vl", "qwen2_vl", "qwen2_5_vl"),
    _family("qwen2moe", "qwen2_moe", convert=attention.mixed_experts),
    _family("qwen3", "qwen3"),
    _family("qwen3vl", "qwen3_vl"),
    _family("qwen3moe", "qwen3_moe", convert=attention.mixed_experts),
    _family("qwen3vlmoe", "qwen3_vl_moe", convert=attention.mixed_experts),
    _family("qwen3next", "qwen3_next", convert=recurrent.delta_net, leaves_out_tail=True),
    _family("qwen35", "qwen3_5", convert=recurrent.delta_net, leaves_out_tail=True),
    _family("qwen35moe", "qwen3_5_moe", convert=recurrent.delta_net, leaves_out_tail=True),
    _family("gemma", "gemma"),
    _family("gemma2", "gemma2", convert=attention.gemma2),
    _family("gemma3", "gemma3", "gemma3_text", convert=attention.gemma3),
    _family("gemma3n", "gemma3n", "gemma3n_text", convert=attention.gemma3n),
    _family("gemma4", "gemma4", "gemma4_text", "gemma4_unified", convert=attention.gemma4, options=_values_from_keys),
    _family("phi3", "phi3", convert=attention.phi3, options=_phi3_factors),
    _family("phimoe", "phimoe", convert=attention.phi3),
    _family("gpt-oss", "gpt_oss", convert=attention.gpt_oss),
    _family(
        "deepseek2",
        "deepseek_v2",
        "deepseek_v3",
        "kimi_k2",
        "glm4_moe_lite",
        convert=attention.latent,
        options=_selection_bias,
        leaves_out_tail=True,
    ),
    _family("deepseek32", "deepseek_v32", convert=attention.indexed, options=_selection_bias, leaves_out_tail=True),
    _family("glm-dsa", "glm_moe_dsa", convert=attention.glm_dsa, options=_selection_bias),
    _family("glm4", "glm4", convert=attention.glm4),
    _family("glm4moe", "glm4_moe", convert=attention.glm4_moe, options=_glm4_moe_tensors),
    _family("granite", "granite", convert=attention.granite),
    _family("granitemoe", "granitemoe", "granitemoeshared", convert=attention.granite),
    _family("granitehybrid", "granitemoehybrid", convert=recurrent.granite_hybrid),
    _family("falcon-h1", "falcon_h1", convert=recurrent.falcon_h1, options=_state_norm),
    _family("nemotron_h", "nemotron_h", convert=recurrent.nemotron_h, leaves_out_tail=True),
    _family("nemotron", "nemotron", convert=attention.nemotron),
    _family("lfm2", "lfm2", convert=recurrent.lfm2),
    _family("lfm2moe", "lfm2_moe", convert=recurrent.lfm2_moe),
    _family("command-r", "cohere", convert=attention.command_r, options=_qk_norm("each")),
    _family("cohere2", "cohere2", convert=attention.cohere2),
    _family("olmo2", "olmo2", "olmo3", convert=attention.listed_window),
    _family("olmoe", "olmoe"),
    _family("starcoder2", "starcoder2", options=_starcoder_biases),
    _family("exaone", "exaone"),
    _family("exaone4", "exaone4", convert=attention.listed_window),
    _family("llama4", "llama4", "llama4_text", convert=attention.llama4),
    _family("ernie4_5", "ernie4_5"),
    _family("ernie4_5-moe", "ernie4_5_moe", convert=attention.ernie_moe),
    _family("minimax-m2", "minimax_m2", "minimax", convert=attention.minimax),
    _family("bailingmoe2", "bailing_moe_v2", "bailing_moe", convert=attention.bailing),
    _family("seed_oss", "seed_oss", options=lambda _: {"attention_output_bias": False}),
)
"""By `model_type`. Vision and audio towers are not part of a language model's file."""
