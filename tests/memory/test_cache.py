"""KV cache and recurrent state. Literal sizes are those of load logs and of measurements in public threads."""

from typing import Any

import numpy as np
import pytest

from advisor.memory.cache import cache_bytes, cache_cells, nextn_cache_bytes, row_bytes
from advisor.memory.placement import place
from advisor.memory.rules import rules_for
from advisor.models.hyperparameters import Attention
from tests.memory.models import MIB, file, hyperparameters, metadata, settings


def total_mib(model: str, build: str | None = None, **asked: Any) -> tuple[float, float]:
    """(KV cache, recurrent state) of all blocks in MiB."""
    metadata = file(model)
    chosen = settings(metadata, build=build, **asked)
    found = cache_bytes(metadata.hyperparameters, chosen, rules_for(build), chosen.context)
    return float(found.kv.sum()) / MIB, float(found.state.sum()) / MIB


@pytest.mark.parametrize(
    ("model", "asked", "mib"),
    [
        # the engine, one slot, 8k and 32k
        ("llama-3.1-8b", {"slots": 1, "context": 8192}, 1024),
        ("llama-3.1-8b", {"slots": 1, "context": 131072}, 16384),
        ("qwen3-30b-a3b", {"slots": 1, "context": 32768}, 3072),
        ("gemma-3-27b", {"slots": 1, "context": 8192}, 1264),
        ("gemma-3-27b", {"slots": 1, "context": 32768}, 3184),
        ("gpt-oss-20b", {"slots": 1, "context": 8192}, 210),
        ("gpt-oss-20b", {"slots": 1, "context": 32768}, 786),
        ("deepseek-r1-distill-qwen-32b", {"slots": 1, "context": 8192}, 2048),
        ("deepseek-r1-671b", {"slots": 1, "context": 8192}, 549),
        ("deepseek-r1-671b", {"slots": 1, "context": 32768}, 2196),
        # the engine: 4 unified slots, 4 split slots
        ("gemma-3-27b", {"context": 8192}, 2512),
        ("gemma-3-27b", {"slots": 4, "context": 8192}, 3136),
        # llama-server, Gemma 3 270M (unslothai/unsloth#5225 and its tests of 2026)
        ("gemma-3-270m", {"slots": 1, "context": 4096}, 27),
        ("gemma-3-270m", {"slots": 2, "context": 4096}, 42),
        ("gemma-3-270m", {"slots": 4, "context": 4096}, 72),
        ("gemma-3-270m", {"slots": 8, "context": 4096}, 72),
        ("gemma-3-270m", {"slots": 2, "context": 8192, "unified_kv": True}, 46.5),
        ("gemma-3-270m", {"slots": 4, "context": 8192, "unified_kv": True}, 61.5),
        # unslothai/unsloth#7530
        ("gemma-3-270m", {"slots": 3, "context": 1024}, 27),
        ("gemma-3-270m", {"slots": 4, "context": 1024}, 18),
        # Gemma 4 E4B, 4,096 tokens: 64.00 MiB and 1,024 of 4,096 window cells, which are 160.00 MiB (qualcomm/GenieX#1346)
        ("gemma-4-e4b", {"slots": 1, "context": 4096, "ubatch": 512, "batch": 2048}, 64 + 40),
        ("gemma-4-e4b", {"slots": 1, "context": 4096, "swa_full": True}, 64 + 160),
    ],
)
def test_kv_caches_are_as_large_as_the_engine_makes_them(model: str, asked: dict[str, Any], mib: float) -> None:
    assert total_mib(model, **asked)[0] == mib


@pytest.mark.parametrize(
    ("kind", "share"),
    [("f32", 2), ("f16", 1), ("bf16", 1), ("q8_0", 17 / 32), ("q5_1", 3 / 8), ("q4_0", 9 / 32), ("iq4_nl", 9 / 32)],
)
def test_quantized_caches_have_their_exact_blocks(kind: str, share: float) -> None:
    assert total_mib("llama-3.1-8b", slots=1, context=8192, type_k=kind, type_v=kind)[0] == 1024 * share


def test_keys_and_values_may_have_types_of_their_own() -> None:
    assert total_mib("llama-3.1-8b", slots=1, context=8192, type_k="q8_0")[0] == 512 + 512 * 17 / 32


@pytest.mark.parametrize(
    ("model", "slots", "mib"),
    [
        # load logs: R 3.38 + S 72.00 MiB; 62.81 MiB a slot, 1,005.00 with 16 slots
        ("qwen3-next-80b-a3b", 1, 75.375),
        ("qwen3.6-35b-a3b", 1, 62.8125),
        ("qwen3.6-35b-a3b", 16, 1005.0),
        ("llama-3.1-8b", 4, 0),
    ],
)
def test_recurrent_state_is_kept_for_each_slot(model: str, slots: int, mib: float) -> None:
    assert total_mib(model, slots=slots, context=8192)[1] == mib
    assert total_mib(model, slots=slots, context=65536)[1] == mib


def test_only_a_quarter_of_the_blocks_of_qwen3_next_cache_keys() -> None:
    # load log, 132,352 tokens: 3,177 MiB of context, of which 75.38 are state
    assert total_mib("qwen3-next-80b-a3b", slots=1, context=132352)[0] == pytest.approx(3177 - 75.4, abs=1)


def test_mla_stored_values_beside_keys_until_january_2026() -> None:
    # load log DeepSeek-V3-0324, b5331, 16k: K 1,098 MiB and V 976 MiB
    asked = {"slots": 1, "context": 16384}
    assert total_mib("deepseek-v3-0324", "b5331", **asked)[0] == 1098 + 976
    assert total_mib("deepseek-v3-0324", **asked)[0] == 1098


def test_mla_before_april_2025_cached_whole_heads() -> None:
    # load log DeepSeek-R1, f16, 4k, before the MLA cache: 19,520 MiB
    assert total_mib("deepseek-r1-671b", "2025-03-01", slots=1, context=4096)[0] == 19520


def test_there_was_no_window_cache_before_may_2025() -> None:
    # load log gemma3-1b of 2025-05-03 prints one cache for all 26 blocks
    assert total_mib("gemma-3-1b", "b5274", slots=1, context=4096)[0] == 26 * 4096 * 1024 / MIB
    assert total_mib("gemma-3-1b", "b6060", slots=1, context=4096)[0] == (4 * 4096 + 22 * 1024) * 1024 / MIB


def test_the_window_cache_stayed_f16_for_two_days_of_april_2026() -> None:
    quantized = {"slots": 1, "context": 8192, "type_k": "q8_0", "type_v": "q8_0"}
    window = 52 * 1536 * 2 * 16 * 128 * 2 / MIB  # 52 of 62 blocks, 1,536 cells, K and V of 16 heads of 128
    assert total_mib("gemma-3-27b", "2026-04-02", **quantized)[0] == (1264 - window) * 17 / 32 + window
    assert total_mib("gemma-3-27b", **quantized)[0] == 1264 * 17 / 32


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        # load logs of gpt-oss-20b (n_swa 128) on b7772
        ({"slots": 1, "context": 40192}, 768),
        ({"slots": 1, "context": 16384, "ubatch": 2048}, 2304),
        ({"slots": 4, "unified_kv": True, "context": 56064}, 1024),
        ({"slots": 2, "context": 16384}, 768),
        ({"slots": 1, "context": 512}, 512),
        ({"slots": 1, "context": 16384, "swa_full": True}, 16384),
        # no flash attention, August 2025: 640 = 128 + 512, rounded up to 32
        ({"slots": 1, "context": 16384, "build": "2025-08-13", "flash_attention": "off"}, 640),
        ({"slots": 1, "context": 16384, "build": "2025-08-13", "flash_attention": "on"}, 768),
    ],
)
def test_window_cells_follow_the_window_and_the_micro_batch(asked: dict[str, Any], window: int) -> None:
    model = file("gpt-oss-20b")
    chosen = settings(model, **asked)
    assert cache_cells(model.hyperparameters, chosen, rules_for(chosen.build), chosen.context).window == window


def test_split_slots_have_a_stream_each_where_the_build_can() -> None:
    model = file("llama-3.1-8b")
    for build, streams, cells in ((None, 2, 4096), ("2025-07-01", 1, 8192)):
        chosen = settings(model, slots=2, context=8192, build=build)
        found = cache_cells(model.hyperparameters, chosen, rules_for(build), chosen.context)
        assert (found.streams, found.full) == (streams, cells)


def test_llama_4_keeps_chunks_like_windows() -> None:
    # load logs of Llama 4 Scout (n_swa 8,192): 4,096 cells at 4,096 tokens of context
    model = file("llama-4-scout")
    chosen = settings(model, slots=1, context=4096)
    assert cache_cells(model.hyperparameters, chosen, rules_for(), 4096).window == 4096
    assert cache_cells(model.hyperparameters, chosen, rules_for(), 65536).window == 8192 + 512


def test_an_array_of_contexts_gives_what_each_context_gives() -> None:
    for model in ("gemma-3-27b", "qwen3.6-35b-a3b", "deepseek-r1-671b"):
        metadata = file(model)
        chosen = settings(metadata, slots=3, context=8192)
        contexts = np.array([256, 1000, 8192, 131072])
        together = cache_bytes(metadata.hyperparameters, chosen, rules_for(), contexts).kv
        assert together.shape == (4, metadata.hyperparameters.block_count)
        for context, row in zip(contexts.tolist(), together, strict=True):
            alone = cache_bytes(metadata.hyperparameters, chosen, rules_for(), context).kv
            assert row.tolist() == alone.tolist()


def test_a_cache_lies_with_its_block() -> None:
    # the engine on a virtual GPU, Llama-3.1-8B, 20 layers: 608 MiB of 1,024 on the GPU
    model = file("llama-3.1-8b")
    chosen = settings(model, slots=1, context=8192)
    found = cache_bytes(model.hyperparameters, chosen, rules_for(), 8192)
    kv, state = found.by_device(place(model.hyperparameters, rules_for(), gpus=1, gpu_layers=20))
    assert (kv / MIB).tolist() == [608, 416]
    assert state.tolist() == [0, 0]


def test_encoders_and_blocks_without_attention_cache_nothing() -> None:
    hp = hyperparameters(caches_kv=(False,) * 4)
    assert cache_bytes(hp, settings(metadata(hp)), rules_for(), 4096).kv.sum() == 0


def test_decoders_whose_attention_is_not_causal_cache_as_others_do() -> None:
    # create_memory asks for the architecture, not for attention.causal (src/llama-model.cpp:2352-2374)
    hp = hyperparameters(causal=False)
    assert cache_bytes(hp, settings(metadata(hp)), rules_for(), 4096).kv.tolist() == [4096 * 2 * 2 * 64 * 2] * 4


def test_blocks_for_multi_token_prediction_cache_nothing() -> None:
    hp = hyperparameters(5, nextn_predict_layers=1)
    assert cache_bytes(hp, settings(metadata(hp)), rules_for(), 4096).kv.tolist() == [4096 * 2 * 2 * 64 * 2] * 4 + [0]


def test_values_are_as_wide_as_the_widest_where_flash_attention_is_off() -> None:
    hp = hyperparameters(2, head_count_kv=(1, 4))
    on = cache_bytes(hp, settings(metadata(hp), flash_attention="on"), rules_for(), 256).kv
    off = cache_bytes(hp, settings(metadata(hp), flash_attention="off"), rules_for(), 256).kv
    assert on.tolist() == [256 * 2 * (64 + 64), 256 * 2 * (256 + 256)]
    assert off.tolist() == [256 * 2 * (64 + 256), 256 * 2 * (256 + 256)]


def test_indexer_keys_have_a_cache_of_their_own() -> None:
    hp = hyperparameters(2, indexer_key_length=128, caches_indexer_keys=(False, True))
    plain = hyperparameters(2)
    added = (
        cache_bytes(hp, settings(metadata(hp)), rules_for(), 256).kv
        - cache_bytes(plain, settings(metadata(hp)), rules_for(), 256).kv
    )
    assert added.tolist() == [0, 256 * 128 * 2]


def test_deepseek_4_compresses_keys_and_keeps_a_stream_a_slot() -> None:
    hp = hyperparameters(
        3,
        architecture="deepseek4",
        head_count_kv=(1,) * 3,
        key_length=(512,) * 3,
        attention=(Attention.SLIDING, Attention.FULL, Attention.FULL),
        sliding_window=128,
        indexer_key_length=128,
        compress_ratios=(0, 4, 128),
    )
    found = cache_bytes(hp, settings(metadata(hp), slots=2, unified_kv=True, context=8192), rules_for(), 8192)
    window, full, sparse, heavy = 768, 8192, 2048, 256
    assert found.kv.tolist() == [2 * 2 * n for n in (window * 512, (full + sparse) * 512 + sparse * 128, (full + heavy) * 512)]
    # src/llama-kv-cache-dsv4.cpp:965: kv and score, f32, 8 rows of 2 x 512 and of 2 x 128, or 128 rows of 512
    assert found.state.tolist() == [0, 2 * 4 * 2 * 8 * (1024 + 256), 2 * 4 * 2 * 128 * 512]


def test_rows_are_counted_in_whole_blocks() -> None:
    assert row_bytes(np.array([64, 576]), "q8_0").tolist() == [68, 612]


def test_drafting_with_its_own_blocks_copies_the_recurrent_state() -> None:
    # common/common.h:328: 3 tokens a draft; a load log of a draft of 2 says "1 seqs 2 rs_seq" and three times the state
    model = file("qwen3.6-35b-a3b")
    found = nextn_cache_bytes(model.hyperparameters, settings(model, slots=1), rules_for())
    assert found.state.sum() / MIB == 3 * 62.8125
    dense = file("glm-4.5-air")
    assert nextn_cache_bytes(dense.hyperparameters, settings(dense, slots=1, context=8192), rules_for()).kv.nonzero()[
        0
    ].tolist() == [46]
