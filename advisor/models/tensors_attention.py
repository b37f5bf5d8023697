"""Attention tensors of one block: separate or fused projections, and multi-head latent attention."""

from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.tensor_shape import Shapes, TensorOptions


def separate(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """attn_q, attn_k, attn_v, attn_output."""
    yield from _projections(hp, il, options, query_parts=1)
    yield from query_key_norms(hp, il, options)


def gated(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """As `separate`, the query projection twice as wide for the output gate (qwen3next.cpp, qwen35.cpp)."""
    yield from _projections(hp, il, options, query_parts=2)
    yield from query_key_norms(hp, il, options)


def with_sinks(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """As `separate`, with one sink a head (openai-moe.cpp)."""
    yield from separate(hp, il, options)
    yield "attn_sinks.weight", (hp.head_count[il],)


def fused(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """attn_qkv in place of three projections (phi3.cpp, phi2.cpp, bailingmoe2.cpp, gpt2.cpp)."""
    width = hp.head_count[il] * hp.key_length[il] + hp.k_width[il] + hp.head_count_kv[il] * hp.value_length[il]
    yield "attn_qkv.weight", (hp.embedding_length, width)
    if options.qkv_bias:
        yield "attn_qkv.bias", (width,)
    yield from _output(hp, il, options)
    yield from query_key_norms(hp, il, options)


def latent(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """Multi-head latent attention (deepseek2.cpp:85-125), with the absorbed attn_k_b and attn_v_b or the older attn_kv_b."""
    width, heads, rank, rotated = hp.embedding_length, hp.head_count[il], hp.kv_lora_rank, hp.rope_dimension_count
    key = hp.key_length_mla or hp.key_length[il]
    value = hp.value_length_mla or hp.value_length[il]
    yield "attn_kv_a_norm.weight", (rank,)
    if hp.q_lora_rank:
        yield "attn_q_a_norm.weight", (hp.q_lora_rank,)
        yield "attn_q_a.weight", (width, hp.q_lora_rank)
        yield "attn_q_b.weight", (hp.q_lora_rank, heads * key)
    else:
        yield "attn_q.weight", (width, heads * key)
    yield "attn_kv_a_mqa.weight", (width, rank + rotated)
    if options.merged_kv_b:
        yield "attn_kv_b.weight", (rank, heads * (key - rotated + value))
    else:
        yield "attn_k_b.weight", (key - rotated, rank, heads)
        yield "attn_v_b.weight", (rank, value, heads)
    yield "attn_output.weight", (heads * value, width)


def latent_with_indexer(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """Latent attention with a sparse-attention indexer in the blocks that own one (deepseek32.cpp, glm-dsa.cpp)."""
    yield from latent(hp, il, options)
    if il >= hp.layer_count or (hp.caches_indexer_keys and hp.caches_indexer_keys[il]):
        heads, length = hp.indexer_head_count, hp.indexer_key_length
        yield "indexer.k_norm.weight", (length,)
        yield "indexer.k_norm.bias", (length,)
        yield "indexer.proj.weight", (hp.embedding_length, heads)
        yield "indexer.attn_k.weight", (hp.embedding_length, length)
        yield "indexer.attn_q_b.weight", (hp.q_lora_rank, heads * length)


def query_key_norms(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    """attn_q_norm and attn_k_norm, as wide as `options.qk_norm` says."""
    heads, heads_kv, length = hp.head_count[il], hp.head_count_kv[il], hp.key_length[il]
    if not _has_keys(hp, il, options):
        yield "attn_q_norm.weight", (length,)
        return
    match options.qk_norm:
        case "head":
            shapes = ((length,), (length,))
        case "full":
            shapes = ((heads * length,), (heads_kv * length,))
        case "each":
            yield "attn_q_norm.weight", (length, heads)
            yield "attn_k_norm.weight", (length, heads_kv)
            return
        case _:
            return
    yield "attn_q_norm.weight", shapes[0]
    yield "attn_k_norm.weight", shapes[1]


def _projections(hp: Hyperparameters, il: int, options: TensorOptions, query_parts: int) -> Shapes:
    width = hp.embedding_length
    query = hp.head_count[il] * hp.key_length[il] * query_parts
    value = hp.head_count_kv[il] * hp.value_length[il]
    yield "attn_q.weight", (width, query)
    if not _has_keys(hp, il, options):
        yield from _output(hp, il, options)
        return
    yield "attn_k.weight", (width, hp.k_width[il])
    has_value = not (options.values_from_keys and hp.attention[il] is Attention.FULL)
    if has_value:
        yield "attn_v.weight", (width, value)
    if options.qkv_bias:
        yield "attn_q.bias", (query,)
        yield "attn_k.bias", (hp.k_width[il],)
        if has_value:
            yield "attn_v.bias", (value,)
    yield from _output(hp, il, options)


def _has_keys(hp: Hyperparameters, il: int, options: TensorOptions) -> bool:
    """False where a block borrows keys and values and stores nothing for them (gemma4.cpp:74-84 needs nothing there)."""
    return options.borrowed_kv_projections or hp.caches_kv[il]


def _output(hp: Hyperparameters, il: int, options: TensorOptions) -> Shapes:
    yield "attn_output.weight", (hp.head_count[il] * hp.value_length[il], hp.embedding_length)
    if options.attention_output_bias:
        yield "attn_output.bias", (hp.embedding_length,)
