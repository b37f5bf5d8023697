"""What the context takes: KV cache and recurrent state by block, as llama.cpp lays them out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.memory.placement import Placement
from advisor.memory.presets import CONTEXT_STEP, cache_block, uses_flash_attention
from advisor.memory.rules import EngineRules
from advisor.memory.settings import CacheType, RunSettings
from advisor.models.hyperparameters import Attention, Hyperparameters

Contexts = int | NDArray[np.int64]
Bytes = NDArray[np.int64]

WINDOWED = (Attention.SLIDING, Attention.CHUNKED)
_F32_BYTES = 4
DRAFT_TOKENS = 3
"""Tokens of one draft (common/common.h:328, n_max)."""
ROLLED_BACK = frozenset(
    {
        "bailingmoe3",
        "deepseek4",
        "glm5-next",
        "kimi-k3",
        "lfm2",
        "lfm2moe",
        "nemotron_h",
        "nemotron_h_moe",
        "qwen35",
        "qwen35moe",
        "qwen4exp",
    }
)
"""Architectures whose recurrent state is kept once more for each token of a draft (src/llama-arch.cpp:1123-1140)."""
_COMPRESSED_RATIOS = (4, 128)
"""DeepSeek V4's two kinds of compressed attention (src/llama-kv-cache-dsv4.cpp:17-18)."""


@dataclass(frozen=True, slots=True)
class CacheCells:
    """How many tokens each cache has room for. Arrays have the shape of the contexts that were asked about."""

    full: Contexts
    """Cells of one stream of the ordinary cache (n_ctx_seq)."""
    window: Contexts
    """Cells of one stream of the sliding-window cache."""
    streams: int
    """Caches side by side: 1 where it is unified, else one for each slot."""


@dataclass(frozen=True, slots=True)
class CacheBytes:
    """Bytes by block, in the last dimension; dimensions before it are those of the contexts."""

    kv: Bytes
    state: Bytes
    """Recurrent and compressor state, which does not grow with the context."""

    def by_device(self, placement: Placement) -> tuple[Bytes, Bytes]:
        """(KV cache, recurrent state) by device, the host last: a block's cache lies with the block
        (src/llama-kv-cache.cpp:213-218)."""
        member = (np.asarray(placement.blocks)[:, None] == np.arange(placement.device_count)).astype(np.int64)
        return self.kv @ member, self.state @ member


def cache_cells(hp: Hyperparameters, settings: RunSettings, rules: EngineRules, context: Contexts) -> CacheCells:
    """Cells of the caches for `context` tokens in all.

    src/llama-context.cpp:289-307 and src/llama-kv-cache-iswa.cpp:55-66; for builds before November 2025 their padding.
    """
    split = rules.split_cache and not settings.unified_kv and settings.slots > 1
    streams = settings.slots if split else 1
    flash = uses_flash_attention(settings, hp, rules)
    step = CONTEXT_STEP if rules.cell_padding == "context" else rules.cell_step(flash)
    if rules.cell_padding == "context":
        context = _round_up(context, CONTEXT_STEP)
    full = _round_up(context // streams, step)
    if not rules.window_cache or settings.swa_full or not hp.sliding_window:
        return CacheCells(full, full, streams)
    rows = settings.ubatch if rules.window_rows == "ubatch" else settings.batch
    needed = hp.sliding_window * (1 if split else settings.slots) + rows
    window = np.minimum(full, needed) if isinstance(full, np.ndarray) else min(full, needed)
    return CacheCells(full, _round_up(window, step), streams)


def cache_bytes(hp: Hyperparameters, settings: RunSettings, rules: EngineRules, context: Contexts) -> CacheBytes:
    """KV cache and recurrent state of every block for a context, or for an array of contexts, in tokens."""
    cells = cache_cells(hp, settings, rules, context)
    if hp.architecture == "deepseek4":
        return _deepseek4(hp, settings, cells)
    trunk = np.arange(hp.block_count) < hp.layer_count
    caches = np.array(hp.caches_kv, dtype=np.bool_) & trunk
    windowed = np.array([kind in WINDOWED for kind in hp.attention], dtype=np.bool_)
    full_rows, window_rows = _row_bytes(hp, settings, rules)
    kv = _times(cells.full, np.where(caches & ~windowed, full_rows, 0)) + _times(
        cells.window, np.where(caches & windowed, window_rows, 0)
    )
    kv += _times(cells.full, np.where(trunk, _indexer_rows(hp, settings), 0))
    return CacheBytes(kv * cells.streams, recurrent_bytes(hp, settings))


def nextn_cache_bytes(hp: Hyperparameters, settings: RunSettings, rules: EngineRules) -> CacheBytes:
    """What drafting with the model's own multi-token-prediction blocks adds: their plain cache, and copies of the state.

    src/llama-model.cpp:2632-2640 (a context of type MTP caches the blocks from n_layer on), src/llama-memory-recurrent.cpp:91
    and common/common.h:396-402 (a copy of the state for each token of a draft, 3 by default).
    """
    cells = cache_cells(hp, settings, rules, settings.context)
    rows, _ = _row_bytes(hp, settings, rules)
    kv = _times(cells.full, np.where(np.arange(hp.block_count) >= hp.layer_count, rows, 0))
    copies = DRAFT_TOKENS if hp.architecture in ROLLED_BACK else 0
    return CacheBytes(kv * cells.streams, recurrent_bytes(hp, settings) * copies)


def recurrent_bytes(hp: Hyperparameters, settings: RunSettings) -> Bytes:
    """R (convolution) and S (state) of every recurrent block, f32, for each slot (src/llama-memory-recurrent.cpp:91-93)."""
    one = (hp.conv_state_elements + hp.recurrent_state_elements) * _F32_BYTES * settings.slots
    trunk = np.arange(hp.block_count) < hp.layer_count
    return np.where(np.array(hp.recurrent, dtype=np.bool_) & trunk, one, 0).astype(np.int64)


def row_bytes(width: NDArray[np.int64], kind: CacheType) -> Bytes:
    """Bytes of one token's `width` values in a cache of type `kind` (ggml_row_size)."""
    block, size = cache_block(kind)
    return width // block * size


def _row_bytes(hp: Hyperparameters, settings: RunSettings, rules: EngineRules) -> tuple[Bytes, Bytes]:
    """Bytes of one token's K and V by block, in the ordinary and in the window cache (src/llama-kv-cache.cpp:209-226)."""
    k_width, v_width = _widths(hp, rules)
    if not uses_flash_attention(settings, hp, rules) and rules.v_padded and v_width.any():
        v_width = np.full_like(v_width, v_width.max())
    full = row_bytes(k_width, settings.type_k) + row_bytes(v_width, settings.type_v)
    if rules.window_quantized:
        return full, full
    return full, row_bytes(k_width, _unquantized(settings.type_k)) + row_bytes(v_width, _unquantized(settings.type_v))


def _widths(hp: Hyperparameters, rules: EngineRules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Values of K and V that one token keeps, by block; for MLA as the build stores them."""
    k_width, v_width = np.array(hp.k_width, dtype=np.int64), np.array(hp.v_width, dtype=np.int64)
    if not (hp.kv_lora_rank and hp.key_length_mla):
        return k_width, v_width
    heads = np.array(hp.head_count, dtype=np.int64)
    if not rules.mla_cache:
        return heads * hp.key_length_mla, heads * hp.value_length_mla
    return k_width, np.full_like(v_width, hp.kv_lora_rank if rules.mla_stores_values else 0)


def _unquantized(kind: CacheType) -> CacheType:
    return kind if cache_block(kind)[0] == 1 else "f16"


def _indexer_rows(hp: Hyperparameters, settings: RunSettings) -> Bytes:
    """Bytes of one token's indexer key by block: one head, and V too where the model is not MLA
    (src/llama-kv-cache-msa.cpp:38-49)."""
    rows = np.zeros(hp.block_count, dtype=np.int64)
    if not any(hp.caches_indexer_keys):
        return rows
    width = row_bytes(np.array([hp.indexer_key_length]), settings.type_k)[0]
    has_v = hp.architecture == "minimax-m3"
    values = row_bytes(np.array(hp.value_length, dtype=np.int64), settings.type_v) if has_v else 0
    return np.where(np.array(hp.caches_indexer_keys, dtype=np.bool_), width + values, 0)


def _deepseek4(hp: Hyperparameters, settings: RunSettings, cells: CacheCells) -> CacheBytes:
    """DeepSeek V4: keys only, a stream for each slot even where unified, and compressed caches beside them.

    src/llama-kv-cache-dsv4.cpp:1238-1336 (caches) and :965-966 (compressor states).
    """
    window_one_slot = CacheCells(cells.full, cells.full, settings.slots)
    if not settings.swa_full and hp.sliding_window:
        needed = hp.sliding_window + settings.ubatch
        low = np.minimum(cells.full, needed) if isinstance(cells.full, np.ndarray) else min(cells.full, needed)
        window_one_slot = CacheCells(cells.full, _round_up(low, CONTEXT_STEP), settings.slots)
    k_rows = row_bytes(np.array(hp.k_width, dtype=np.int64), settings.type_k)
    windowed = np.array([kind in WINDOWED for kind in hp.attention], dtype=np.bool_)
    kv = _times(window_one_slot.full, np.where(windowed, 0, k_rows)) + _times(
        window_one_slot.window, np.where(windowed, k_rows, 0)
    )
    key = np.array(hp.key_length, dtype=np.int64)
    index_row = int(row_bytes(np.array([hp.indexer_key_length]), settings.type_k)[0])
    state = np.zeros(hp.block_count, dtype=np.int64)
    ratios = np.array(hp.compress_ratios or (0,) * hp.block_count)
    sparse, heavy = _COMPRESSED_RATIOS
    for ratio in _COMPRESSED_RATIOS:
        compressed = _round_up(-(-cells.full // ratio), CONTEXT_STEP)
        rows = k_rows + (index_row if ratio == sparse else 0)
        kv += _times(compressed, np.where(ratios == ratio, rows, 0))
    state += np.where(ratios == sparse, 2 * (2 * sparse) * (2 * key + 2 * hp.indexer_key_length), 0)
    state += np.where(ratios == heavy, 2 * heavy * key, 0)
    return CacheBytes(kv * settings.slots, state * _F32_BYTES * settings.slots)


def _times(cells: Contexts, rows: Bytes) -> Bytes:
    """cells x bytes of a row, blocks in the last dimension."""
    return np.multiply.outer(np.asarray(cells, dtype=np.int64), rows)


def _round_up(tokens: Contexts, step: int) -> Contexts:
    return -(-tokens // step) * step
