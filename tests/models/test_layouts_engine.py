"""The engine judges the layouts of architectures that no model of the catalogue has: a small made-up model of each loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gguf.constants import GGMLQuantizationType

from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue
from advisor.models.skeleton import write_skeleton
from advisor.models.tensor import Tensor
from advisor.models.tensors import tensor_list
from advisor.models.tensors_layouts import LAYOUTS
from tests.models.test_keys_engine import DENSE, EXPERTS, keys_of
from tests.models.test_skeleton_engine import PROBE

pytest.importorskip("llama_cpp")

OTHERS = sorted(set(LAYOUTS) - {model.architecture for model in catalogue().models})
WITH_EXPERTS = (
    "deepseek",
    "bailingmoe",
    "smallthinker",
    "llada-moe",
    "rnd1",
    "mellum",
    "mistral4",
    "dots1",
    "exaone-moe",
    "cohere2moe",
    "afmoe",
    "jamba",
)


def made_up(architecture: str) -> dict[str, object]:
    keys = {**keys_of(architecture), f"{architecture}.vocab_size": 1000}
    if architecture not in WITH_EXPERTS and architecture not in DENSE:
        keys = {name: value for name, value in keys.items() if name.removeprefix(f"{architecture}.") not in EXPERTS}
    if architecture in ("qwen", "starcoder", "dots1", "mamba", "mamba2", "plamo", "chatglm"):
        keys[f"{architecture}.attention.head_count_kv"] = keys[f"{architecture}.attention.head_count"]
    if architecture in ("bailingmoe", "llada-moe", "mellum", "rnd1", "smallthinker", "jamba", "mistral4"):
        del keys[f"{architecture}.leading_dense_block_count"]
    if architecture in ("llada-moe", "mellum", "rnd1", "smallthinker", "jamba"):
        del keys[f"{architecture}.expert_shared_count"]
    if architecture in ("mamba", "mamba2"):
        del keys[f"{architecture}.feed_forward_length"]
    if architecture == "jamba":
        del keys["jamba.expert_feed_forward_length"]
        keys[f"{architecture}.attention.head_count_kv"] = (0, 0, 0, 4) * 3
    if architecture == "deci":
        keys[f"{architecture}.attention.head_count_kv"] = (4, 0, 4, 0) * 3
        keys[f"{architecture}.attention.head_count"] = (8, 8, 8, 0) * 3
        keys[f"{architecture}.feed_forward_length"] = (1024, 1024, 0, 512) * 3
    return keys


@pytest.mark.engine_all
@pytest.mark.parametrize("architecture", OTHERS)
def test_the_engine_accepts(architecture: str, tmp_path: Path) -> None:
    keys = made_up(architecture)
    shapes = tensor_list(hyperparameters(keys))
    path = tmp_path / "made-up.gguf"
    write_skeleton(path, keys, [Tensor(shape.name, shape.shape, GGMLQuantizationType.F32) for shape in shapes], vocab_size=1000)
    environment = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, str(PROBE), str(path), "512"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    lines = [line for line in run.stdout.splitlines() if "error" in line or "not found" in line or "wrong" in line]
    assert run.returncode != 1, lines
    assert "unused tensor" not in run.stdout
