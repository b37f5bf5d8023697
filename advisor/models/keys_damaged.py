"""Keys that cannot be: each may pass alone, but not all of them together, or not beside the file's tensors."""

import re
from collections.abc import Collection

from advisor.errors import HyperparameterError
from advisor.models.architectures import Architecture, Recurrence
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.key_reader import MAX_HEAD_WIDTH, MAX_HEADS, MAX_STATE, MAX_WEIGHTS, KeyReader

UNGROUPED = ("mamba", "jamba")
"""Mamba 1: the engine does not look for groups (mamba.cpp, jamba.cpp)."""
_WITHOUT_GROUPS = (*UNGROUPED, "plamo2")  # whose files say 0: conversion/plamo.py:113
_OF_BLOCK = re.compile(r"blk\.(\d+)\.([a-z_]+)")
_ATTENDS = frozenset(("attn_k", "attn_q", "attn_qkv", "attn_kv_a_mqa"))
_OF_A_STATE = ("ssm_", "time_mix_", "shortconv")


def refuse_damaged(hp: Hyperparameters, rule: Architecture, reader: KeyReader, tensor_names: Collection[str]) -> None:
    """Raises HyperparameterError naming the key, where a plan of such a model would divide by zero or never end."""
    if (extra := reader.number("nextn_predict_layers", 0)) > hp.block_count:  # GGML_ASSERT, src/llama-model.cpp:1330
        raise _damaged(reader, "nextn_predict_layers", f"says {extra:,} of {hp.block_count} blocks")
    _refuse_endless(hp, reader)
    _refuse_empty(hp, reader, in_file=bool(tensor_names))
    _refuse_contradicted(hp, rule, reader, tensor_names)


def _refuse_endless(hp: Hyperparameters, reader: KeyReader) -> None:
    """Numbers that are small enough alone make weights, caches and graphs beyond all whole numbers."""
    heads = max(count * length for count, length in zip(hp.head_count, hp.key_length, strict=True))
    wide = max(heads, *hp.k_width, *hp.v_width)
    inner = max(*hp.feed_forward_length, max(hp.expert_count, 1) * hp.expert_feed_forward_length, wide)
    weights = hp.embedding_length * max(hp.vocab_size, hp.block_count * inner)
    indexed = max(hp.indexer_key_length, 1) * max(hp.indexer_head_count, 1)
    for name, what, found, most in (
        ("attention.head_count", "heads a block", max(hp.head_count), MAX_HEADS),
        ("attention.head_count_kv", "heads a block", max(hp.head_count_kv), MAX_HEADS),
        ("attention.key_length", "elements in all heads", wide, MAX_HEAD_WIDTH),
        ("attention.indexer.key_length", "elements in all heads", indexed, MAX_HEAD_WIDTH),
        ("ssm.state_size", "elements of state", max(hp.recurrent_state_elements, hp.conv_state_elements), MAX_STATE),
        ("embedding_length", "weights", weights, MAX_WEIGHTS),
    ):
        if found > most:
            raise _damaged(reader, name, f"leads to {found:,} {what}, more than any model has")


def _refuse_empty(hp: Hyperparameters, reader: KeyReader, *, in_file: bool) -> None:
    """A state or a compressed cache is divided among no heads or groups. A log does not print all keys, a file holds them."""
    states = any(hp.recurrent) and hp.ssm_inner_size > 0
    for name, needed, found in (
        ("ssm.time_step_rank", states, hp.ssm_time_step_rank),
        ("ssm.group_count", states and hp.architecture not in _WITHOUT_GROUPS, hp.ssm_group_count),
        ("attention.head_count", hp.kv_lora_rank > 0, max(hp.head_count)),
    ):
        if needed and not found and (in_file or reader.has(name)):
            raise _damaged(reader, name, f"is {'0' if reader.has(name) else 'missing'}, but must be at least 1")


def _refuse_contradicted(hp: Hyperparameters, rule: Architecture, reader: KeyReader, tensor_names: Collection[str]) -> None:
    """The file holds tensors that its keys deny."""
    of_blocks = sorted({(int(found[1]), found[2]) for found in map(_OF_BLOCK.match, tensor_names) if found})
    beside = rule.recurrence is Recurrence.BESIDE_ATTENTION
    stateful = set() if beside else {block for block, kind in of_blocks if kind.startswith(_OF_A_STATE)}
    for block, kind in of_blocks:
        if block >= hp.block_count:
            raise _damaged(reader, "block_count", f"says {hp.block_count}, but the file holds a block {block}")
        if kind.endswith("_exps") and not hp.expert_count:
            raise _damaged(reader, "expert_count", f"says 0, but block {block} has experts")
        if kind in _ATTENDS and hp.attention[block] is Attention.NONE and block not in stateful:
            raise _damaged(reader, "attention.head_count_kv", f"says 0 for block {block}, which attends")


def _damaged(reader: KeyReader, name: str, what: str) -> HyperparameterError:
    key = reader.full_name(name)
    return HyperparameterError(f'The key "{key}" {what}; the file is damaged.', key=key)
