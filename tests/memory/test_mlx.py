"""The MLX formula: known sizes, caches by their classes, published peaks."""

import csv
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import QuestionError
from advisor.memory.mlx import kv_cache_bytes, weights_bytes
from advisor.memory.mlx_prefill import prefill_bytes
from advisor.memory.mlx_rules import RECIPES
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.library import catalogue

PEAKS = Path(__file__).resolve().parents[2] / "benchmarks" / "data" / "mlx_peaks.csv"


def hp_of(model: str) -> Hyperparameters:
    return catalogue().find(model).hyperparameters


def weights(model: str, recipe: str) -> int:
    return weights_bytes(hp_of(model), catalogue().find(model).shapes, RECIPES[recipe])


WEIGHTS = [
    # nbytes of the models that mlx_lm 0.32.2 builds from config.json (test_mlx_engine.py repeats it where mlx_lm is installed)
    ("llama-3.1-8b", "mlx-4bit", 4_517_404_672),
    ("llama-3.1-8b", "mlx-3bit", 3_513_655_296),
    ("llama-3.1-8b", "mlx-mixed-3-6", 4_088_143_872),
    ("llama-3.1-8b", "BF16", 16_060_522_496),
    ("qwen3-30b-a3b", "mlx-4bit", 17_180_913_664),  # routers at 8 bits
    ("gpt-oss-20b", "mlx-4bit", 11_775_677_568),  # experts with biases
    ("gemma-3-27b", "mlx-4bit", 15_194_704_384),  # tied embeddings
    ("deepseek-v3-0324", "mlx-4bit", 377_606_852_608),  # routers unquantized, no block 61
    ("granite-3.3-8b", "mlx-4bit", 5_980_708_608),  # o_proj and down_proj at 8 bits
    ("phi-4", "mlx-mixed-3-6", 7_589_898_240),  # qkv_proj holds "v_proj"
]


@pytest.mark.parametrize(("model", "recipe", "size"), WEIGHTS)
def test_weights_to_the_byte(model: str, recipe: str, size: int) -> None:
    assert weights(model, recipe) == size


CACHES = [
    # model, tokens, cells x width x bytes worked out by hand from models/cache.py
    ("llama-3.1-8b", 1, {}, 256 * 32 * 2048 * 2),
    ("llama-3.1-8b", 8192, {}, 8192 * 32 * 2048 * 2),
    ("llama-3.1-8b", 8193, {}, 8448 * 32 * 2048 * 2),
    ("llama-3.1-8b", 8192, {"bits": 8}, 8192 * 32 * (2048 + 2048 // 64 * 4)),
    ("llama-3.1-8b", 8192, {"bits": 4}, 8192 * 32 * (1024 + 2048 // 64 * 4)),
    ("gpt-oss-20b", 8192, {}, (12 * 128 + 12 * 8192) * 1024 * 2),
    ("gpt-oss-20b", 100, {}, (12 * 128 + 12 * 256) * 1024 * 2),
    ("deepseek-v3-0324", 1000, {}, 61 * 1024 * 576 * 2),
    ("deepseek-v2-lite", 1000, {}, 27 * 1024 * 16 * (192 + 128) * 2),
    ("gemma-2-9b", 8192, {}, 42 * 8192 * 4096 * 2),  # models/gemma2.py makes no rotating cache
]


@pytest.mark.parametrize(("model", "tokens", "how", "size"), CACHES)
def test_caches_by_their_classes(model: str, tokens: int, how: dict[str, Any], size: int) -> None:
    assert kv_cache_bytes(hp_of(model), tokens, **how) == size


def test_a_rotating_cache_cannot_be_quantized() -> None:
    with pytest.raises(QuestionError, match="sliding-window"):
        kv_cache_bytes(hp_of("gpt-oss-20b"), 8192, bits=8)


@pytest.mark.parametrize(("model", "recipe", "part"), [("bge-m3", "mlx-4bit", "bert"), ("phi-2", "mlx-mixed-3-6", "down_proj")])
def test_what_mlx_lm_cannot_do_is_refused(model: str, recipe: str, part: str) -> None:
    with pytest.raises(QuestionError, match=part):
        weights(model, recipe)


def test_published_peaks_of_a_mac() -> None:
    """154 runs of mlx_lm on an M3 Ultra: never more than 3 % under, never more than 5 % over."""
    with PEAKS.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert len(rows) == 154
    apart = {}
    for row in rows:
        hp, recipe, prompt = hp_of(row["model"]), RECIPES[row["quantization"]], int(row["prompt_tokens"])
        total = weights(row["model"], row["quantization"]) + kv_cache_bytes(hp, prompt + 100)
        total += prefill_bytes(hp, prompt + 1, bits=recipe.bits)
        apart[row["model"], row["quantization"], prompt] = total / (float(row["peak_gb"]) * 1e9) - 1
    assert {case: share for case, share in apart.items() if not -0.03 < share < 0.05} == {}
    assert sorted(map(abs, apart.values()))[len(apart) // 2] < 0.012


def test_processing_a_prompt_takes_more_the_longer_it_is_where_scores_are_an_array() -> None:
    """Head length 256 has no kernel of its own on Metal (Gemma 2), 128 has (Llama)."""
    gemma = [prefill_bytes(hp_of("gemma-2-9b"), tokens, bits=4) for tokens in (8192, 32768)]
    llama = [prefill_bytes(hp_of("llama-3.1-8b"), tokens, bits=4) for tokens in (8192, 32768)]
    assert gemma[1] - gemma[0] > 16 * 2048 * (32768 - 8192) * 2
    assert llama[1] - llama[0] < 16 * 2048 * (32768 - 8192) * 2 / 4
    assert prefill_bytes(hp_of("llama-3.1-8b"), 256, bits=4) < llama[0]


def test_a_quantized_cache_costs_an_array_of_scores() -> None:
    plain, quantized = (prefill_bytes(hp_of("llama-3.1-8b"), 8192, bits=4, cache_bits=bits) for bits in (None, 8))
    assert quantized - plain > 32 * 2048 * 8192 * 2 * 0.8


def test_blocks_that_attend_and_keep_a_state_hold_both() -> None:
    """Falcon-H1: more than its cache's share of one chunk is on its way."""
    hp = hp_of("falcon-h1-7b")
    assert prefill_bytes(hp, 8192, bits=4) > 2048 * hp.embedding_length * 2 * 10
