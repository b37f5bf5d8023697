"""What differs between builds of llama.cpp: `EngineRules`, by the date on which each change was merged.

A change applies from its day on. The pinned engine (its source is vendored with llama-cpp-python 0.3.36) has all of them.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, NamedTuple

from advisor.memory.builds import PINNED_BUILD, build_date

__all__ = ["CHANGES", "PINNED_BUILD", "Change", "EngineRules", "rules_for"]

CellPadding = Literal["attention", "none", "context"]


class Change(NamedTuple):
    """One change of the engine that memory depends on."""

    since: date
    what: str
    source: str


_PULL = "https://github.com/ggml-org/llama.cpp/pull/"

CHANGES: dict[str, Change] = {
    "mla_cache": Change(date(2025, 4, 15), "MLA models cache the latent vector, not whole heads", _PULL + "12801"),
    "window_cache": Change(date(2025, 5, 20), "a cache of its own for sliding-window blocks", _PULL + "13194"),
    "window_ubatch": Change(date(2025, 5, 31), "window cache of n_swa + n_ubatch cells, not n_swa + n_batch", _PULL + "13833"),
    "v_padded": Change(
        date(2025, 7, 16),
        "V rows of all blocks are as wide as the widest where flash attention is off",
        "src/llama-kv-cache.cpp:185-211 [TAG_V_CACHE_VARIABLE]; came with " + _PULL + "14363",
    ),
    "fused_glu": Change(date(2025, 6, 30), "gated activations are one operation with a result of its own", _PULL + "14158"),
    "row_indices": Change(
        date(2025, 8, 3),
        "the cache is written by row indices, which are graph inputs",
        _PULL + "14285 (in use with LLAMA_SET_ROWS)",
    ),
    "split_cache": Change(
        date(2025, 8, 3),
        'a cache a slot where it is not unified; before, logs say "forcing unified KV cache"',
        _PULL + "14363 (taken into use with LLAMA_SET_ROWS, logs of 2025-08-03 and 2025-08-08 lie on either side)",
    ),
    "flash_attention_auto": Change(date(2025, 8, 30), "flash attention is tried unless switched off", _PULL + "15434"),
    "cells_unpadded": Change(date(2025, 10, 28), "the cache is no longer padded", _PULL + "16812"),
    "auto_slots": Change(date(2025, 11, 2), "llama-server starts with 4 slots and a unified cache", _PULL + "16736 and 17997"),
    "context_padded": Change(date(2025, 11, 7), "the context and the window cache are padded to 256", _PULL + "17046"),
    "fit": Change(date(2025, 12, 15), "llama-server and llama-cli fit layers to free memory", _PULL + "16653"),
    "output_first": Change(
        date(2026, 1, 8),
        "the output layer is offloaded first, before any block",
        _PULL + "18148 (opened 2025-12-17; the log of b8179 has it, the log of a build of 2025-12-17 has not)",
    ),
    "embeddings_input": Change(date(2026, 1, 19), "inputs for tokens and for embeddings are both reserved", _PULL + "18898"),
    "mla_without_values": Change(date(2026, 1, 25), "MLA models cache keys only", _PULL + "19067"),
    "fused_delta_net": Change(date(2026, 3, 7), "a gated delta net is one operation", _PULL + "19504"),
    "rotated_cache": Change(date(2026, 4, 1), "keys and values are rotated before they are quantized", _PULL + "21038"),
    "per_layer_on_host": Change(
        date(2026, 4, 9),
        "the per-layer embedding of Gemma 3n and 4 lies with the input layer; before, with the output layer",
        _PULL + "21612 (open on 2026-04-08; logs of b8680 and of 2026-04-08 have it on the GPU)",
    ),
    "window_f16": Change(date(2026, 4, 1), "the window cache stays f16 where the cache is quantized", _PULL + "21277"),
    "window_f16_reverted": Change(date(2026, 4, 3), "the window cache is quantized like the other", _PULL + "21332"),
    "dequantized_cache": Change(
        date(2026, 5, 1),
        "CUDA keeps f16 copies of a quantized cache in the compute buffer",
        "https://github.com/unslothai/unsloth/pull/6718 (measured in builds of June 2026; the day itself is not known)",
    ),
    "metal_scratch": Change(
        date(2026, 8, 20),
        "Metal reserves scratch and f16 copies of the cache behind results of flash attention and of routed experts",
        _PULL
        + "27390 (the copies; "
        + _PULL
        + "17143 of 2025-11-10 has the scratch, which load logs up to b9090 of 2026-05-20 "
        "do not show: other memory covers it there)",
    ),
    "late_rows": Change(
        date(2026, 5, 16),
        "models with multi-token prediction pick the rows to output after their last block",
        _PULL + "22673 (merged in May 2026; logs of 2026-05-03 do not have it)",
    ),
    "host_mask_f16": Change(date(2026, 5, 30), "attention masks are f16, on the host too", _PULL + "23764"),
    "logits_for_slots": Change(
        date(2026, 6, 1),
        "llama-server reserves logits for its slots only",
        _PULL + "23861 (open on 2026-05-30; in llama-cpp-python on 2026-06-02)",
    ),
}


@dataclass(frozen=True, slots=True)
class EngineRules:
    """The rules of one engine build. Each flag is true from the date of its `CHANGES` entry on."""

    build: str
    """As asked for: "b6060", a date, or the pinned build."""
    date: date
    mla_cache: bool
    """MLA models cache kv_lora_rank + rope values a token; before, whole heads."""
    mla_stores_values: bool
    """The latent vector is also stored a second time as V."""
    window_cache: bool
    """Sliding-window blocks have a cache of their own; before, all blocks keep the whole context."""
    window_rows: Literal["batch", "ubatch"]
    """What the window cache adds to n_swa."""
    window_quantized: bool
    """False in the builds that keep the window cache f16 whatever the cache's types are."""
    v_padded: bool
    """Without flash attention, V rows of all blocks are as wide as the widest."""
    split_cache: bool
    """False: one cache for all slots, whatever was asked."""
    cell_padding: CellPadding
    """"attention": cells to 256 with flash attention, to 32 without; "none"; "context": the context itself to 256."""
    flash_attention_auto: bool
    auto_slots: bool
    fit: bool
    """`--gpu-layers auto` fits layers to free memory (common/fit.cpp)."""
    output_first: bool
    """The output layer is the first that goes to the GPU; before, the last."""
    per_layer_on_host: bool
    """Gemma 3n's and 4's per-layer embedding stays on the host; before, it went with the output layer."""
    logits_for_slots: bool
    host_mask_f16: bool
    """Masks take 2 bytes an element on the host; before, 4."""
    fused_glu: bool
    row_indices: bool
    embeddings_input: bool
    fused_delta_net: bool
    rotated_cache: bool
    dequantized_cache: bool
    metal_scratch: bool
    late_rows: bool

    def cell_step(self, flash_attention: bool) -> int:  # noqa: FBT001 (the question itself)
        """Cells of a cache come in multiples of this."""
        if self.cell_padding == "attention":
            return 256 if flash_attention else 32
        return 1 if self.cell_padding == "none" else 256


@lru_cache(maxsize=256)
def rules_for(build: str | None = None) -> EngineRules:
    """The rules of `build`: "b6060", "8179 (ecbcb7ea9)", a date "2025-12-01", or None for the pinned build.

    Raises QuestionError where `build` is none of these.
    """
    day = build_date(build)

    def since(name: str) -> bool:
        return day >= CHANGES[name].since

    padding: CellPadding = "context" if since("context_padded") else "none" if since("cells_unpadded") else "attention"
    return EngineRules(
        build=PINNED_BUILD if build is None else build,
        date=day,
        mla_cache=since("mla_cache"),
        mla_stores_values=not since("mla_without_values"),
        window_cache=since("window_cache"),
        window_rows="ubatch" if since("window_ubatch") else "batch",
        window_quantized=not since("window_f16") or since("window_f16_reverted"),
        v_padded=since("v_padded"),
        split_cache=since("split_cache"),
        cell_padding=padding,
        flash_attention_auto=since("flash_attention_auto"),
        auto_slots=since("auto_slots"),
        fit=since("fit"),
        output_first=since("output_first"),
        per_layer_on_host=since("per_layer_on_host"),
        logits_for_slots=since("logits_for_slots"),
        host_mask_f16=since("host_mask_f16"),
        fused_glu=since("fused_glu"),
        row_indices=since("row_indices"),
        embeddings_input=since("embeddings_input"),
        fused_delta_net=since("fused_delta_net"),
        rotated_cache=since("rotated_cache"),
        dequantized_cache=since("dequantized_cache"),
        metal_scratch=since("metal_scratch"),
        late_rows=since("late_rows"),
    )
