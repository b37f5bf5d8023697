"""Tensor shapes of known models for tests, from tests/data/tensor_shapes.jsonl, and what is needed around them.

A line there is one model: what quantization asks of its keys, and its tensors as [name, shape] or, with "%d" for the number of
the block, [name, shape, blocks]. Shapes are those that llama.cpp's converter writes for the model's published configuration;
they were checked against the sizes of published files (tests/data/gguf_sizes.jsonl).
"""

import json
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from advisor.models.block_tensors import BlockTensors
from advisor.models.hyperparameters import Attention, Hyperparameters
from advisor.models.quantization import TensorGroups, group_tensors
from advisor.models.tensor_shape import NamedShape, TensorShape

DATA = Path(__file__).parents[1] / "data"


def lines(name: str) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file of tests/data."""
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


def blocks(text: str) -> list[int]:
    """Block numbers in "0-3,7"."""
    spans = [part.partition("-") for part in text.split(",")]
    return [number for first, _, last in spans for number in range(int(first), int(last or first) + 1)]


def expanded(row: list[Any]) -> list[tuple[str, Any]]:
    """(name, second column) for each block that a row of [name, value] or [name, value, blocks] stands for."""
    return [(row[0], row[1])] if len(row) == 2 else [(row[0].replace("%d", str(block)), row[1]) for block in blocks(row[2])]


@cache
def _models() -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in lines("tensor_shapes.jsonl")}


def model_names() -> list[str]:
    return list(_models())


def shapes(model: str) -> tuple[TensorShape, ...]:
    rows = _models()[model]["tensors"]
    return tuple(TensorShape(name, tuple(shape)) for row in rows for name, shape in expanded(row))


def hyperparameters(model: str, **changes: int) -> Hyperparameters:
    """Hyperparameters with what quantization asks for; widths are not those of the model."""
    row = _models()[model] | changes
    n = row["block_count"]
    return Hyperparameters(
        architecture=row["architecture"],
        block_count=n,
        embedding_length=0,
        vocab_size=row["vocab_size"],
        context_length=None,
        head_count=(row["head_count"],) * n,
        head_count_kv=(row["head_count_kv"],) * n,
        key_length=(0,) * n,
        value_length=(0,) * n,
        attention=(Attention.FULL,) * n,
        caches_kv=(True,) * n,
        recurrent=(False,) * n,
        feed_forward_length=(1,) * n,
        mixture=(False,) * n,
        nextn_predict_layers=row["nextn_predict_layers"],
        expert_count=row["expert_count"],
    )


def grouped(listed: Iterable[NamedShape], hp: Hyperparameters, **how: Any) -> TensorGroups:
    """The groups of listed tensors; `how` is that of `group_tensors`."""
    return group_tensors(BlockTensors.of(listed, hp.block_count), hp, **how)


def keys_bytes(model: str) -> int:
    """Bytes that the keys of a file of this model take, measured in one file of the same tokenizer."""
    row = _models()[model]
    tokens, architecture = row["vocab_size"], row["architecture"]
    table = tomllib.loads((DATA / "tokenizer_sizes.toml").read_text("utf-8"))["tokenizer"]
    own = [t for t in table if architecture in t.get("architectures", ())] or [t for t in table if "architectures" not in t]
    nearest = min(own, key=lambda t: abs(t["tokens"] - tokens))
    return int(nearest["bytes"] * tokens / nearest["tokens"])
