"""Tensor lists by architecture: literal blocks, then every model of the catalogue against recorded lists and sizes."""

import gzip
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import QuestionError
from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue
from advisor.models.quantization import group_tensors, quantized_bytes
from advisor.models.tensors import TensorOptions, TensorShape, default_options, tensor_list

DATA = Path(__file__).parents[1] / "data" / "tensor_lists.jsonl"
TABLES = [json.loads(line) for line in DATA.with_name("tensor_tables.jsonl").read_text().splitlines()[1:]]
RECORDED = [json.loads(line) for line in DATA.read_text().splitlines()[1:]]
FULL_LISTS = os.environ.get("HEADROOM_TENSOR_LISTS")
"""A gzipped file of JSON lines {"id", "tensors": [[name, shape]]} to compare whole lists with."""


def digest(shapes: tuple[TensorShape, ...]) -> str:
    lines = sorted(f"{shape.name} {','.join(map(str, shape.shape))}" for shape in shapes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def block(model_id: str, il: int) -> dict[str, tuple[int, ...]]:
    prefix = f"blk.{il}."
    shapes = catalogue().find(model_id).shapes
    return {shape.name.removeprefix(prefix): shape.shape for shape in shapes if shape.name.startswith(prefix)}


@pytest.mark.parametrize("recorded", RECORDED, ids=[row["id"] for row in RECORDED])
def test_every_list_is_the_recorded_one(recorded: dict[str, Any]) -> None:
    model = catalogue().find(recorded["id"])
    assert model.architecture == recorded["architecture"]
    assert len(model.shapes) == recorded["tensors"]
    assert sum(shape.elements for shape in model.shapes) == recorded["parameters"]
    assert digest(model.shapes) == recorded["sha256"]


@pytest.mark.parametrize("recorded", RECORDED[::4], ids=[row["id"] for row in RECORDED[::4]])
def test_sizes_are_the_recorded_ones(recorded: dict[str, Any]) -> None:
    model = catalogue().find(recorded["id"])
    groups = group_tensors(model.block_tensors, model.hyperparameters)
    names = tuple(recorded["bytes"])
    assert dict(zip(names, quantized_bytes(groups, names).tolist(), strict=True)) == recorded["bytes"]


@pytest.mark.parametrize("table", TABLES, ids=[row["id"] for row in TABLES])
def test_real_files_have_the_same_tensors(table: dict[str, Any]) -> None:
    shapes = catalogue().find(table["id"]).shapes
    lines = []
    for shape in shapes:
        dimensions = list(shape.shape)
        while len(dimensions) > 1 and dimensions[-1] == 1:
            dimensions.pop()
        lines.append(f"{shape.name} {','.join(map(str, dimensions))}")
    assert len(lines) == table["tensors"]
    assert hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() == table["sha256"]


def test_there_are_lists_of_many_models_to_compare_with() -> None:
    assert len(RECORDED) == 227
    assert len({row["architecture"] for row in RECORDED}) == 53


@pytest.mark.skipif(FULL_LISTS is None, reason="set HEADROOM_TENSOR_LISTS to a file of whole lists")
def test_whole_lists() -> None:
    assert FULL_LISTS is not None
    with gzip.open(FULL_LISTS, "rt") as file:
        for line in file:
            row = json.loads(line)
            mine = {shape.name: shape.shape for shape in catalogue().find(row["id"]).shapes}
            theirs = {name: tuple(shape) for name, shape in row["tensors"]}
            if row["arch"] == "falcon-h1":
                theirs = {name.replace("ffn_norm.weight", "ffn_norm"): shape for name, shape in theirs.items()}
            assert mine == theirs, row["id"]


def test_llama_block() -> None:
    """src/models/llama.cpp, load_arch_tensors."""
    assert block("llama-3.1-8b", 0) == {
        "attn_norm.weight": (4096,),
        "attn_q.weight": (4096, 4096),
        "attn_k.weight": (4096, 1024),
        "attn_v.weight": (4096, 1024),
        "attn_output.weight": (4096, 4096),
        "ffn_norm.weight": (4096,),
        "ffn_gate.weight": (4096, 14336),
        "ffn_up.weight": (4096, 14336),
        "ffn_down.weight": (14336, 4096),
    }


def test_deepseek_latent_attention_and_experts() -> None:
    """src/models/deepseek2.cpp:85-150; DeepSeek R1's block 3 is its first with experts."""
    shapes = block("deepseek-r1-671b", 3)
    assert shapes["attn_kv_a_mqa.weight"] == (7168, 576)
    assert shapes["attn_k_b.weight"] == (128, 512, 128)
    assert shapes["attn_v_b.weight"] == (512, 128, 128)
    assert shapes["attn_q_b.weight"] == (1536, 24576)
    assert shapes["ffn_gate_exps.weight"] == (7168, 2048, 256)
    assert shapes["exp_probs_b.bias"] == (256,)
    assert "ffn_gate.weight" in block("deepseek-r1-671b", 2)


def test_older_deepseek_files_have_one_kv_b() -> None:
    """attn_kv_b before https://github.com/ggml-org/llama.cpp/pull/12801: (512, 128 heads x (128 + 128))."""
    model = catalogue().find("deepseek-r1-671b")
    shapes = tensor_list(model.hyperparameters, replace(model.options, merged_kv_b=True))
    named = {shape.name: shape.shape for shape in shapes}
    assert named["blk.0.attn_kv_b.weight"] == (512, 32768)
    assert "blk.0.attn_k_b.weight" not in named


def test_gated_delta_net_and_attention_alternate() -> None:
    """src/models/qwen35.cpp: three delta net blocks, then one with attention and an output gate in attn_q."""
    assert block("qwen3.5-9b", 0)["attn_qkv.weight"] == (4096, 8192)
    assert block("qwen3.5-9b", 0)["ssm_conv1d.weight"] == (4, 8192)
    assert block("qwen3.5-9b", 3)["attn_q.weight"] == (4096, 8192)
    assert "ssm_a" not in block("qwen3.5-9b", 3)


def test_shared_indexers_of_glm() -> None:
    """src/models/glm-dsa.cpp:6-25: GLM-5.2 owns indexers in blocks 0, 1, 2, 6, 10 .. and its multi-token-prediction block."""
    owners = [il for il in range(79) if "indexer.proj.weight" in block("glm-5.2", il)]
    assert owners == [0, 1, 2, *range(6, 78, 4), 78]
    assert block("glm-5.2", 78)["nextn.eh_proj.weight"] == (12288, 6144)


def test_gemma_4_takes_values_from_keys_in_full_attention() -> None:
    """src/models/gemma4.cpp: the 31B's global blocks have no attn_v."""
    assert "attn_v.weight" not in block("gemma-4-31b", 5)
    assert block("gemma-4-31b", 4)["attn_v.weight"] == (5376, 4096)
    assert block("gemma-4-31b", 5)["attn_k.weight"] == (5376, 2048)


def test_options_by_architecture() -> None:
    assert default_options("qwen2") == TensorOptions(qkv_bias=True)
    assert default_options("gemma3") == TensorOptions(tied_embeddings=True, qk_norm="head")
    assert default_options("nobody-knows-it") == TensorOptions()


def test_unknown_architecture_needs_a_file() -> None:
    keys = {
        "general.architecture": "shoggoth",
        "shoggoth.block_count": 2,
        "shoggoth.embedding_length": 64,
        "shoggoth.attention.head_count": 2,
        "shoggoth.vocab_size": 100,
    }
    with pytest.raises(QuestionError, match=r'"shoggoth" are not known without a file'):
        tensor_list(hyperparameters(keys))
