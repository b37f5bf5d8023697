"""What families of Hugging Face models with recurrent blocks add to the general keys.

Docstrings name the converter's file (vendored llama.cpp, conversion/).
"""

from advisor.models.hf_attention import Keys, granite, mixed_experts, rotary
from advisor.models.hf_fields import Config


def delta_net(config: Config, keys: Keys) -> None:
    """qwen.py, Qwen3NextModel."""
    mixed_experts(config, keys)
    values = config.number("linear_num_value_heads")
    keys |= {
        "ssm.conv_kernel": config.number("linear_conv_kernel_dim"),
        "ssm.state_size": config.number("linear_key_head_dim"),
        "ssm.group_count": config.number("linear_num_key_heads"),
        "ssm.time_step_rank": values,
        "ssm.inner_size": config.number("linear_value_head_dim") * values,
        "full_attention_interval": config.number("full_attention_interval", 4),
        "rope.dimension_count": rotary(config, 0.25),
    }


def padded_vocabulary(config: Config, keys: Keys) -> None:
    """mamba.py, Mamba2Model.set_vocab."""
    step = config.number("pad_vocab_size_multiple", 16) or 1
    keys["vocab_size"] = -(-config.number("vocab_size") // step) * step


def granite_hybrid(config: Config, keys: Keys) -> str | None:
    """granite.py, GraniteHybridModel."""
    granite(config, keys)
    kinds = config.words("layer_types") or config.words("layers_block_type") or ()
    attends = [kind == "attention" for kind in kinds]
    if not kinds:
        listed = config.numbers("attn_layer_indices") or ()
        attends = [block in listed for block in range(config.number("num_hidden_layers"))]
    experts = config.first("num_experts_per_tok")
    if not experts or not keys["expert_count"]:
        keys["expert_count"] = keys["expert_used_count"] = None
        # Dense ones are stored as a shared network alone, which the converter writes as the plain one (granite.py:180-195).
        keys["feed_forward_length"] = config.first("shared_intermediate_size") or keys["feed_forward_length"]
        keys["expert_shared_feed_forward_length"] = None
    if all(attends):
        return "granitemoe" if keys["expert_count"] else "granite"
    padded_vocabulary(config, keys)
    heads = config.number("mamba_n_heads")
    kv_heads = config.number("num_key_value_heads")
    keys |= {
        "attention.head_count_kv": tuple(kv_heads if one else 0 for one in attends),
        "ssm.conv_kernel": config.number("mamba_d_conv", 4),
        "ssm.state_size": config.number("mamba_d_state", 256),
        "ssm.group_count": config.number("mamba_n_groups", 1),
        "ssm.inner_size": config.number("mamba_expand", 2) * config.number("hidden_size"),
        "ssm.time_step_rank": heads,
    }
    return None


def falcon_h1(config: Config, keys: Keys) -> None:
    """falcon_h1.py."""
    padded_vocabulary(config, keys)
    inner = config.first("mamba_d_ssm") or config.number("mamba_expand", 2) * config.number("hidden_size")
    keys |= {
        "ssm.conv_kernel": config.number("mamba_d_conv", 4),
        "ssm.state_size": config.number("mamba_d_state", 128),
        "ssm.group_count": config.number("mamba_n_groups", 1),
        "ssm.inner_size": inner,
        "ssm.time_step_rank": inner // (config.number("mamba_d_head", 64) or 64),
    }


def nemotron_h(config: Config, keys: Keys) -> str | None:
    """nemotron.py, NemotronHModel. M: Mamba 2, *: attention, -: feed-forward, E: experts."""
    pattern = config.words("hybrid_override_pattern") or config.words("layers_block_type")
    if pattern is None:
        raise config.missing("hybrid_override_pattern")
    experts = config.get("num_experts_per_tok") is not None
    attends = {"*", "attention", "full_attention"}
    network = {"E", "moe"} if experts else {"-", "mlp"}
    width = config.number("moe_intermediate_size") if experts else config.number("intermediate_size")
    heads, kv_heads = config.number("mamba_num_heads"), config.number("num_key_value_heads")
    length = config.first("head_dim", "attention_head_dim")
    if length is None:
        raise config.missing("head_dim")
    padded_vocabulary(config, keys)
    keys |= {
        "block_count": len(pattern),
        "attention.head_count_kv": tuple(kv_heads if kind in attends else 0 for kind in pattern),
        "attention.key_length": length,
        "attention.value_length": length,
        "feed_forward_length": tuple(width if kind in network else 0 for kind in pattern),
        "ssm.conv_kernel": config.number("conv_kernel", 4),
        "ssm.state_size": config.number("ssm_state_size", 128),
        "ssm.group_count": config.number("n_groups", 1),
        "ssm.inner_size": heads * config.number("mamba_head_dim"),
        "ssm.time_step_rank": heads,
    }
    if not experts:
        return None
    keys |= {
        "expert_feed_forward_length": width,
        "expert_shared_feed_forward_length": config.first("moe_shared_expert_intermediate_size"),
        "moe_latent_size": config.first("moe_latent_size"),
    }
    return "nemotron_h_moe"


def convolutions(config: Config, keys: Keys) -> None:
    """lfm2.py: blocks without attention have no KV heads."""
    kv_heads = config.number("num_key_value_heads")
    kinds = config.words("layer_types")
    if kinds is None:
        listed = config.numbers("full_attn_idxs")
        if listed is None:
            raise config.missing("layer_types")
        kinds = tuple("full_attention" if block in listed else "conv" for block in range(config.number("num_hidden_layers")))
    keys["attention.head_count_kv"] = tuple(kv_heads if kind == "full_attention" else 0 for kind in kinds)
    keys["shortconv.l_cache"] = config.number("conv_L_cache")


def lfm2(config: Config, keys: Keys) -> None:
    """lfm2.py, LFM2Model._add_feed_forward_length."""
    convolutions(config, keys)
    width = config.first("block_ff_dim", "intermediate_size")
    if width is None:
        raise config.missing("intermediate_size")
    if config.flag("block_auto_adjust_ff_dim", default=True):
        width = int(2 * width / 3)
        factor = config.get("block_ffn_dim_multiplier")
        width = int(factor * width) if isinstance(factor, int | float) else width
        step = config.number("block_multiple_of", 256) or 1
        width = -(-width // step) * step
    keys["feed_forward_length"] = width


def lfm2_moe(config: Config, keys: Keys) -> None:
    """lfm2.py, LFM2MoeModel."""
    convolutions(config, keys)
    keys["expert_feed_forward_length"] = config.number("moe_intermediate_size")
    keys["leading_dense_block_count"] = config.number("num_dense_layers")
