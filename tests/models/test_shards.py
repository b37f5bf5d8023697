"""Safetensors files beside a config.json: sizes from headers alone, for whole, split, quantized and hostile ones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import QuestionError
from advisor.estimate import estimate
from advisor.models.shards import MOST_HEADER_BYTES, StoredWeights, stored_weights
from advisor.question import Question

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}


def write(path: Path, tensors: dict[str, tuple[str, int]], *, sparse: bool = True) -> None:
    """A safetensors file with these dtypes and sizes; its data is a hole."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": [size // 2], "data_offsets": [offset, offset + size]}  # type: ignore[dict-item]
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    if sparse:
        os.truncate(path, 8 + len(text) + offset)


def test_one_file_and_its_dtype(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", {"model.embed_tokens.weight": ("BF16", 4000), "lm_head.weight": ("F32", 40)})
    assert stored_weights(tmp_path, {}) == StoredWeights("BF16", False, 4040, 0, 1)


def test_all_parts_or_none(tmp_path: Path) -> None:
    write(tmp_path / "model-00001-of-00002.safetensors", {"a": ("F16", 100)})
    assert stored_weights(tmp_path, {}) is None
    write(tmp_path / "model-00002-of-00002.safetensors", {"model.visual.b": ("F16", 60)})
    write(tmp_path / "consolidated.safetensors", {"c": ("F16", 1000)})
    assert stored_weights(tmp_path, {}) == StoredWeights("F16", False, 100, 60, 2)
    assert stored_weights(tmp_path / "nowhere", {}) is None


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"quantization": {"group_size": 64, "bits": 4}}, "mlx-4bit"),
        ({"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "awq-4bit"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "gptq-8bit"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "bnb-4bit"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "MXFP4_MOE"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "compressed-tensors"),
        ({"quantization_config": {"quant_method": 3}, "quantization": []}, "BF16"),
    ],
)
def test_how_the_weights_are_quantized(tmp_path: Path, config: dict[str, Any], name: str) -> None:
    write(tmp_path / "model.safetensors", {"a": ("BF16", 100)})
    found = stored_weights(tmp_path, config)
    assert found is not None
    assert (found.quantization, found.quantized) == (name, name != "BF16")


HOSTILE = [
    b"",
    b"1234567",
    (2**63).to_bytes(8, "little") + b"{}",
    (MOST_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}",
    (100).to_bytes(8, "little") + b"{}",
    (2).to_bytes(8, "little") + b"[]",
    (4).to_bytes(8, "little") + b"nope",
    (2).to_bytes(8, "little") + b"\xff\xfe",
    (20000).to_bytes(8, "little") + b"[" * 20000,
    *(
        len(text).to_bytes(8, "little") + text
        for text in (
            b'{"a": 3}',
            b'{"a": {"dtype": "F32", "data_offsets": [0, 99999999]}}',
            b'{"a": {"dtype": "F32", "data_offsets": [4, 0]}}',
            b'{"a": {"dtype": "F32", "data_offsets": [-8, 0]}}',
            b'{"a": {"dtype": 7, "data_offsets": [0, 0]}}',
            b'{"a": {"dtype": "F32", "data_offsets": [0.5, 1]}}',
        )
    ),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(QuestionError, match="no sound safetensors file") as caught:
        stored_weights(tmp_path, {})
    assert "\n" not in str(caught.value)


def folder(tmp_path: Path, tensors: dict[str, tuple[str, int]], **more: Any) -> str:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | more))
    write(tmp_path / "model.safetensors", tensors)
    return str(tmp_path)


def ask(model: str, runtime: str, **fields: Any) -> Any:
    return estimate(Question.parse({"model": model, "runtime": runtime, **fields}))


def test_a_folder_is_loaded_as_it_is(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a": ("BF16", 123_456), "visual.b": ("BF16", 1000)})
    assert ask(path, "vllm").plan.devices[0].weights_bytes == 124_456
    assert ask(path, "transformers").plan.devices[0].weights_bytes == 124_456
    assert ask(f"{path}/config.json", "mlx", quant="bf16").plan.devices[0].weights_bytes == 123_456
    assert ask(f"{path}/model.safetensors", "vllm").model.quantization == "BF16"


def test_a_plain_folder_is_quantized_for_the_run(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a": ("BF16", 123_456)})
    inner = 2 * (256 * 256 * 2 + 256 * 128 * 2 + 3 * 256 * 512) + 2 * 1024 * 256
    assert ask(path, "mlx", quant="mlx-4bit").plan.devices[0].weights_bytes == inner * 4 // 8 + inner // 64 * 4 + 5 * 256 * 2


def test_a_quantized_folder_stays_so(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a": ("U32", 5000)}, quantization={"group_size": 64, "bits": 4})
    found = ask(path, "mlx")
    assert (found.model.quantization, found.plan.devices[0].weights_bytes) == ("mlx-4bit", 5000)
    for runtime, quant, part in (("mlx", "mlx-8bit", "not as mlx-8bit"), ("vllm", None, "which vllm cannot run")):
        with pytest.raises(QuestionError, match=part):
            ask(path, runtime, quant=quant)


def test_what_only_its_own_publisher_names_is_planned_by_its_size(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a": ("I32", 7000)}, quantization_config={"quant_method": "compressed-tensors"})
    found = ask(path, "vllm")
    assert (found.model.quantization, found.plan.devices[0].weights_bytes) == ("compressed-tensors", 7000)
