"""Hyperparameters from keys: one table by architecture, what logs print, and keys that cannot be."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import HyperparameterError
from advisor.models.architectures import ARCHITECTURES
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.key_reader import MAX_BLOCKS
from advisor.models.keys import hyperparameters

F, S, C, N = Attention.FULL, Attention.SLIDING, Attention.CHUNKED, Attention.NONE


def keys(architecture: str, **changes: Any) -> dict[str, object]:
    """Keys of a small model; `attention__head_count=4` sets "attention.head_count", None leaves a key out."""
    values: dict[str, object] = {
        "block_count": 12,
        "context_length": 4096,
        "embedding_length": 512,
        "feed_forward_length": 1024,
        "attention.head_count": 8,
        "vocab_size": 1000,
    }
    values |= {name.replace("__", "."): value for name, value in changes.items()}
    named = {f"{architecture}.{name}": value for name, value in values.items() if value is not None}
    return {"general.architecture": architecture, **named}


def read(architecture: str, **changes: Any) -> Hyperparameters:
    return hyperparameters(keys(architecture, **changes))


# --- heads and widths -----------------------------------------------------------------------------


def test_derived_values() -> None:
    """src/llama-model.cpp:1380-1428: KV heads default to heads, head widths to embedding / heads."""
    hp = read("llama")
    assert hp.head_count_kv == (8,) * 12
    assert hp.key_length == hp.value_length == (64,) * 12
    assert hp.k_width == hp.v_width == (512,) * 12
    assert hp.rope_dimension_count == 64
    assert hp.layer_count == 12
    assert hp.assumptions == ()


def test_an_explicit_key_goes_before_a_derived_value() -> None:
    hp = read(
        "qwen3", attention__head_count_kv=2, attention__key_length=128, attention__value_length=96, rope__dimension_count=32
    )
    assert hp.k_width == (256,) * 12
    assert hp.v_width == (192,) * 12
    assert hp.rope_dimension_count == 32


def test_values_by_block() -> None:
    """get_key_or_arr, src/llama-model-loader.cpp:459-496; Deci's blocks differ, some without attention (deci.cpp)."""
    hp = read(
        "deci",
        block_count=3,
        attention__head_count=(8, 8, 0),
        attention__head_count_kv=(4, 0, 0),
        feed_forward_length=(9, 8, 0),
    )
    assert hp.k_width == (256, 0, 0)
    assert hp.caches_kv == (True, False, False)
    assert hp.attention == (F, N, N)
    assert hp.feed_forward_length == (9, 8, 0)


def test_the_vocabulary_itself_goes_before_its_size() -> None:
    named = {**keys("llama"), "tokenizer.ggml.tokens": ("a", "b", "c")}
    assert hyperparameters(named).vocab_size == 3


# --- windows --------------------------------------------------------------------------------------

WINDOWS = [
    # architecture, keys, attention of 12 blocks, window; source: load_arch_hparams of the file named
    ("gemma2", {}, (S, F) * 6, 4096),  # gemma2.cpp: built-in window
    ("gemma3", {"attention__sliding_window": 1024}, (S, S, S, S, S, F) * 2, 1024),  # gemma3.cpp
    ("gemma3", {}, (F,) * 12, 0),  # gemma3.cpp: without the key no window
    ("gemma3n", {"attention__sliding_window": 512}, (S, S, S, S, F) * 2 + (S, S), 512),  # gemma3n.cpp
    ("gpt-oss", {"attention__sliding_window": 128}, (S, F) * 6, 128),  # openai-moe.cpp
    ("cohere2", {"attention__sliding_window": 4096}, (S, S, S, F) * 3, 4096),  # cohere2.cpp
    ("cohere2moe", {"attention__sliding_window": 512}, (F, S, S, S) * 3, 512),  # cohere2moe.cpp: full first
    ("llama4", {"interleave_moe_layer_step": 1}, (C, C, C, F) * 3, 8192),  # llama4.cpp: without the key
    ("llama4", {"interleave_moe_layer_step": 1, "attention__sliding_window": 4096}, (C, C, C, F) * 3, 8192),  # fixed length
    ("llama4", {"interleave_moe_layer_step": 1, "attention__sliding_window": 0}, (F,) * 12, 0),  # switched off
    ("exaone4", {"attention__sliding_window": 4096}, (F,) * 12, 0),  # exaone4.cpp: only with 64 blocks
    ("phi3", {"attention__sliding_window": 2047}, (F,) * 12, 0),  # phi3.cpp: read and switched off
    ("qwen2", {"attention__sliding_window": 4096}, (F,) * 12, 0),  # qwen2.cpp: not read
    ("olmo2", {"attention__sliding_window": 4096}, (S, S, S, F) * 3, 4096),  # olmo2.cpp, for OLMo 3
    ("plamo3", {"attention__sliding_window": 2048}, (S,) * 7 + (F,) + (S,) * 4, 2048),  # plamo3.cpp
    ("smallthinker", {"attention__sliding_window": 1}, (F, S, S, S) * 3, 4096),  # smallthinker.cpp: fixed length
    ("modern-bert", {"attention__sliding_window": 128}, (F, S, S) * 4, 128),  # modern-bert.cpp
    ("gemma2", {"attention__sliding_window_pattern": 3}, (S, S, F) * 4, 4096),  # the file's pattern goes first
    ("olmo2", {"attention__sliding_window": 9, "attention__sliding_window_pattern": (True, False)}, (S,) + (F,) * 11, 9),
]


@pytest.mark.parametrize(("architecture", "changes", "attention", "window"), WINDOWS)
def test_windows(architecture: str, changes: dict[str, Any], attention: tuple[Attention, ...], window: int) -> None:
    hp = read(architecture, **changes)
    assert hp.attention == attention
    assert hp.sliding_window == window


def test_exaone_4_32b_has_a_window() -> None:
    """exaone4.cpp: `if (hparams.n_layer() == 64)`."""
    assert read("exaone4", block_count=64).attention == (S, S, S, F) * 16


def test_windowed_blocks_have_their_own_head_widths() -> None:
    """Gemma 4 31B: 16 KV heads of 256 in windowed blocks, 4 of 512 in the others (src/llama-hparams.cpp:104-120)."""
    hp = read(
        "gemma4",
        block_count=6,
        attention__head_count=32,
        attention__head_count_kv=(16, 16, 16, 16, 16, 4),
        attention__key_length=512,
        attention__value_length=512,
        attention__key_length_swa=256,
        attention__value_length_swa=256,
        attention__sliding_window=1024,
        attention__sliding_window_pattern=(True,) * 5 + (False,),
    )
    assert hp.k_width == (4096,) * 5 + (2048,)


# --- who keeps a cache ----------------------------------------------------------------------------


def test_shared_caches() -> None:
    """gemma3n.cpp: 20 blocks own a cache whatever the file says; gemma4.cpp: all but shared_kv_layers (E2B: 15 of 35)."""
    assert sum(read("gemma3n", block_count=35, attention__sliding_window=512).caches_kv) == 20
    pattern = (True, True, True, True, False) * 7
    e2b = read(
        "gemma4",
        block_count=35,
        attention__sliding_window=512,
        attention__sliding_window_pattern=pattern,
        attention__shared_kv_layers=20,
    )
    assert e2b.caches_kv == (True,) * 15 + (False,) * 20
    kinds = [kind for kind, caches in zip(e2b.attention, e2b.caches_kv, strict=True) if caches]
    assert (kinds.count(F), kinds.count(S)) == (3, 12)  # printed by a public log of E2B: 3 + 12 layers


def test_multi_token_prediction_blocks_cache_nothing() -> None:
    """create_memory filters them (src/llama-model.cpp:2760-2768); hybrids with the `!is_recr` filter do not."""
    hp = read("glm4moe", nextn_predict_layers=1)
    assert (hp.block_count, hp.layer_count) == (12, 11)
    assert hp.caches_kv == (True,) * 11 + (False,)


@pytest.mark.parametrize("architecture", ["bert", "nomic-bert", "modern-bert", "gemma-embedding", "dream", "llada"])
def test_encoders_and_diffusion_models_keep_no_cache(architecture: str) -> None:
    hp = read(architecture, attention__sliding_window=128)
    assert not hp.causal
    assert not any(hp.caches_kv)


def test_latent_attention() -> None:
    """DeepSeek R1: one cached key of 512 + 64, values inside it (llama-kv-cache.cpp, is_mla); older files cache whole heads."""
    shared = {
        "block_count": 61,
        "embedding_length": 7168,
        "attention__head_count": 128,
        "attention__q_lora_rank": 1536,
        "attention__kv_lora_rank": 512,
        "rope__dimension_count": 64,
    }
    new = {"attention__key_length": 576, "attention__value_length": 512, "attention__head_count_kv": 1}
    absorbed = read("deepseek2", **shared, **new, attention__key_length_mla=192, attention__value_length_mla=128)
    assert absorbed.k_width == (576,) * 61
    assert absorbed.v_width == (0,) * 61
    whole = read("deepseek2", **shared, attention__key_length=192, attention__value_length=128, attention__head_count_kv=128)
    assert whole.k_width == (24576,) * 61
    assert whole.v_width == (16384,) * 61


INDEXERS = [
    ("deepseek32", {}, (True,) * 12),
    ("glm-dsa", {"context_length": 202752}, (True,) * 12),
    ("glm-dsa", {"context_length": 1048576}, (True, True, True, False, False, False, True, False, False, False, True, False)),
    ("minimax-m3", {"leading_dense_block_count": 3}, (False,) * 3 + (True,) * 9),
    ("deepseek2", {}, ()),
]


@pytest.mark.parametrize(("architecture", "changes", "owners"), INDEXERS)
def test_indexer_keys(architecture: str, changes: dict[str, Any], owners: tuple[bool, ...]) -> None:
    """create_memory's filters for sparse attention (src/llama-model.cpp:2376-2520), glm-dsa.cpp:60-66."""
    indexer = {"attention__indexer__key_length": 128, "attention__indexer__head_count": 4, "attention__indexer__top_k": 2048}
    assert read(architecture, **indexer, **changes).caches_indexer_keys == owners


# --- recurrent states -----------------------------------------------------------------------------


def test_every_fourth_block_of_a_gated_delta_net_attends() -> None:
    """Qwen3-Next: per slot 3.38 MiB of convolution and 72.00 MiB of state (public load logs of the 80B)."""
    hp = read(
        "qwen3next",
        block_count=48,
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__group_count=16,
        ssm__time_step_rank=32,
    )
    assert hp.recurrent == (True, True, True, False) * 12
    assert hp.attention == (N, N, N, F) * 12
    assert round(hp.conv_state_elements * 36 * 4 / 2**20, 2) == 3.38
    assert hp.recurrent_state_elements * 36 * 4 / 2**20 == 72.0


def test_blocks_without_kv_heads_are_recurrent() -> None:
    hp = read("lfm2", block_count=4, attention__head_count_kv=(0, 0, 2, 0), shortconv__l_cache=3)
    assert hp.recurrent == (True, True, False, True)
    assert hp.caches_kv == (False, False, True, False)
    assert hp.conv_state_elements == 512 * 2
    assert hp.recurrent_state_elements == 0


def test_nemotron_h_has_three_kinds_of_blocks() -> None:
    """nemotron-h.cpp: recurrent without KV heads and network; feed-forward only; attention."""
    hp = read(
        "nemotron_h", block_count=3, attention__head_count_kv=(0, 0, 2), feed_forward_length=(0, 64, 0), ssm__conv_kernel=4
    )
    assert hp.recurrent == (True, False, False)
    assert hp.attention == (N, N, F)
    assert hp.caches_kv == (False, False, True)


def test_falcon_h1_has_both_in_every_block() -> None:
    hp = read("falcon-h1", ssm__conv_kernel=4)
    assert hp.recurrent == (True,) * 12
    assert hp.caches_kv == (True,) * 12


def test_rwkv_needs_no_heads() -> None:
    """llama-hparams.cpp:208-256: two token shifts unless the file says otherwise, a state of width times head size."""
    hp = read("rwkv7", attention__head_count=None, wkv__head_size=64)
    assert (hp.conv_state_elements, hp.recurrent_state_elements) == (1024, 512 * 64)
    assert not any(hp.caches_kv)


def test_kimi_delta_attention() -> None:
    """llama-hparams.cpp:218-223, 242-246: three convolutions, a square state a head."""
    hp = read("kimi-linear", attention__head_count_kv=(0, 0, 0, 1) * 3, kda__head_dim=128, ssm__conv_kernel=4)
    assert hp.conv_state_elements == 3 * 3 * 8 * 128
    assert hp.recurrent_state_elements == 128 * 128 * 8


# --- experts --------------------------------------------------------------------------------------

EXPERTS = [
    # architecture, keys, (used, width, shared width, dense blocks); source: load_arch_tensors of the file named
    ("llama", {}, (2, 1024, 0, 0)),  # llama.cpp: Mixtral's experts are as wide as the network
    ("qwen3moe", {}, (2, 512, 0, 0)),  # qwen3moe.cpp: n_ff / n_expert_used
    ("qwen3moe", {"expert_feed_forward_length": 768}, (2, 768, 0, 0)),
    ("qwen2moe", {"expert_feed_forward_length": 96}, (2, 96, 1024, 0)),  # qwen2moe.cpp: shared as wide as the network
    (
        "deepseek2",
        {"expert_feed_forward_length": 96, "expert_shared_count": 2, "leading_dense_block_count": 3},
        (2, 96, 192, 3),
    ),
    ("bailingmoe2", {"expert_feed_forward_length": 96, "expert_shared_count": 1}, (2, 96, 96, 0)),  # bailingmoe2.cpp
    ("granitemoe", {"expert_shared_feed_forward_length": 70}, (2, 1024, 70, 0)),  # granite-moe.cpp
    ("exaone-moe", {"expert_feed_forward_length": 96, "attention__sliding_window": 128}, (2, 96, 96, 0)),  # exaone-moe.cpp
]


@pytest.mark.parametrize(("architecture", "changes", "expected"), EXPERTS)
def test_experts(architecture: str, changes: dict[str, Any], expected: tuple[int, ...]) -> None:
    hp = read(architecture, expert_count=8, expert_used_count=2, **changes)
    dense = 12 - sum(hp.mixture)
    assert (hp.expert_used_count, hp.expert_feed_forward_length, hp.expert_shared_feed_forward_length, dense) == expected
    assert hp.mixture == (False,) * dense + (True,) * (12 - dense)


@pytest.mark.parametrize(("groups", "used", "expected"), [(4, 2, (4, 2)), (1, 1, (0, 0)), (1, 0, (0, 0))])
def test_groups_of_experts(groups: int, used: int, expected: tuple[int, int]) -> None:
    """One group is all experts: nothing is chosen by it (src/llama-graph.cpp:2097)."""
    hp = read("llama", expert_count=8, expert_used_count=2, expert_group_count=groups, expert_group_used_count=used)
    assert (hp.expert_group_count, hp.expert_group_used_count) == expected


def test_interleaved_experts() -> None:
    """llama4.cpp: Maverick has experts in every second block and one shared expert without a key."""
    hp = read("llama4", expert_count=8, expert_used_count=1, expert_feed_forward_length=96, interleave_moe_layer_step=2)
    assert hp.mixture == (False, True) * 6
    assert hp.expert_shared_count == 1
    assert hp.feed_forward_length == (1024, 0) * 6


def test_tensors_say_which_blocks_have_experts_where_keys_do_not() -> None:
    """mimo2.cpp makes both optional in every block."""
    named = keys(
        "mimo2",
        expert_count=8,
        expert_used_count=2,
        attention__sliding_window=128,
        attention__sliding_window_pattern=(False,) * 12,
    )
    assumed = hyperparameters(named)
    assert all(assumed.mixture)
    assert assumed.assumptions == ("The keys do not say which blocks have experts; every block is assumed to have them.",)
    known = hyperparameters(named, {f"blk.{il}.ffn_gate_inp.weight" for il in range(1, 12)})
    assert known.mixture == (False,) + (True,) * 11
    assert known.assumptions == ()


# --- every architecture ---------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_architecture_of_the_engine_is_read(architecture: str) -> None:
    """Keys enough for any of them; tuples are one entry a block."""
    hp = hyperparameters(
        keys(
            architecture,
            features_length=512,
            attention__sliding_window=64,
            attention__sliding_window_pattern=(True, False) * 6,
            attention__compress_ratios=(4,) * 13,
            attention__kv_lora_rank=64,
            interleave_moe_layer_step=1,
            ssm__conv_kernel=4,
        )
    )
    extra = 1 if architecture == "graniteswitch" else 0
    assert hp.block_count == 12 + extra
    for name in ("head_count", "head_count_kv", "key_length", "value_length", "attention", "caches_kv", "recurrent", "mixture"):
        assert len(getattr(hp, name)) == hp.block_count, name
    assert not any("not one that the engine rules know" in sentence for sentence in hp.assumptions)


def test_the_table_knows_every_architecture_that_the_gguf_package_names() -> None:
    """gguf.constants.MODEL_ARCH_NAMES of the installed package, less files that are no language models."""
    from gguf.constants import MODEL_ARCH_NAMES

    beside = {"clip", "mmproj"}
    missing = set(MODEL_ARCH_NAMES.values()) - set(ARCHITECTURES) - beside
    assert missing <= NOT_IN_THE_ENGINE


NOT_IN_THE_ENGINE: set[str] = set()


def test_an_architecture_never_seen_is_read_by_the_general_rule() -> None:
    hp = read("shoggoth", attention__head_count_kv=2, attention__sliding_window=512)
    assert hp.k_width == (128,) * 12
    assert hp.caches_kv == (True,) * 12
    assert hp.attention == (F,) * 12  # a window of unknown pattern is not believed: more cache, never less
    assert len(hp.assumptions) == 1
    assert '"shoggoth"' in hp.assumptions[0]


def test_an_unseen_hybrid_is_recurrent_where_it_has_no_kv_heads() -> None:
    hp = read("shoggoth", block_count=2, attention__head_count_kv=(0, 2), ssm__conv_kernel=4)
    assert hp.recurrent == (True, False)


# --- keys that cannot be --------------------------------------------------------------------------

NARROW = {"attention__key_length": 64, "attention__value_length": 64}
BAD = [
    ({"block_count": None}, "llama.block_count"),
    ({"embedding_length": None}, "llama.embedding_length"),
    ({"attention__head_count": None}, "llama.attention.head_count"),
    ({"vocab_size": None}, "llama.vocab_size"),
    ({"block_count": 2**31}, "llama.block_count"),
    ({"block_count": MAX_BLOCKS + 1}, "llama.block_count"),
    ({"block_count": 0}, "llama.block_count"),
    ({"block_count": "many"}, "llama.block_count"),
    ({"embedding_length": -1}, "llama.embedding_length"),
    ({"embedding_length": 2**40}, "llama.embedding_length"),
    ({"embedding_length": 1.5}, "llama.embedding_length"),
    ({"attention__head_count_kv": (8, 8)}, "llama.attention.head_count_kv"),
    ({"expert_count": 8}, "llama.expert_used_count"),
    ({"expert_count": 8, "expert_used_count": 9}, "llama.expert_used_count"),
    ({"expert_count": 8, "expert_used_count": 2, "expert_group_count": 3}, "llama.expert_group_count"),
    ({"expert_count": 8, "expert_used_count": 2, "expert_group_count": 4}, "llama.expert_group_count"),
    (
        {"expert_count": 8, "expert_used_count": 2, "expert_group_count": 4, "expert_group_used_count": 4},
        "llama.expert_group_count",
    ),
    ({"expert_count": 8, "expert_used_count": 2, "expert_group_count": 8}, "llama.expert_group_count"),
    ({"attention__head_count_kv": object()}, "llama.attention.head_count_kv"),
    ({"attention__head_count": 2**12, "embedding_length": 2**12}, "llama.attention.head_count"),
    ({"attention__head_count_kv": 2**31 - 1}, "llama.attention.head_count_kv"),
    ({"attention__key_length": 2**31 - 1}, "llama.attention.key_length"),
    ({"attention__value_length": 2**31 - 1}, "llama.attention.key_length"),
    ({"embedding_length": 2**30, "feed_forward_length": 2**30, **NARROW}, "llama.embedding_length"),
    ({"embedding_length": 2**30, "vocab_size": 2**30, **NARROW}, "llama.embedding_length"),
]


@pytest.mark.parametrize(("changes", "key"), BAD)
def test_a_wrong_key_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(HyperparameterError) as caught:
        read("llama", **changes)
    assert caught.value.key == key
    assert f'"{key}"' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 220


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"ssm__time_step_rank": 0}, "mamba2.ssm.time_step_rank"),
        ({"ssm__group_count": 0}, "mamba2.ssm.group_count"),
        ({"ssm__state_size": 2**31 - 1}, "mamba2.ssm.state_size"),
    ],
)
def test_a_recurrent_state_that_cannot_be(changes: dict[str, Any], key: str) -> None:
    sound = {"ssm__conv_kernel": 4, "ssm__inner_size": 1024, "ssm__state_size": 128, "ssm__time_step_rank": 16}
    sound["ssm__group_count"] = 1
    assert read("mamba2", **sound).ssm_time_step_rank == 16
    with pytest.raises(HyperparameterError) as caught:
        read("mamba2", **sound | changes)
    assert caught.value.key == key


def test_latent_attention_without_heads_is_refused() -> None:
    with pytest.raises(HyperparameterError, match=r'"deepseek2\.attention\.head_count" is 0'):
        read("deepseek2", attention__head_count=0, attention__kv_lora_rank=512)


def test_missing_window_keys_are_named() -> None:
    with pytest.raises(HyperparameterError, match=r"cohere2\.attention\.sliding_window"):
        read("cohere2")
    with pytest.raises(HyperparameterError, match=r"gemma4\.attention\.sliding_window_pattern"):
        read("gemma4", attention__sliding_window=512)


def test_files_that_are_no_language_models() -> None:
    with pytest.raises(HyperparameterError, match=r"general\.architecture"):
        hyperparameters({})
    with pytest.raises(HyperparameterError, match="vision projector"):
        hyperparameters({"general.architecture": "clip"})


values = st.one_of(
    st.integers(-(2**63), 2**64),
    st.floats(),
    st.text(max_size=8),
    st.booleans(),
    st.lists(st.integers(-5, 300), max_size=14),
    st.none(),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(ARCHITECTURES)),
    st.dictionaries(
        st.sampled_from(
            [
                *("block_count", "embedding_length", "attention.head_count", "attention.head_count_kv", "nextn_predict_layers"),
                *("attention.sliding_window", "attention.sliding_window_pattern", "full_attention_interval", "expert_count"),
                *("expert_used_count", "feed_forward_length", "num_loops", "attention.compress_ratios", "attention.key_length"),
                *("interleave_moe_layer_step", "moe_every_n_layers", "attention.indexer.types", "attention.recurrent_layers"),
            ]
        ),
        values,
    ),
)
def test_hostile_keys_end_in_an_answer_or_a_named_error(architecture: str, hostile: dict[str, Any]) -> None:
    base = keys(architecture, features_length=64, attention__kv_lora_rank=8)
    named = {f"{architecture}.{name}": value for name, value in hostile.items()}
    try:
        hp = hyperparameters({**base, **named})
    except HyperparameterError:
        return
    assert 0 < hp.block_count <= MAX_BLOCKS
    assert len(hp.k_width) == len(hp.v_width) == hp.block_count
    assert all(width >= 0 for width in hp.k_width)
