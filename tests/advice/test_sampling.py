"""Sampling by the models' cards."""

import sys
import tomllib
from pathlib import Path

import pytest

from advisor.advice.commands.launch import Sampling
from advisor.advice.sampling import recommended_sampling
from advisor.models.library import catalogue

DATA = Path(sys.modules["advisor.advice.sampling"].__file__ or "").parent / "data" / "sampling.toml"


@pytest.mark.parametrize(
    ("model_id", "sampling"),
    [
        # Qwen/Qwen3-8B, thinking mode; Qwen/Qwen3-4B-Instruct-2507; Qwen/QwQ-32B
        ("qwen3-8b", Sampling(0.6, 0.95, 20, 0.0)),
        ("qwen3-4b-2507", Sampling(0.7, 0.8, 20, 0.0)),
        ("qwq-32b", Sampling(0.6, 0.95, 40, 0.0)),
        # google/gemma-3-27b-it; openai/gpt-oss-20b; mistralai/Mistral-Small-3.2-24B-Instruct-2506
        ("gemma-3-27b", Sampling(1.0, 0.95, 64, 0.0)),
        ("gpt-oss-20b", Sampling(1.0, 1.0, 0)),
        ("mistral-small-3.2-24b", Sampling(0.15)),
        # The longest start counts: a card of its own, which names nothing.
        ("qwen2.5-coder-7b", Sampling()),
        ("llama-3.1-8b", Sampling()),
    ],
)
def test_what_a_card_recommends(model_id: str, sampling: Sampling) -> None:
    assert catalogue().find(model_id).id == model_id
    assert recommended_sampling(model_id) == sampling


def test_every_start_has_a_source_and_a_model_and_values_in_range() -> None:
    table = tomllib.loads(DATA.read_text("utf-8"))
    ids = [model.id for model in catalogue().models]
    for start, row in table["starts"].items():
        assert row["source"] in table["sources"]
        assert any(id_.startswith(start) for id_ in ids)
        assert 0 <= row.get("temperature", 0) <= 2
        assert 0 <= row.get("top_p", 0) <= 1
        assert isinstance(row.get("top_k", 0), int)
