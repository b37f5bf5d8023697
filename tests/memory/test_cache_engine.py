"""The cache by formula against the engine, which lays the same model out without its weights."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from advisor.memory.cache import cache_bytes
from advisor.memory.presets import resolve
from advisor.memory.rules import rules_for
from advisor.models.library import catalogue
from advisor.models.skeleton import write_skeleton
from tests.memory.models import MIB, file

pytest.importorskip("llama_cpp")
pytestmark = [pytest.mark.engine, pytest.mark.conformance]

PROBE = Path(__file__).with_name("cache_probe.py")
GRID: tuple[dict[str, Any], ...] = (
    {"slots": 1, "context": 8192},
    {"slots": 1, "context": 33000, "ubatch": 1024},
    {"slots": 4, "unified_kv": True, "context": 8192},
    {"slots": 3, "context": 10000},
    {"slots": 1, "context": 8192, "flash_attention": "off"},
    {"slots": 1, "context": 8192, "swa_full": True},
    {"slots": 1, "context": 8192, "type_k": "q8_0", "type_v": "q8_0"},
)
ROUNDING_MIB = 0.02
"""Logs round to hundredths, and some models have three caches."""

FEW = (
    "llama-3.1-8b",
    "gemma-3-4b",
    "gemma-3n-e2b",
    "gpt-oss-20b",
    "deepseek-v2-lite",
    "deepseek-v3.2",
    "qwen3.5-4b",
    "falcon-h1-0.5b",
    "lfm2-350m",
    "llama-4-scout",
    "glm-4.5-air",
)


def ask(path: Path, settings: list[dict[str, Any]]) -> list[dict[str, float]]:
    """What the engine says of each line of settings."""
    done = subprocess.run(
        [sys.executable, str(PROBE), str(path)],
        input="".join(json.dumps(one) + "\n" for one in settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )
    assert done.returncode == 0, done.stderr[-400:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", FEW)
def test_caches_are_what_the_engine_makes(name: str, tmp_path: Path) -> None:
    model = file(name)
    path = tmp_path / "model.gguf"
    write_skeleton(path, catalogue().find(name).keys, model.tensors, vocab_size=model.hyperparameters.vocab_size)
    settings = [resolve(one, model, has_gpu=False) for one in GRID]
    for one, engine in zip(settings, ask(path, [chosen.model_dump() for chosen in settings]), strict=True):
        found = cache_bytes(model.hyperparameters, one, rules_for(), one.context)
        formula = {"kv": float(found.kv.sum()) / MIB, "state": float(found.state.sum()) / MIB}
        assert formula == pytest.approx(engine, abs=ROUNDING_MIB), one
