"""Reports of people that something fitted or ran out of memory: what ran out of memory is never called "fits"."""

from typing import Any

import pytest

from advisor.advice.verdict import judge
from advisor.estimate import Estimate, estimate
from advisor.machines.library import library
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.keys import hyperparameters
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization import quantize
from advisor.models.tensors import tensor_list
from advisor.question import Question

MIB = 2**20


def asked(**fields: Any) -> Estimate:
    """The answer to a question with one slot and all layers on GPUs."""
    return estimate(Question.parse({"slots": 1, "gpu_layers": "all"} | fields))


@pytest.mark.parametrize(
    "question",
    [
        # https://github.com/ggml-org/llama.cpp/issues/6668: command-r-plus 104B, 66.86 GiB, on three cards of 24 GB
        {"model": "command-r-plus-08-2024", "quant": "Q5_K_S", "machine": "rtx-3090", "gpus": 3, "context": 512},
        # https://github.com/ikawrakow/ik_llama.cpp/issues/822: a full-size window cache on an RTX 3070 of 8 GB
        {
            "model": "gpt-oss-20b",
            "quant": "MXFP4",
            "machine": "rtx-3070",
            "context": 131072,
            "cpu_moe_layers": 99,
            "swa_full": True,
        },
    ],
    ids=lambda question: question["model"],
)
def test_out_of_memory(question: dict[str, Any]) -> None:
    """Loading failed: the verdict is "no"."""
    verdict = asked(**question).verdict
    assert verdict is not None
    assert verdict.verdict == "no"
    assert verdict.headroom_bytes is not None
    assert verdict.headroom_bytes < 0


@pytest.mark.parametrize(
    ("question", "used_mib"),
    [
        # the same issue 822: mainline b6699 with the window cache of its own size ran on that card
        (
            {
                "model": "gpt-oss-20b",
                "quant": "MXFP4",
                "machine": "rtx-3070",
                "context": 131072,
                "cpu_moe_layers": 99,
                "build": "b6699",
            },
            None,
        ),
        # https://github.com/ggml-org/llama.cpp/issues/23527: RTX 3080 of 10 GB, idle 7981 MiB in use, 8275 at its peak
        (
            {
                "model": "qwen3.6-35b-a3b",
                "quant": "UD-Q4_K_XL",
                "machine": "rtx-3080-10gb",
                "context": 150000,
                "batch": 4096,
                "ubatch": 4096,
                "type_k": "q8_0",
                "type_v": "q8_0",
                "cpu_moe_layers": 40,
                "build": "2026-05-28",
            },
            7981,
        ),
    ],
    ids=["gpt-oss-20b", "qwen3.6-35b-a3b"],
)
def test_ran_with_experts_on_the_host(question: dict[str, Any], used_mib: float | None) -> None:
    """It ran: not "no". Our total on the GPU stays below what was in use, desktop included, and within 15 % of it."""
    answer = asked(**question)
    assert answer.verdict is not None
    assert answer.verdict.verdict == "partial"
    if used_mib is not None:
        assert 0.85 * used_mib <= answer.plan.devices[0].total_bytes / MIB <= used_mib


def codestral() -> ModelMetadata:
    """Codestral 22B in Q6_K, from its config.json (mistralai/Codestral-22B-v0.1)."""
    keys: dict[str, object] = {
        "general.architecture": "llama",
        "llama.block_count": 56,
        "llama.embedding_length": 6144,
        "llama.attention.head_count": 48,
        "llama.attention.head_count_kv": 8,
        "llama.feed_forward_length": 16384,
        "llama.context_length": 32768,
        "llama.vocab_size": 32768,
    }
    hp = hyperparameters(keys)
    tensors = quantize(tensor_list(hp), hp, "Q6_K")
    return ModelMetadata("codestral-22b", "Codestral 22B", hp, tensors, "Q6_K", None, True, "config.json")


def test_codestral_on_24_gb() -> None:
    """https://github.com/ollama/ollama/issues/5022: Q6_K at 18k context with flash attention on an RTX 3090: 21694 of 24576 MiB
    in use, 100 % on the GPU, where that runner's own estimate was 25 GB."""
    model, machine = codestral(), library().find("rtx-3090")
    settings = resolve(
        {
            "slots": 1,
            "gpu_layers": "all",
            "context": 18432,
            "flash_attention": "on",
            "runtime": "ollama",
            "build": "2024-06-20",
        },
        model,
        has_gpu=True,
    )
    plan = plan_memory(model, machine, settings)
    assert judge(plan, machine).verdict == "fits"
    assert plan.devices[0].total_bytes / MIB == pytest.approx(21694, rel=0.03)


def test_8b_on_the_smallest_mac() -> None:
    """Llama-3.1-8B Q4_K_M at 8k needs 5.70 GiB where an 8 GB Mac lets the GPU have 5.3: never "fits", however asked for."""
    for gpu_layers in ("all", "auto"):
        verdict = asked(model="llama-3.1-8b", machine="m2-8", context=8192, memory_gib=8, gpu_layers=gpu_layers).verdict
        assert verdict is not None
        assert verdict.verdict != "fits"
