"""The recommended model in MLX, vLLM and transformers: where it fits there too."""

import pytest

from advisor.machines.adjust import adjust
from advisor.machines.library import library
from advisor.machines.profile import MachineProfile
from advisor.models.library import catalogue
from advisor.recommend_others import mlx_bits, mlx_repository, other_commands


def machine(name: str, **numbers: float) -> MachineProfile:
    return adjust(library().get(name), **numbers)[0]  # type: ignore[arg-type]


def test_mlx_on_a_mac() -> None:
    made = other_commands(catalogue().find("llama-3.1-8b"), "Q4_K_M", machine("m4-max-40", memory_gib=64), 8192)
    assert list(made) == ["mlx"]
    assert "mlx_lm.server --model " in made["mlx"].text


def test_a_repository_that_is_known_needs_no_conversion() -> None:
    model = catalogue().find("deepseek-r1-distill-qwen-32b")
    assert mlx_repository(model, "mlx-4bit") == "mlx-community/DeepSeek-R1-Distill-Qwen-32B-4bit"
    assert mlx_repository(model, "mlx-6bit") is None
    made = other_commands(model, "Q4_K_M", machine("m4-max-40", memory_gib=64), 8192)
    assert made["mlx"].text.startswith("mlx_lm.server --model mlx-community/DeepSeek-R1-Distill-Qwen-32B-4bit")
    converted = other_commands(model, "Q6_K", machine("m4-max-40", memory_gib=64), 8192)
    assert converted["mlx"].text.startswith("mlx_lm.convert --hf-path deepseek-ai/DeepSeek-R1-Distill-Qwen-32B")


def test_vllm_and_transformers_on_a_card() -> None:
    made = other_commands(catalogue().find("qwen3-0.6b"), "Q8_0", machine("rtx-4090", ram_gib=64), 8192)
    assert list(made) == ["vllm", "transformers"]
    assert made["vllm"].text.startswith("vllm serve Qwen/Qwen3-0.6B --max-model-len 8192")


def test_what_does_not_fit_is_not_offered() -> None:
    large = catalogue().find("llama-3.3-70b")
    assert other_commands(large, "Q4_K_M", machine("m2-8", memory_gib=8), 8192) == {}
    assert "vllm" not in other_commands(large, "Q4_K_M", machine("rtx-4090", ram_gib=64), 8192)


def test_a_machine_without_such_a_gpu_has_none() -> None:
    assert other_commands(catalogue().find("qwen3-0.6b"), "Q8_0", machine("rpi-5-8gb"), 8192) == {}


@pytest.mark.parametrize(("quantization", "bits"), [("Q8_0", 8), ("Q6_K", 6), ("Q4_K_M", 4), ("Q2_K", 4), ("Q5_K_M", 6)])
def test_the_nearest_bits(quantization: str, bits: int) -> None:
    assert mlx_bits(quantization) == bits
