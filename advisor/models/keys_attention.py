"""Which blocks attend, to what, with how wide heads, and which keep a cache or a recurrent state."""

from advisor.errors import HyperparameterError
from advisor.models.architectures import Architecture, Indexer, Recurrence
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.key_reader import KeyReader

_GLM_SHARED_INDEXER_CONTEXT = 1_048_576
"""From this trained context on, GLM's sparse attention shares indexers between blocks (glm-dsa.cpp:60-66)."""


def head_lengths(reader: KeyReader, rule: Architecture, embedding: int, heads: int) -> tuple[int, int, int, int]:
    """Widths of a key and a value head in full-attention blocks, then in windowed ones (src/llama-model.cpp:1394-1428)."""
    if heads == 0 and reader.architecture != "plamo2":  # plamo2.cpp reads the two keys again
        return 0, 0, reader.number("attention.key_length_swa", 0), reader.number("attention.value_length_swa", 0)
    derived = embedding // heads if heads else 0
    full_k = reader.number("attention.key_length", derived)
    full_v = reader.number("attention.value_length", derived)
    if rule.value_is_latent:
        full_v = reader.number("attention.kv_lora_rank")
    if rule.keys_only:
        full_v = 0
    swa_v = 0 if rule.keys_only else reader.number("attention.value_length_swa", full_v)
    return full_k, full_v, reader.number("attention.key_length_swa", full_k), swa_v


def recurrent_blocks(
    reader: KeyReader, rule: Architecture, blocks: int, tail: int, head_count_kv: tuple[int, ...], feed_forward: tuple[int, ...]
) -> tuple[bool, ...]:
    trunk = range(blocks - tail)
    match rule.recurrence:
        case Recurrence.NONE:
            return (False,) * blocks
        case Recurrence.EVERY | Recurrence.BESIDE_ATTENTION:
            return (True,) * blocks
        case Recurrence.WITHOUT_KV_HEADS:
            return tuple(il in trunk and head_count_kv[il] == 0 for il in range(blocks))
        case Recurrence.WITHOUT_KV_HEADS_AND_FFN:
            return tuple(il in trunk and head_count_kv[il] == 0 and feed_forward[il] == 0 for il in range(blocks))
        case Recurrence.INTERVAL:
            if reader.is_list("attention.recurrent_layers"):
                return reader.block_flags("attention.recurrent_layers", blocks)
            interval = reader.number("full_attention_interval", rule.attention_interval)
            if interval == 0:
                key = reader.full_name("full_attention_interval")
                raise HyperparameterError(f'The key "{key}" is 0, but must be at least 1; the file is damaged.', key=key)
            return tuple(il in trunk and (il + 1) % interval != 0 for il in range(blocks))


def windowed_blocks(
    reader: KeyReader, rule: Architecture, blocks: int, tail: int, recurrent: tuple[bool, ...]
) -> tuple[tuple[bool, ...], int]:
    """Which blocks see only a window, and its length; no block and 0 without one."""
    window = rule.window
    none = (False,) * blocks
    if window is None or (window.block_count is not None and window.block_count != blocks - tail):
        return none, 0
    length = reader.optional_number("attention.sliding_window")
    if (window.optional and not length) or (window.length_fixed and length == 0):
        return none, 0
    if length is None and window.length is None:
        raise reader.missing("attention.sliding_window")
    length = window.length if length is None or window.length_fixed else length
    assert length is not None
    if window.every is None or reader.is_list("attention.sliding_window_pattern"):
        flags = reader.block_flags("attention.sliding_window_pattern", blocks)
    else:
        every = reader.number("attention.sliding_window_pattern", window.every)
        flags = tuple(il < blocks - tail and _windowed(il, every, full_first=window.full_first) for il in range(blocks))
    return tuple(flag and not state for flag, state in zip(flags, recurrent, strict=True)), length


def _windowed(il: int, every: int, *, full_first: bool) -> bool:
    """llama_hparams::set_swa_pattern, src/llama-hparams.cpp:8-22."""
    if every == 0:
        return True
    return il % every != 0 if full_first else il % every < every - 1


def attention_blocks(
    rule: Architecture, head_count_kv: tuple[int, ...], recurrent: tuple[bool, ...], windowed: tuple[bool, ...]
) -> tuple[Attention, ...]:
    """A block without KV heads does not attend: recurrent, feed-forward only (Nemotron-H) or linear (Deci)."""
    inside = rule.window.kind if rule.window else Attention.SLIDING
    beside = rule.recurrence is Recurrence.BESIDE_ATTENTION
    return tuple(
        Attention.NONE if heads == 0 or (state and not beside) else inside if near else Attention.FULL
        for heads, state, near in zip(head_count_kv, recurrent, windowed, strict=True)
    )


def caching_blocks(
    reader: KeyReader, rule: Architecture, blocks: int, tail: int, attention: tuple[Attention, ...]
) -> tuple[bool, ...]:
    """Which blocks own a KV cache in the main context (create_memory, src/llama-model.cpp:2352-2660)."""
    if rule.cacheless:
        return (False,) * blocks
    first = rule.first_cached_blocks
    shared = reader.number("attention.shared_kv_layers", 0) if reader.architecture == "gemma4" else 0
    owners = max(0, blocks - shared) if first is None else first
    last = blocks if rule.tail_cached or tail == blocks else blocks - tail
    return tuple(attention[il] is not Attention.NONE and il < owners and il < last for il in range(blocks))


def indexer_blocks(reader: KeyReader, rule: Architecture, hp: Hyperparameters) -> tuple[bool, ...]:
    """Which blocks cache indexer keys; empty where none does."""
    if rule.indexer is Indexer.NONE or not hp.indexer_key_length or not reader.number("attention.indexer.top_k", 0):
        return ()
    trunk = hp.layer_count
    match rule.indexer:
        case Indexer.AFTER_DENSE:
            return tuple(il >= hp.leading_dense_block_count for il in range(hp.block_count))
        case Indexer.ATTENTION:
            return tuple(il < trunk and not hp.recurrent[il] for il in range(hp.block_count))
        case Indexer.LISTED:
            shares = hp.architecture == "glm-dsa" and (hp.context_length or 0) >= _GLM_SHARED_INDEXER_CONTEXT
            listed = tuple(not shares or il < 2 or (il - 2) % 4 == 0 for il in range(hp.block_count))
            if reader.is_list("attention.indexer.types"):
                listed = reader.block_flags("attention.indexer.types", hp.block_count)
            elif reader.has("attention.indexer.types"):
                listed = (reader.flag("attention.indexer.types", default=True),) * hp.block_count
            return tuple(il < trunk and not hp.recurrent[il] and listed[il] for il in range(hp.block_count))
        case _:
            return tuple(il < trunk for il in range(hp.block_count))
