"""config.json to GGUF keys, on the configurations of tests/data/hf_configs.jsonl.

A line there is a model of the catalogue with its config.json as published on the hub: fields that decide sizes, and some that
must not. The hyperparameters must be those of the catalogue, which come from other sources (load logs, GGUF headers).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import HeadroomError, MissingPartError
from advisor.models.hf_config import convert_config, model_from_config
from advisor.models.hf_families import FAMILIES
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.keys import hyperparameters
from advisor.models.library import catalogue
from advisor.models.tensors import tensor_list
from advisor.models.tensors_layouts import LAYOUTS
from tests.models.shapes_of_models import lines

PUBLISHED: dict[str, dict[str, Any]] = {row["catalogue"]: row["config"] for row in lines("hf_configs.jsonl")}


NEWER_CONVERTER: dict[str, dict[str, Any]] = {"gemma-3n-e2b": {"vocab_size": 262400}}
"""What the converter of today writes and that of the published files did not: Gemma 3n's rows for images and sound
(vendored llama.cpp, conversion/gemma.py, Gemma3NModel.set_vocab)."""


def expected(model: str) -> Hyperparameters:
    return replace(catalogue().find(model).hyperparameters, **NEWER_CONVERTER.get(model, {}))


@pytest.mark.parametrize("model", PUBLISHED)
def test_the_keys_are_those_of_the_catalogue(model: str) -> None:
    assert hyperparameters(convert_config(PUBLISHED[model]).keys) == expected(model)


@pytest.mark.parametrize("model", PUBLISHED)
def test_the_tensors_are_those_of_the_catalogue(model: str) -> None:
    converted = convert_config(PUBLISHED[model])
    found = tensor_list(hyperparameters(converted.keys), converted.options)
    known = tensor_list(expected(model), catalogue().find(model).options)
    assert {tensor.name: tensor.shape for tensor in found} == {tensor.name: tensor.shape for tensor in known}


def test_every_family_has_a_layout_of_tensors() -> None:
    assert {family.architecture for family in FAMILIES.values()} <= set(LAYOUTS)


def folder(path: Path, config: object) -> Path:
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def test_a_folder_is_planned_as_the_file_it_would_become(tmp_path: Path) -> None:
    model = model_from_config(folder(tmp_path, PUBLISHED["llama-3.1-8b"]), "q4_k_m")
    entry = catalogue().find("llama-3.1-8b").quantized("Q4_K_M")
    assert model.quantization == "Q4_K_M"
    assert [tensor.n_bytes for tensor in model.tensors] == [tensor.n_bytes for tensor in entry.tensors]
    assert model.file_bytes == pytest.approx(entry.file_bytes, rel=0.002)  # the header's vocabulary is typical only
    assert "convert" in model.assumptions[0]


def test_a_tail_that_is_left_out_is_said() -> None:
    assert "several tokens" in " ".join(convert_config(PUBLISHED["deepseek-v3"]).assumptions)
    assert not convert_config(PUBLISHED["deepseek-v2-lite"]).assumptions


def test_a_file_that_is_not_there_is_a_missing_part(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="there is no file"):
        model_from_config(tmp_path, "Q4_K_M")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is not JSON"),
        ("<html>", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "holds no JSON object"),
        ("{}", "does not say its"),
        ('{"model_type": 7}', "does not say its"),
        ('{"model_type": "warpdrive"}', '"warpdrive" of this config.json is not known'),
        ('{"model_type": "llama"}', 'lacks the field "vocab_size"'),
        ('{"model_type": "llama", "vocab_size": -1}', '"vocab_size" of the config.json is -1'),
        ('{"model_type": "llama", "vocab_size": 1e300}', '"vocab_size" of the config.json is 1e+300'),
        ('{"model_type": "llama", "vocab_size": true}', "must be a whole number"),
        ('{"model_type": "llama", "vocab_size": 10, "text_config": 3}', "block_count"),
    ],
)
def test_a_file_that_is_no_configuration_gets_one_sentence(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(HeadroomError) as caught:
        model_from_config(tmp_path, "Q4_K_M")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
