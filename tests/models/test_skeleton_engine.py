"""The engine judges the catalogue: every skeleton loads without a missing or misshapen tensor, and what the engine prints of
the model and its caches is what `hyperparameters` says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.skeleton import write_skeleton

pytest.importorskip("llama_cpp")

PROBE = Path(__file__).with_name("engine_probe.py")
CONTEXT, UBATCH, MIB = 16384, 512, 2**20

SAMPLE = (
    "llama-3.2-1b",
    "qwen3-30b-a3b",
    "gemma-3-27b",
    "gemma-3n-e4b",
    "gemma-4-e4b",
    "gpt-oss-20b",
    "llama-4-maverick",
    "deepseek-r1-671b",
    "glm-5.2",
    "qwen3.5-35b-a3b",
    "falcon-h1-7b",
    "nemotron-3-nano-30b-a3b",
    "lfm2-8b-a1b",
    "phi-2",
)
REST = tuple(model.id for model in catalogue().models if model.id not in SAMPLE)


@pytest.mark.engine
@pytest.mark.parametrize("model_id", SAMPLE)
def test_the_engine_accepts_and_agrees(model_id: str, tmp_path: Path) -> None:
    judge(catalogue().find(model_id), tmp_path)


@pytest.mark.engine_all
@pytest.mark.parametrize("model_id", REST)
def test_the_engine_accepts_and_agrees_all(model_id: str, tmp_path: Path) -> None:
    judge(catalogue().find(model_id), tmp_path)


def judge(model: CatalogueModel, folder: Path) -> None:
    """Load the model's skeleton and compare the engine's log with the hyperparameters."""
    hp = model.hyperparameters
    path = folder / "model.gguf"
    write_skeleton(path, model.keys, model.quantized("Q4_K_M").tensors)
    context = min(CONTEXT, hp.context_length or CONTEXT)
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, str(PROBE), str(path), str(context)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert run.returncode == 0, (run.stdout + run.stderr)[-600:]
    printed = dict(re.findall(r"print_info: (\S.*?) += (.*)", run.stdout))
    expected = expected_print(hp)
    assert {name: printed[name] for name in expected} == expected
    assert caches_printed(run.stdout) == expected_caches(hp, context)


def expected_print(hp: Hyperparameters) -> dict[str, str]:
    """Lines of llama_model::print_info (src/llama-model.cpp:2034-2140) as the hyperparameters say them."""
    lines = {
        "n_ctx_train": str(hp.context_length),
        "n_embd": str(hp.embedding_length),
        "n_layer": str(hp.layer_count),
        "n_layer_all": str(hp.block_count),
        "n_head": by_block(hp.head_count),
        "n_head_kv": by_block(hp.head_count_kv),
        "n_rot": str(hp.rope_dimension_count),
        "n_embd_k_gqa": by_block(hp.k_width),
        "n_embd_v_gqa": by_block(tuple(a * b for a, b in zip(hp.head_count_kv, hp.value_length, strict=True))),
        "n_swa": str(hp.sliding_window),
        "is_swa_any": str(int(Attention.SLIDING in hp.attention or Attention.CHUNKED in hp.attention)),
        "n_expert": str(hp.expert_count),
        "n_expert_used": str(hp.expert_used_count),
        "causal attn": str(int(hp.causal)),
        "n_vocab": str(hp.vocab_size),
    }
    if not any(hp.mixture):
        lines["n_ff"] = by_block(hp.feed_forward_length)
    if hp.ssm_inner_size:
        lines |= {"ssm_d_conv": str(hp.ssm_conv_kernel), "ssm_d_inner": str(hp.ssm_inner_size)}
        lines |= {"ssm_d_state": str(hp.ssm_state_size), "ssm_n_group": str(hp.ssm_group_count)}
    if hp.kv_lora_rank:
        lines |= {"n_lora_kv": str(hp.kv_lora_rank), "n_lora_q": str(hp.q_lora_rank)}
        lines |= {"n_ff_exp": str(hp.expert_feed_forward_length), "n_layer_dense_lead": str(hp.leading_dense_block_count)}
    return lines


def by_block(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"[{', '.join(map(str, values))}]"


def caches_printed(log: str) -> dict[str, list[float]]:
    """MiB of every cache that the log lists: K and V of attention caches, R and S of recurrent states."""
    attention = re.findall(r"llama_kv_cache: size = .*K \(f16\): +([\d.]+) MiB, V \(f16\): +([\d.]+) MiB", log)
    recurrent = re.findall(r"llama_memory_recurrent: size = .*R \(f32\): +([\d.]+) MiB, S \(f32\): +([\d.]+) MiB", log)
    return {
        "attention": sorted(float(size) for pair in attention for size in pair if float(size)),
        "recurrent": [float(size) for pair in recurrent for size in pair if float(size)],
    }


def expected_caches(hp: Hyperparameters, context: int) -> dict[str, list[float]]:
    """The same from the hyperparameters: f16 keys and values, f32 states (src/llama-kv-cache.cpp:60-300)."""
    windowed = [kind in (Attention.SLIDING, Attention.CHUNKED) for kind in hp.attention]
    near = -(-min(context, hp.sliding_window + UBATCH) // 256) * 256
    sizes = []
    for wanted, cells in ((False, context), (True, near)):
        for widths in (hp.k_width, hp.v_width):
            elements = sum(w for w, caches, far in zip(widths, hp.caches_kv, windowed, strict=True) if caches and far is wanted)
            sizes.append(elements * cells * 2)
    sizes.append(sum(hp.caches_indexer_keys) * hp.indexer_key_length * context * 2)
    states = sum(hp.recurrent)
    return {
        "attention": sorted(round(size / MIB, 2) for size in sizes if size),
        "recurrent": [
            round(elements * states * 4 / MIB, 2)
            for elements in (hp.conv_state_elements, hp.recurrent_state_elements)
            if elements * states
        ],
    }
