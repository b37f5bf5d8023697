"""A model's `config.json`, as Hugging Face repositories carry it, to GGUF metadata keys as llama.cpp's converter writes them.

Mirrors `TextModel.set_gguf_parameters` and its overrides (vendored llama.cpp, conversion/base.py:1434-1550, conversion/*.py);
`advisor.models.hf_families` has what families add to that. Only keys and tensors that decide memory are made.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from advisor.errors import MissingPartError, QuestionError
from advisor.models.file_size import ALIGNMENT, header_bytes, padded
from advisor.models.hf_families import FAMILIES, OUTPUT_BIAS
from advisor.models.hf_fields import Config
from advisor.models.keys import hyperparameters
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization import (
    QUANTIZATIONS,
    QuantizedTensors,
    group_tensors,
    kept_types,
    parse_quantization,
    quantized_bytes,
    weight_table,
)
from advisor.models.shards import stored_weights
from advisor.models.tensors import TensorOptions, default_options, tensors_by_block

CONFIG_NAME = "config.json"
_MOST_BYTES = 4 * 2**20
_TOKEN_BYTES = 28
"""Bytes of a GGUF header for each token of the vocabulary, typical (catalogue/tokenizers.toml, "other")."""


@dataclass(frozen=True)
class ConvertedConfig:
    """What a `config.json` says, in GGUF's words."""

    keys: Mapping[str, object]
    options: TensorOptions
    assumptions: tuple[str, ...] = ()


def convert_config(config: Mapping[str, Any]) -> ConvertedConfig:
    """The metadata keys and tensor options that the converter would make of `config`.

    Raises QuestionError for a model_type that is not known, or for a field that is missing or of the wrong kind.
    """
    inner = config.get("text_config")
    model_type = _known_type(config, inner)
    fields = Config({**config, **inner} if isinstance(inner, Mapping) else config, model_type)
    family = FAMILIES[model_type]
    keys = _common_keys(fields)
    architecture = family.convert(fields, keys) or family.architecture
    options = _options(fields, architecture)
    if family.options:
        options = replace(options, **family.options(fields))
    named = {f"{architecture}.{name}": value for name, value in keys.items() if value is not None}
    said = (
        ("Its blocks that predict several tokens at once are left out, as most published files do.",)
        if family.leaves_out_tail and fields.number("mtp_num_hidden_layers", 0) + fields.number("num_nextn_predict_layers", 0)
        else ()
    )
    return ConvertedConfig(MappingProxyType({"general.architecture": architecture, **named}), options, said)


def model_from_config(path: Path, quantization: str) -> ModelMetadata:
    """The model that `path` (a config.json, or the folder it lies in) describes, as a GGUF file in `quantization` would be.

    Raises MissingPartError where the file is not there, QuestionError where it is not a configuration that can be read.
    """
    file = path / CONFIG_NAME if path.is_dir() else path
    config = parse_config(_text_of(file), f"{file}")
    return model_of_config(config, quantization, id=str(path), name=file.absolute().parent.name or file.name)


def with_stored_weights(model: ModelMetadata) -> ModelMetadata:
    """`model` with what the safetensors files beside its `config.json` hold; as it is where it was not read from one.

    Raises QuestionError where one of them is no sound safetensors file.
    """
    path = Path(model.source)
    file = path / CONFIG_NAME if path.is_dir() else path
    if not model.predicted or file.suffix.lower() != ".json" or not file.is_file():
        return model
    return replace(model, stored=stored_weights(file.parent, parse_config(_text_of(file), f"{file}")))


def model_of_config(config: Mapping[str, Any], quantization: str, *, id: str, name: str) -> ModelMetadata:  # noqa: A002
    """The model that `config` describes, as a GGUF file in `quantization` would be; `id` says where it was read.

    Raises QuestionError where it is not a configuration of a model that is known.
    """
    converted = convert_config(config)
    hp = hyperparameters(converted.keys)
    quantization = parse_quantization(quantization)
    tensors = tensors_by_block(hp, converted.options)
    groups = group_tensors(tensors, hp, kept=kept_types(hp))
    header = padded(header_bytes(tensors, _TOKEN_BYTES * hp.vocab_size))
    said = [f"Planned as the {quantization} file that llama.cpp's converter and llama-quantize would make of {CONFIG_NAME}."]
    if not QUANTIZATIONS[quantization].exact:
        said.append(f"The publisher's mix of {quantization} is not known; its size is typical.")
    return ModelMetadata(
        id=id,
        name=name,
        hyperparameters=hp,
        tensors=QuantizedTensors(groups, quantization),
        quantization=quantization,
        file_bytes=int(quantized_bytes(groups, (quantization,), alignment=ALIGNMENT)[0]) + header,
        predicted=True,
        source=id,
        assumptions=(*said, *converted.assumptions, *hp.assumptions),
        keys=converted.keys,
        known_weights=weight_table(groups, quantization),
    )


def parse_config(text: str, file: str) -> Mapping[str, Any]:
    """The JSON object in `text`, the content of `file`. Raises QuestionError where it is none."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise QuestionError(f'"{file}" is not JSON; download the config.json of the model again', field="model") from None
    if not isinstance(config, dict):
        raise QuestionError(f'"{file}" holds no JSON object; give the config.json of a model', field="model")
    return config


def _text_of(file: Path) -> str:
    if not file.is_file():
        raise MissingPartError(f'there is no file "{file}"; give the folder that holds the config.json of the model')
    if file.stat().st_size > _MOST_BYTES:
        raise QuestionError(f'"{file}" is larger than 4 MiB; a config.json is a small file', field="model")
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise QuestionError(f'"{file}" cannot be read: {error.strerror or error}', field="model") from None
    except UnicodeDecodeError:
        raise QuestionError(
            f'"{file}" is not text in UTF-8; download the config.json of the model again', field="model"
        ) from None


def _known_type(config: Mapping[str, Any], inner: object) -> str:
    """The model_type that there is a conversion for: the outer one, else that of the text model within."""
    outer = config.get("model_type")
    within = inner.get("model_type") if isinstance(inner, Mapping) else None
    for name in (outer, within):
        if isinstance(name, str) and name in FAMILIES:
            return name
    if not isinstance(outer, str):
        raise QuestionError('this config.json does not say its "model_type"; give that of a language model', field="model")
    raise QuestionError(
        f'the model_type "{outer[:60]}" of this config.json is not known; give a GGUF file of the model', field="model"
    )


def _common_keys(config: Config) -> dict[str, Any]:
    """What TextModel.set_gguf_parameters writes for every model (conversion/base.py:1434-1545)."""
    heads = config.first("num_attention_heads", "n_head", "n_heads")
    length = config.first("head_dim")
    return {
        "block_count": config.first("n_layers", "num_hidden_layers", "n_layer", "num_layers"),
        "context_length": config.first("max_position_embeddings", "n_ctx", "n_positions", "max_length", "model_max_length"),
        "embedding_length": config.first("hidden_size", "n_embd", "dim"),
        "feed_forward_length": config.first_or_list(
            "prefix_dense_intermediate_size", "dense_intermediate_size", "intermediate_size", "n_inner", "hidden_dim"
        ),
        "attention.head_count": heads,
        "attention.head_count_kv": config.first("num_key_value_heads", "n_kv_heads"),
        "attention.key_length": length,
        "attention.value_length": length,
        "expert_count": config.first("num_local_experts", "num_experts", "n_routed_experts"),
        "expert_used_count": config.first("num_experts_per_tok", "num_experts_per_token", "top_k_experts"),
        "expert_group_count": config.first("n_group"),
        "expert_group_used_count": config.first("topk_group"),
        "vocab_size": config.number("vocab_size"),
    }


def _options(config: Config, architecture: str) -> TensorOptions:
    """What the general fields say of tensors; where they say nothing, what the architecture mostly has."""
    said: dict[str, Any] = {}
    if isinstance(tied := config.get("tie_word_embeddings"), bool):
        said["tied_embeddings"] = tied
    if isinstance(bias := config.get("attention_bias"), bool):
        said["qkv_bias"] = bias
        said["attention_output_bias"] = bias and architecture in OUTPUT_BIAS
    if isinstance(bias := config.get("mlp_bias"), bool):
        said["feed_forward_bias"] = bias
    if config.rope("rope_type", "type"):
        # LlamaModel.generate_extra_tensors, and the same in exaone.py and others
        said["rope_freqs"] = config.rope("rope_type", "type") == "llama3"
    return replace(default_options(architecture), **said)
