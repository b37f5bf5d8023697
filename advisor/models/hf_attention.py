"""What families of Hugging Face models with attention in every block add to the general keys.

Docstrings name the converter's file (vendored llama.cpp, conversion/).
"""

from typing import Any

from advisor.models.hf_fields import Config

Keys = dict[str, Any]


def sliding(config: Config) -> tuple[bool, ...] | None:
    """attention.sliding_window_pattern of layer_types; None where the configuration does not list them."""
    kinds = config.words("layer_types")
    return None if kinds is None else tuple(kind == "sliding_attention" for kind in kinds)


def rotary(config: Config, default: float) -> int:
    return int(config.head_length() * config.share("partial_rotary_factor", default))


def mixed_experts(config: Config, keys: Keys) -> None:
    """qwen.py, Qwen2MoeModel."""
    keys["expert_feed_forward_length"] = config.first("moe_intermediate_size")
    keys["expert_shared_feed_forward_length"] = config.first("shared_expert_intermediate_size")


def gemma2(config: Config, keys: Keys) -> None:
    """gemma.py, Gemma2Model."""
    keys["attention.sliding_window"] = config.number("sliding_window", 4096)


def gemma3(config: Config, keys: Keys) -> None:
    """gemma.py, Gemma3Model: configurations of vision models leave out what is transformers' default."""
    length = config.number("head_dim", 256)
    keys |= {
        "context_length": config.number("max_position_embeddings", 131072),
        "attention.head_count": config.number("num_attention_heads", 8),
        "attention.head_count_kv": config.number("num_key_value_heads", 4),
        "attention.key_length": length,
        "attention.value_length": length,
    }
    if config.get("sliding_window_pattern") != 1:
        keys["attention.sliding_window"] = config.number("sliding_window")


def gemma3n(config: Config, keys: Keys) -> None:
    """gemma.py, Gemma3NModel. The embedding has rows for images and sound too."""
    gemma3(config, keys)
    keys["embedding_length_per_layer_input"] = config.number("hidden_size_per_layer_input")
    keys["attention.shared_kv_layers"] = config.number("num_kv_shared_layers")
    keys["attention.sliding_window_pattern"] = sliding(config)


def gemma4(config: Config, keys: Keys) -> None:
    """gemma.py, Gemma4Model."""
    gemma3(config, keys)
    shared, full, local = config.number("num_kv_shared_layers", 0), config.number("global_head_dim"), config.number("head_dim")
    windowed = sliding(config)
    if windowed is None:
        raise config.missing("layer_types")
    width, blocks = config.number("intermediate_size"), config.number("num_hidden_layers")
    heads, full_heads = config.number("num_key_value_heads"), config.first("num_global_key_value_heads")
    keys |= {
        "attention.shared_kv_layers": shared,
        "embedding_length_per_layer_input": config.first("hidden_size_per_layer_input") or None,
        "attention.sliding_window_pattern": windowed,
        "attention.key_length": full,
        "attention.value_length": full,
        "attention.key_length_swa": local,
        "attention.value_length_swa": local,
        "expert_feed_forward_length": config.first("expert_intermediate_size", "moe_intermediate_size"),
    }
    if config.flag("use_double_wide_mlp"):
        keys["feed_forward_length"] = tuple(width * (1 if block < blocks - shared else 2) for block in range(blocks))
    if full_heads is not None:
        keys["attention.head_count_kv"] = tuple(heads if local_block else full_heads for local_block in windowed)


def phi3(config: Config, keys: Keys) -> None:
    """phi.py, Phi3MiniModel."""
    keys["rope.dimension_count"] = rotary(config, 1.0)


def gpt_oss(config: Config, keys: Keys) -> None:
    """gpt_oss.py."""
    keys["attention.sliding_window"] = config.number("sliding_window")
    keys["expert_feed_forward_length"] = config.number("intermediate_size")


def latent(config: Config, keys: Keys) -> None:
    """deepseek.py, DeepseekV2Model: latent attention is cached as one wide head."""
    rank, rope, plain = config.number("kv_lora_rank", 512), config.number("qk_rope_head_dim"), config.number("qk_nope_head_dim")
    dense = config.first("first_k_dense_replace")
    if dense is None:
        dense = 0 if keys["expert_count"] else config.number("num_hidden_layers")
    keys |= {
        "attention.head_count_kv": 1,
        "attention.q_lora_rank": config.first("q_lora_rank"),
        "attention.kv_lora_rank": rank,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": plain + rope,
        "attention.value_length_mla": config.number("v_head_dim"),
        "leading_dense_block_count": dense,
        "expert_feed_forward_length": config.first("moe_intermediate_size", "intermediate_size"),
        "expert_shared_count": config.number("n_shared_experts", 0),
        "rope.dimension_count": rope,
    }


def indexed(config: Config, keys: Keys) -> None:
    """deepseek.py, DeepseekV32Model: latent attention with an indexer."""
    latent(config, keys)
    keys |= {
        "attention.indexer.head_count": config.number("index_n_heads"),
        "attention.indexer.key_length": config.number("index_head_dim"),
        "attention.indexer.top_k": config.number("index_topk"),
    }


def with_tail(config: Config, keys: Keys) -> None:
    """Blocks for multi-token prediction, at the end of the file."""
    tail = config.number("num_nextn_predict_layers", 0)
    keys["block_count"] = config.number("num_hidden_layers") + tail
    keys["nextn_predict_layers"] = tail or None


def glm_dsa(config: Config, keys: Keys) -> None:
    """glm.py, GlmMoeDsaModel."""
    indexed(config, keys)
    with_tail(config, keys)
    if (kinds := config.words("indexer_types")) is not None:
        keys["attention.indexer.types"] = tuple(kind == "full" for kind in kinds)


def glm4(config: Config, keys: Keys) -> None:
    """glm.py, Glm4Model."""
    keys["rope.dimension_count"] = rotary(config, 0.5)


def glm4_moe(config: Config, keys: Keys) -> None:
    """glm.py, Glm4MoeModel."""
    with_tail(config, keys)
    keys |= {
        "rope.dimension_count": rotary(config, 0.5),
        "expert_count": config.first("n_routed_experts"),
        "expert_feed_forward_length": config.first("moe_intermediate_size"),
        "expert_shared_count": config.first("n_shared_experts"),
        "leading_dense_block_count": config.first("first_k_dense_replace"),
    }


def granite(config: Config, keys: Keys) -> None:
    """granite.py, GraniteModel: head_dim is not looked at."""
    keys["attention.key_length"] = keys["attention.value_length"] = None
    keys["expert_shared_feed_forward_length"] = config.first("shared_intermediate_size")


def command_r(config: Config, keys: Keys) -> None:
    """command_r.py: the length that the model was trained for stands in model_max_length."""
    keys["context_length"] = config.first("model_max_length", "max_position_embeddings")


def cohere2(config: Config, keys: Keys) -> None:
    """command_r.py, Cohere2Model."""
    keys["attention.sliding_window"] = config.number("sliding_window")


def listed_window(config: Config, keys: Keys) -> None:
    """olmo.py and exaone.py: a window only where the configuration has one."""
    window = config.first("sliding_window")
    keys["attention.sliding_window"] = window
    windowed = sliding(config)
    pattern = config.get("sliding_window_pattern")
    if windowed is None and isinstance(pattern, str) and pattern:
        windowed = tuple(pattern[block % len(pattern)] == "L" for block in range(config.number("num_hidden_layers")))
    if window is not None and windowed is not None:
        keys["attention.sliding_window_pattern"] = windowed


def llama4(config: Config, keys: Keys) -> None:
    """llama.py, Llama4Model: intermediate_size is an expert's width there."""
    keys |= {
        "feed_forward_length": config.number("intermediate_size_mlp"),
        "interleave_moe_layer_step": config.number("interleave_moe_layer_step"),
        "expert_feed_forward_length": config.number("intermediate_size"),
    }


def ernie_moe(config: Config, keys: Keys) -> None:
    """ernie.py, Ernie4_5MoeModel."""
    shared = config.number("moe_num_shared_experts", 0)
    keys |= {
        "expert_count": config.number("moe_num_experts"),
        "expert_used_count": config.number("moe_k"),
        "interleave_moe_layer_step": config.number("moe_layer_interval", 1),
        "leading_dense_block_count": config.number("moe_layer_start_index", 0),
        "expert_feed_forward_length": config.first("moe_intermediate_size"),
        "expert_shared_count": shared,
        "expert_shared_feed_forward_length": config.number("intermediate_size") // config.number("num_key_value_heads")
        if shared and config.number("num_key_value_heads")
        else None,
    }


def minimax(config: Config, keys: Keys) -> None:
    """minimax.py, MiniMaxM2Model."""
    keys["expert_feed_forward_length"] = config.number("intermediate_size")


def bailing(config: Config, keys: Keys) -> None:
    """bailingmoe.py, BailingMoeV2Model."""
    shared = config.number("num_shared_experts", 0)
    keys |= {
        "leading_dense_block_count": config.number("first_k_dense_replace"),
        "expert_feed_forward_length": config.number("moe_intermediate_size"),
        "expert_shared_count": shared,
    }


def nemotron(config: Config, keys: Keys) -> None:
    """nemotron.py, NemotronModel."""
    keys["rope.dimension_count"] = int(config.share("partial_rotary_factor", 0.5) * config.number("hidden_size")) // (
        config.number("num_attention_heads") or 1
    )
