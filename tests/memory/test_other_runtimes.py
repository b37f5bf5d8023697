"""MLX, vLLM and transformers: settings, plans by device, and what each refuses."""

from typing import Any

import pytest

from advisor.errors import QuestionError
from advisor.estimate import Estimate, estimate
from advisor.memory.other_runtimes import runtime_of, runtime_quantization
from advisor.memory.pytorch import batch_defaults, vllm_cache_bytes
from advisor.models.library import catalogue
from advisor.question import Question
from advisor.units import GIB, MIB


def ask(model: str, runtime: str, **fields: Any) -> Estimate:
    return estimate(Question.parse({"model": model, "runtime": runtime, **fields}))


def test_mlx_on_a_mac_draws_on_one_pool() -> None:
    found = ask("llama-3.1-8b", "mlx", quant="MLX-Q4", machine="m4-max-40", memory_gib=64)
    gpu, host = found.plan.devices
    assert (gpu.weights_bytes, gpu.kv_cache_bytes) == (4_517_404_672, 8192 * 131_072)
    assert (host.weights_bytes, host.kv_cache_bytes, host.compute_bytes) == (0, 0, 0)
    (pool,) = found.plan.pools
    assert pool.kind == "unified"
    assert pool.total_bytes == gpu.total_bytes + host.total_bytes
    assert pool.gpu_total_bytes == gpu.total_bytes
    assert found.verdict is not None
    assert (found.plan.grade, found.verdict.verdict) == ("formula", "fits")
    assert found.model.quantization == "mlx-4bit"
    assert found.to_json()["settings"]["runtime"] == "mlx"


def test_mlx_that_is_too_large_for_the_mac() -> None:
    found = ask("llama-3.1-70b", "mlx", quant="mlx-8bit", machine="m4-max-40", memory_gib=64)
    assert found.verdict is not None
    assert found.verdict.verdict == "no"


def test_mlx_keeps_a_quantized_cache_on_request() -> None:
    plain, small = (ask("llama-3.1-8b", "mlx", type_k=kind, type_v=kind).plan.devices[0] for kind in ("bf16", "q8_0"))
    assert small.kv_cache_bytes * 16 == plain.kv_cache_bytes * 8.5


def test_vllm_takes_its_share_of_the_gpu_and_says_what_fits() -> None:
    found = ask("llama-3.1-8b", "vllm", machine="rtx-4090")
    gpu = found.plan.devices[0]
    assert gpu.capacity_bytes is not None
    assert gpu.weights_bytes == 16_060_522_496
    assert gpu.total_bytes == int(gpu.capacity_bytes * 0.92)
    assert gpu.overhead_bytes > 1 * GIB
    sequences = gpu.kv_cache_bytes // (8192 * 131_072)
    assert any(f"{sequences} sequences of 8,192 tokens fit" in said for said in found.assumptions)
    assert found.plan.grade == "typical"


def test_vllm_without_room_for_what_was_asked() -> None:
    found = ask("llama-3.1-8b", "vllm", machine="rtx-4090", context=131_072)
    assert found.verdict is not None
    assert found.verdict.verdict == "no"
    assert any("would not start" in said for said in found.assumptions)


def test_vllm_shares_heads_and_weights_among_gpus() -> None:
    one, two = (ask("llama-3.1-8b", "vllm", gpus=count, slots=4).plan for count in (1, 2))
    assert len(two.devices) == 3
    assert two.devices[0].weights_bytes * 2 == one.devices[0].weights_bytes
    assert two.devices[0].kv_cache_bytes * 2 == one.devices[0].kv_cache_bytes == 4 * 8192 * 131_072


def test_bitsandbytes_quantizes_linear_layers_alone() -> None:
    sizes = {
        name: ask("llama-3.1-8b", "transformers", quant=name).plan.devices[0].weights_bytes for name in ("bf16", "nf4", "int8")
    }
    linear = 32 * (4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336)
    rest = sizes["bf16"] - 2 * linear
    assert sizes["nf4"] == rest + linear // 2 + linear // 64 * 4  # no double quantization unless asked for
    assert sizes["int8"] == rest + linear + 32 * (4096 * 3 + 1024 * 2 + 14336 * 2) * 4


def test_experts_stay_in_sixteen_bits_in_transformers() -> None:
    plain, small = (ask("qwen3-30b-a3b", "transformers", quant=name).plan.devices[0].weights_bytes for name in ("bf16", "nf4"))
    assert 48 * 128 * 3 * 2048 * 768 * 2 < small < plain


def test_transformers_without_a_gpu_lies_on_the_host() -> None:
    found = ask("smollm2-1.7b", "transformers", machine="rtx-4090", slots=2)
    assert found.plan.devices[0].kv_cache_bytes == 2 * 8192 * 24 * 2 * 2048 * 2
    assert found.plan.devices[1].overhead_bytes > 512 * MIB


def test_transformers_reads_a_prompt_of_millions_of_tokens_as_one_batch() -> None:
    short, long = (ask("llama-4-scout", "transformers", context=context) for context in (2**20, 2**21))
    assert (short.plan.settings.batch, long.plan.settings.batch) == (2**20, 2**21)
    assert long.plan.devices[0].compute_bytes > short.plan.devices[0].compute_bytes


def test_vllm_packs_four_bits_with_a_scale_and_a_zero_point_for_128_weights() -> None:
    names = ("bf16", "fp8", "awq", "gptq")
    sizes = {name: ask("llama-3.1-8b", "vllm", quant=name).plan.devices[0].weights_bytes for name in names}
    linear = 32 * (4096 * 4096 * 2 + 4096 * 1024 * 2 + 3 * 4096 * 14336)
    rest = sizes["bf16"] - 2 * linear
    assert sizes["awq"] == rest + linear // 2 + linear // 128 * 2 + linear // 128 // 2
    assert sizes["fp8"] == rest + linear + 32 * 7 * 4
    assert sizes["gptq"] - sizes["awq"] == 32 * (6 * 4096 + 14336) * 4


def test_vllm_quantizes_experts_and_leaves_routers() -> None:
    plain, small = (ask("qwen3-30b-a3b", "vllm", quant=name).plan.devices[0].weights_bytes for name in ("bf16", "fp8"))
    linear = 48 * (128 * 3 * 2048 * 768 + 2048 * 4096 * 2 + 2048 * 512 * 2)
    assert plain - small == linear - 48 * 7 * 4


def test_a_sliding_window_takes_its_window_two_batches_and_a_block() -> None:
    """vllm/v1/kv_cache_interface.py: cdiv(min(window - 1 + max_in_flight_tokens, max_model_len), block) + 1 blocks."""
    hp = catalogue().find("gpt-oss-20b").hyperparameters
    token = 2 * 8 * 64 * 2
    blocks = -(-(128 - 1 + 2 * 2048) // 16) + 1
    assert vllm_cache_bytes(hp, 32768, batched=2048, shards=1) == 12 * token * (32768 + blocks * 16)
    assert vllm_cache_bytes(hp, 1000, batched=2048, shards=1) == 12 * token * (1008 + 1008 + 16)


@pytest.mark.parametrize(
    ("gib", "name", "found"), [(24, "RTX 4090", (2048, 256)), (80, "H100", (8192, 1024)), (80, "A100 80GB", (2048, 256))]
)
def test_vllm_profiles_larger_batches_on_large_gpus(gib: int, name: str, found: tuple[int, int]) -> None:
    assert batch_defaults(gib * GIB, name) == found


@pytest.mark.parametrize(
    ("fields", "runtime", "quantization"),
    [
        ({"model": "llama-3.1-8b:mlx-4bit"}, "mlx", "mlx-4bit"),
        ({"model": "llama-3.1-8b:MLX-Q4"}, "mlx", "mlx-4bit"),
        ({"model": "llama-3.1-8b", "quant": "mlx_6bit"}, "mlx", "mlx-6bit"),
        ({"model": "llama-3.1-8b", "quant": "mlx-mixed-3-6"}, "mlx", "mlx-mixed-3-6"),
        ({"model": "llama-3.1-8b", "quant": "NF4"}, "transformers", "bnb-4bit"),
        ({"model": "llama-3.1-8b:awq"}, "vllm", "awq-4bit"),
        ({"model": "llama-3.1-8b", "quant": "bf16"}, "llama-server", "BF16"),
        ({"model": "llama-3.1-8b:bf16", "runtime": "vllm"}, "vllm", "BF16"),
        ({"model": "llama-3.1-8b:Q4_K_M"}, "llama-server", "Q4_K_M"),
        ({"model": "gpt-oss-20b", "runtime": "vllm"}, "vllm", "MXFP4_MOE"),
    ],
)
def test_a_quantization_names_its_runtime(fields: dict[str, Any], runtime: str, quantization: str) -> None:
    found = estimate(Question.parse(fields))
    assert (found.plan.settings.runtime, found.model.quantization) == (runtime, quantization)


@pytest.mark.parametrize("text", ["Q4_K_M", "q8_0", "bf16", "F16", "nonsense", "", None])
def test_what_llama_cpp_runs_names_no_other_runtime(text: str | None) -> None:
    assert runtime_of(text) is None


REFUSED = [
    ({"runtime": "mlx", "quant": "Q4_K_M"}, "choose mlx-4bit"),
    ({"runtime": "mlx", "quant": "Q8_0"}, "choose mlx-8bit"),
    ({"runtime": "mlx", "quant": "Q2_K"}, "choose mlx-2bit"),
    ({"runtime": "mlx", "quant": "bnb-4bit"}, "choose mlx-4bit"),
    ({"runtime": "vllm", "quant": "Q4_K_M"}, "experimentally"),
    ({"runtime": "vllm", "quant": "mlx-4bit"}, "choose bf16"),
    ({"runtime": "transformers", "quant": "Q4_K_M"}, "bnb-4bit"),
    ({"runtime": "mlx", "machine": "rtx-4090"}, "needs a Mac"),
    ({"runtime": "vllm", "machine": "m4-max-40", "memory_gib": 64}, "NVIDIA"),
    ({"runtime": "transformers", "quant": "nf4", "machine": "m4-max-40", "memory_gib": 64}, "bitsandbytes"),
    ({"runtime": "mlx", "cpu_moe_layers": 4}, "no setting cpu_moe_layers"),
    ({"runtime": "mlx", "gpus": 2}, "one Mac"),
    ({"runtime": "vllm", "gpus": 3}, "32 heads"),
    ({"runtime": "mlx", "type_k": "q5_0"}, "bf16, q8_0 or q4_0"),
    ({"runtime": "mlx", "grade": "engine"}, "formula"),
    ({"runtime": "mlx", "build": "b6060"}, "build"),
    ({"runtime": "mlx", "model": "file.gguf"}, "GGUF"),
    ({"runtime": "mlx", "model": "ollama:llama3.1"}, "GGUF"),
    ({"runtime": "vllm", "quant": "MXFP4"}, "released"),
    ({"runtime": "llama-server", "model": "llama-3.1-8b:mlx-4bit"}, "not a GGUF quantization"),
    ({"runtime": "mlx", "model": "llama-3.1-8b:mlx-4bit", "quant": "mlx-8bit"}, "names mlx-4bit"),
    ({"runtime": "vllm", "quant": "bnb-4bit"}, "awq-4bit"),
]


@pytest.mark.parametrize(("fields", "part"), REFUSED)
def test_what_does_not_go_together_is_said_in_one_sentence(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(QuestionError, match=part) as caught:
        ask(**{"model": "llama-3.1-8b", **fields})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("runtime", "text", "name"),
    [
        ("mlx", None, "mlx-4bit"),
        ("mlx", "MLX-Q6", "mlx-6bit"),
        ("mlx", "mixed_3_6", "mlx-mixed-3-6"),
        ("mlx", "bf16", "BF16"),
        ("mlx", "8bit", "mlx-8bit"),
        ("vllm", "BF16", "BF16"),
        ("transformers", "8bit", "bnb-8bit"),
        ("transformers", "NF4", "bnb-4bit"),
    ],
)
def test_quantizations_are_read_in_any_usual_spelling(runtime: str, text: str | None, name: str) -> None:
    assert runtime_quantization(runtime, text) == name
