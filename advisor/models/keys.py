"""Hyperparameters from GGUF metadata keys: the one parser, whoever the keys come from (a header, the catalogue, a log).

Mirrors `llama_model_base::load_hparams` (vendored llama.cpp, src/llama-model.cpp:1298-1450) and the rules of each architecture
(`advisor.models.architectures`): an explicit key goes before a derived value.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from advisor.errors import HyperparameterError
from advisor.models.architectures import ARCHITECTURES, Architecture, Recurrence
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.key_reader import MAX_BLOCKS, KeyReader
from advisor.models.keys_attention import (
    attention_blocks,
    caching_blocks,
    head_lengths,
    indexer_blocks,
    recurrent_blocks,
    windowed_blocks,
)
from advisor.models.keys_damaged import UNGROUPED, refuse_damaged
from advisor.models.keys_experts import Experts, read_experts


def hyperparameters(keys: Mapping[str, object], tensor_names: Collection[str] = ()) -> Hyperparameters:
    """Hyperparameters of the model that `keys` describe ("general.architecture", "llama.block_count", ...).

    `tensor_names` are looked at where keys cannot tell which blocks have experts, and for what contradicts them. An
    architecture that llama.cpp does not know is read by the general rule and says so in `assumptions`. Raises
    HyperparameterError naming the key that is missing or impossible.
    """
    name = keys.get("general.architecture")
    if not isinstance(name, str) or not name:
        raise HyperparameterError(
            'The model does not say "general.architecture"; it is not a GGUF model.', key="general.architecture"
        )
    if name == "clip":
        raise HyperparameterError("This file is a vision projector, not a language model; give it as the projector (--mmproj).")
    reader = KeyReader(keys, name)
    rule, assumptions = _rule(reader)
    blocks = _block_count(reader)
    tail = min(reader.number("nextn_predict_layers", 0), blocks)
    if name == "deepseek4" and tensor_names and f"blk.{blocks - tail}.nextn.eh_proj.weight" not in tensor_names:
        tail = 0  # deepseek4.cpp:20-26: some converters keep the key and drop the blocks
    head_count = _head_count(reader, rule, blocks)
    head_count_kv = reader.per_block("attention.head_count_kv", blocks, head_count)
    feed_forward = reader.per_block("feed_forward_length", blocks, (0,) * blocks)
    recurrent = recurrent_blocks(reader, rule, blocks, tail, head_count_kv, feed_forward)
    windowed, window = windowed_blocks(reader, rule, blocks, tail, recurrent)
    attention = attention_blocks(rule, head_count_kv, recurrent, windowed)
    experts = read_experts(reader, rule, blocks, tail, feed_forward, frozenset(tensor_names))
    embedding = reader.number(rule.embedding_key)
    full_k, full_v, swa_k, swa_v = head_lengths(reader, rule, embedding, head_count[0])
    sliding = [kind in (Attention.SLIDING, Attention.CHUNKED) for kind in attention]
    cached = caching_blocks(reader, rule, blocks, tail, attention)
    rotated = reader.number("rope.dimension_count", full_k) if head_count[0] else 0
    result = Hyperparameters(
        architecture=name,
        block_count=blocks,
        embedding_length=embedding,
        vocab_size=_vocab_size(reader),
        context_length=reader.optional_number("context_length"),
        head_count=head_count,
        head_count_kv=head_count_kv,
        key_length=tuple(swa_k if one else full_k for one in sliding),
        value_length=tuple(swa_v if one else full_v for one in sliding),
        attention=attention,
        caches_kv=cached,
        recurrent=recurrent,
        feed_forward_length=experts.dense_lengths,
        mixture=experts.mixture,
        sliding_window=window,
        nextn_predict_layers=tail,
        rope_dimension_count=rotated // 2 if name == "step35" else rotated,
        causal=rule.causal and reader.flag("attention.causal", default=True),
        assumptions=(*assumptions, *experts.assumptions),
        **_expert_fields(experts),
        expert_weights_norm=reader.flag("expert_weights_norm", default=False) if reader.has("expert_weights_norm") else None,
        **_latent_fields(reader),
        **_state_fields(reader, name, full_k),
        expert_latent_length=reader.number("moe_latent_size", 0) or reader.number("expert_latent_length", 0),
        per_layer_embedding_length=reader.number("embedding_length_per_layer_input", 0),
        compress_ratios=_compress_ratios(reader, blocks) if name == "deepseek4" else (),
    )
    refuse_damaged(result, rule, reader, tensor_names)
    return _with_extra_blocks(replace(result, caches_indexer_keys=indexer_blocks(reader, rule, result)), reader)


def _rule(reader: KeyReader) -> tuple[Architecture, tuple[str, ...]]:
    """The architecture's rule, or the general one with the sentence that says it was assumed."""
    known = ARCHITECTURES.get(reader.architecture)
    if known is not None:
        return known, ()
    sentence = (
        f'The architecture "{reader.architecture}" is not one that the engine rules know: its weights are exact, '
        "its cache and compute memory are assumed by the general rule."
    )
    if reader.has("wkv.head_size") or (reader.has("ssm.conv_kernel") and not reader.has("attention.head_count")):
        return Architecture(recurrence=Recurrence.EVERY), (sentence,)
    if reader.has("full_attention_interval"):
        return Architecture(recurrence=Recurrence.INTERVAL), (sentence,)
    if reader.has("ssm.conv_kernel") or reader.has("shortconv.l_cache"):
        return Architecture(recurrence=Recurrence.WITHOUT_KV_HEADS), (sentence,)
    return Architecture(), (sentence,)


def _block_count(reader: KeyReader) -> int:
    blocks = reader.number("block_count")
    if not 0 < blocks <= MAX_BLOCKS:
        key = reader.full_name("block_count")
        raise HyperparameterError(
            f'The key "{key}" says {blocks} blocks, but must be 1 to {MAX_BLOCKS}; the file is damaged.', key=key
        )
    return blocks


def _head_count(reader: KeyReader, rule: Architecture, blocks: int) -> tuple[int, ...]:
    if not reader.has("attention.head_count") and rule.recurrence is not Recurrence.EVERY:
        raise reader.missing("attention.head_count")
    return reader.per_block("attention.head_count", blocks, (0,) * blocks)


def _vocab_size(reader: KeyReader) -> int:
    """The tokenizer's number of tokens, as llama.cpp sizes the embedding by it (src/llama-vocab.cpp), else `vocab_size`."""
    tokens = reader.length_of("tokenizer.ggml.tokens")
    return tokens if tokens else reader.number("vocab_size")


def _expert_fields(experts: Experts) -> dict[str, Any]:
    return {
        "expert_count": experts.count,
        "expert_used_count": experts.used,
        "expert_group_count": experts.groups,
        "expert_group_used_count": experts.groups_used,
        "expert_shared_count": experts.shared,
        "expert_feed_forward_length": experts.width,
        "expert_shared_feed_forward_length": experts.shared_width,
        "leading_dense_block_count": experts.leading_dense,
    }


def _latent_fields(reader: KeyReader) -> dict[str, Any]:
    return {
        "q_lora_rank": reader.number("attention.q_lora_rank", 0),
        "kv_lora_rank": reader.number("attention.kv_lora_rank", 0),
        "key_length_mla": reader.number("attention.key_length_mla", 0),
        "value_length_mla": reader.number("attention.value_length_mla", 0),
        "indexer_head_count": reader.number("attention.indexer.head_count", 0),
        "indexer_key_length": reader.number("attention.indexer.key_length", 0),
    }


def _state_fields(reader: KeyReader, architecture: str, head_length: int) -> dict[str, Any]:
    rwkv = reader.has("wkv.head_size")
    return {
        "ssm_conv_kernel": reader.number("ssm.conv_kernel", 0),
        "ssm_inner_size": reader.number("ssm.inner_size", 0),
        "ssm_state_size": reader.number("ssm.state_size", 0),
        "ssm_group_count": 0 if architecture in UNGROUPED else reader.number("ssm.group_count", 0),
        "ssm_time_step_rank": reader.number("ssm.time_step_rank", 0),
        "shortconv_l_cache": reader.number("shortconv.l_cache", 0),
        "wkv_head_size": reader.number("wkv.head_size", 0),
        "token_shift_count": reader.number("token_shift_count", 2 if rwkv else 0),  # llama-hparams.h:151
        "kda_head_length": reader.number("kda.head_dim", 0),
        "linear_head_length": head_length if architecture == "minimax-01" else 0,
    }


def _compress_ratios(reader: KeyReader, blocks: int) -> tuple[int, ...]:
    """deepseek4.cpp: the list may be longer than the blocks, never shorter."""
    name = "attention.compress_ratios"
    if not reader.has(name):
        raise reader.missing(name)
    return reader.leading_numbers(name, blocks)


_PER_BLOCK = (
    "head_count",
    "head_count_kv",
    "key_length",
    "value_length",
    "attention",
    "caches_kv",
    "recurrent",
    "feed_forward_length",
    "mixture",
)


def _with_extra_blocks(hp: Hyperparameters, reader: KeyReader) -> Hyperparameters:
    """Nanbeige runs its blocks `num_loops` times with a cache each (nanbeige.cpp); Granite Switch adds a router block that
    caches one head (granite-switch.cpp:55-72)."""
    loops = reader.number("num_loops", 1) if hp.architecture == "nanbeige" else 1
    if not 0 < loops * hp.block_count <= MAX_BLOCKS:
        key = reader.full_name("num_loops")
        raise HyperparameterError(f'The key "{key}" asks for more than {MAX_BLOCKS} blocks; the file is damaged.', key=key)
    if loops > 1:
        repeated: dict[str, Any] = {name: getattr(hp, name) * loops for name in _PER_BLOCK}
        return replace(hp, block_count=hp.block_count * loops, **repeated)
    if hp.architecture == "graniteswitch":
        values = (1, 1, hp.key_length[0], hp.value_length[0], Attention.FULL, True, False, 0, False)
        longer: dict[str, Any] = {name: (*getattr(hp, name), value) for name, value in zip(_PER_BLOCK, values, strict=True)}
        return replace(hp, block_count=hp.block_count + 1, nextn_predict_layers=1, **longer)
    return hp
