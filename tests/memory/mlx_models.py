"""Models for MLX: config.json of known models with the catalogue's ids, and small synthetic ones with both descriptions."""

from dataclasses import dataclass
from typing import Any

from advisor.models.hyperparameters import Hyperparameters
from advisor.models.keys import hyperparameters

_COMMON = {"rms_norm_eps": 1e-5, "rope_theta": 1e6, "max_position_embeddings": 8192}


def config(
    model_type: str, width: int, layers: int, inner: int, heads: int, heads_kv: int, vocab: int, **more: Any
) -> dict[str, Any]:
    """What mlx_lm needs of a config.json."""
    return {
        **_COMMON,
        "model_type": model_type,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": heads_kv,
        "vocab_size": vocab,
        **more,
    }


_UNTIED: dict[str, Any] = {"tie_word_embeddings": False}
_DEEPSEEK: dict[str, Any] = {
    "n_group": 8,
    "topk_group": 4,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "kv_lora_rank": 512,
    "moe_layer_freq": 1,
    "norm_topk_prob": True,
    "attention_bias": False,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
}
KNOWN: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": config("llama", 4096, 32, 14336, 32, 8, 128256, **_UNTIED),
    "qwen2.5-7b": config("qwen2", 3584, 28, 18944, 28, 4, 152064, **_UNTIED),
    "qwen3-0.6b": config("qwen3", 1024, 28, 3072, 16, 8, 151936, head_dim=128, tie_word_embeddings=True),
    "phi-4": config("phi3", 5120, 40, 17920, 40, 10, 100352, **_UNTIED),
    "gemma-2-9b": config("gemma2", 3584, 42, 14336, 16, 8, 256000, head_dim=256),
    "gemma-3-27b": {
        "model_type": "gemma3",
        "vocab_size": 262208,
        "text_config": config("gemma3_text", 5376, 62, 21504, 32, 16, 262208, head_dim=128, sliding_window=1024),
    },
    "gpt-oss-20b": config(
        "gpt_oss", 2880, 24, 2880, 64, 8, 201088, head_dim=64, sliding_window=128, num_local_experts=32, num_experts_per_tok=4
    ),
    "mixtral-8x7b": config("mixtral", 4096, 32, 14336, 32, 8, 32000, num_local_experts=8, num_experts_per_tok=2, **_UNTIED),
    "qwen3-30b-a3b": config(
        "qwen3_moe",
        2048,
        48,
        6144,
        32,
        4,
        151936,
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        decoder_sparse_step=1,
        mlp_only_layers=[],
        norm_topk_prob=True,
        **_UNTIED,
    ),
    "granite-3.3-8b": config(
        "granite",
        4096,
        40,
        12800,
        32,
        8,
        49159,
        logits_scaling=16.0,
        attention_multiplier=0.01,
        embedding_multiplier=12.0,
        residual_multiplier=0.22,
        attention_bias=False,
        mlp_bias=False,
        tie_word_embeddings=True,
    ),
    "deepseek-v3-0324": config(
        "deepseek_v3",
        7168,
        61,
        18432,
        128,
        128,
        129280,
        moe_intermediate_size=2048,
        n_shared_experts=1,
        n_routed_experts=256,
        num_experts_per_tok=8,
        first_k_dense_replace=3,
        q_lora_rank=1536,
        routed_scaling_factor=2.5,
        rope_scaling=None,
        **_DEEPSEEK,
    ),
    "deepseek-v2-lite": config(
        "deepseek_v2",
        2048,
        27,
        10944,
        16,
        16,
        102400,
        moe_intermediate_size=1408,
        n_shared_experts=2,
        n_routed_experts=64,
        num_experts_per_tok=6,
        first_k_dense_replace=1,
        q_lora_rank=None,
        routed_scaling_factor=1.0,
        rope_scaling={"factor": 40, "type": "yarn", "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096},
        **{**_DEEPSEEK, "n_group": 1, "topk_group": 1, "topk_method": "greedy", "scoring_func": "softmax"},
    ),
}
"""By catalogue id: the values of each model's published config.json."""


@dataclass(frozen=True)
class Synthetic:
    """A model small enough to run on a CPU in a second, as mlx_lm's config and as GGUF's hyperparameters."""

    config: dict[str, Any]
    hp: Hyperparameters
    prompt: int
    float_bytes: int
    """2: bfloat16. 4: mixtures of experts run on the CPU in 32 bits only."""


def _keys(architecture: str, **keys: Any) -> Hyperparameters:
    named = {f"{architecture}.{name.replace('__', '.')}": value for name, value in keys.items()}
    return hyperparameters({"general.architecture": architecture, **named})


_VOCAB = 8192
SYNTHETIC: dict[str, Synthetic] = {
    "dense": Synthetic(
        config("llama", 512, 6, 1536, 8, 4, _VOCAB, **_UNTIED),
        _keys(
            "llama",
            block_count=6,
            embedding_length=512,
            feed_forward_length=1536,
            attention__head_count=8,
            attention__head_count_kv=4,
            context_length=8192,
            vocab_size=_VOCAB,
        ),
        prompt=513,
        float_bytes=2,
    ),
    "sliding window": Synthetic(
        config(
            "gpt_oss", 256, 4, 256, 4, 2, _VOCAB, head_dim=64, sliding_window=128, num_local_experts=8, num_experts_per_tok=2
        ),
        _keys(
            "gpt-oss",
            block_count=4,
            embedding_length=256,
            feed_forward_length=256,
            expert_feed_forward_length=256,
            expert_count=8,
            expert_used_count=2,
            attention__head_count=4,
            attention__head_count_kv=2,
            attention__key_length=64,
            attention__value_length=64,
            attention__sliding_window=128,
            context_length=8192,
            vocab_size=_VOCAB,
        ),
        prompt=1025,
        float_bytes=4,
    ),
    "mixture": Synthetic(
        config(
            "qwen3_moe",
            256,
            6,
            256,
            4,
            2,
            _VOCAB,
            head_dim=64,
            num_experts=16,
            num_experts_per_tok=4,
            moe_intermediate_size=128,
            decoder_sparse_step=1,
            mlp_only_layers=[],
            norm_topk_prob=True,
            **_UNTIED,
        ),
        _keys(
            "qwen3moe",
            block_count=6,
            embedding_length=256,
            feed_forward_length=256,
            expert_feed_forward_length=128,
            expert_count=16,
            expert_used_count=4,
            attention__head_count=4,
            attention__head_count_kv=2,
            attention__key_length=64,
            attention__value_length=64,
            context_length=8192,
            vocab_size=_VOCAB,
        ),
        prompt=513,
        float_bytes=4,
    ),
}
