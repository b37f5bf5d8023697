"""Weights and peaks by formula against mlx_lm itself, on the CPU, in a process of its own."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from advisor.memory.mlx import kv_cache_bytes, weights_bytes
from advisor.memory.mlx_prefill import prefill_bytes
from advisor.memory.mlx_rules import RECIPES
from advisor.models.library import catalogue
from advisor.models.tensors import tensor_list
from tests.memory.mlx_models import KNOWN, SYNTHETIC

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.skipif(find_spec("mlx_lm") is None, reason="mlx_lm is not installed (the extra advisor[mlx])"),
]

PROBE = Path(__file__).with_name("mlx_probe.py")
GENERATED = 2
VARIANTS: dict[str, dict[str, Any]] = {
    "mlx-2bit": {"bits": 2},
    "mlx-4bit": {"bits": 4},
    "mlx-6bit": {"bits": 6},
    "mlx-mixed-2-6": {"bits": 2, "recipe": "mixed_2_6"},
    "mlx-mixed-3-4": {"bits": 3, "recipe": "mixed_3_4"},
    "BF16": {"bits": None},
}


def ask(questions: list[dict[str, Any]]) -> list[dict[str, int]]:
    """What the probe answers, one for each question."""
    lines = "\n".join(json.dumps(question) for question in questions)
    ran = subprocess.run([sys.executable, str(PROBE)], input=lines, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_weights_are_those_of_the_model_that_mlx_lm_builds() -> None:
    cases = [(model, name) for model in KNOWN for name in VARIANTS]
    answers = ask([{"config": KNOWN[model], **VARIANTS[name]} for model, name in cases])
    ours = []
    for model, name in cases:
        entry = catalogue().find(model)
        ours.append(weights_bytes(entry.hyperparameters, entry.shapes, RECIPES[name]))
    assert dict(zip(cases, ours, strict=True)) == {case: answer["weights"] for case, answer in zip(cases, answers, strict=True)}


@pytest.mark.parametrize("name", SYNTHETIC)
def test_the_peak_of_a_run_is_within_two_percent(name: str) -> None:
    model = SYNTHETIC[name]
    question = {"config": model.config, "bits": None, "run": model.prompt, "float_bytes": model.float_bytes}
    (answer,) = ask([question])
    hp, tokens = model.hp, model.prompt + GENERATED
    weights = weights_bytes(hp, tensor_list(hp), RECIPES["F32" if model.float_bytes == 4 else "BF16"])
    cache = kv_cache_bytes(hp, tokens, float_bytes=model.float_bytes)
    assert (weights, cache) == (answer["weights"], answer["cache"])
    total = weights + cache + prefill_bytes(hp, model.prompt, bits=None, device="cpu", float_bytes=model.float_bytes)
    assert total == pytest.approx(answer["peak"], rel=0.02)
