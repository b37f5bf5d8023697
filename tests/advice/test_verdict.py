"""Verdicts. The dangerous mistake is a "fits" that runs out of memory, so known reports are here with what came of them."""

from typing import Any

import pytest

from advisor.advice.verdict import Verdict, judge
from advisor.machines.adjust import adjust
from advisor.machines.library import find_machine
from advisor.machines.profile import Gpu, MachineProfile, SystemMemory
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.units import GIB

_STRICTER = {"fits": 0, "tight": 1, "partial": 2, "no": 3}


def verdict(
    model: str, name: str | None, quantization: str = "Q4_K_M", *, numbers: dict[str, Any] | None = None, **asked: Any
) -> Verdict:
    machine = adjust(None if name is None else find_machine(name), **(numbers or {}))[0]
    return on(machine, model, quantization, **asked)


def on(machine: MachineProfile, model: str, quantization: str = "Q4_K_M", **asked: Any) -> Verdict:
    metadata = catalogue().find(model).quantized(quantization)
    settings = resolve(asked, metadata, has_gpu=bool(machine.gpus), machine=machine)
    return judge(plan_memory(metadata, machine, settings), machine)


@pytest.mark.parametrize("layers", ["auto", "all", 0, 20])
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("machine", ["m1-8", "m2-8"])
def test_an_8b_at_8k_never_fits_a_mac_of_8_gb(machine: str, slots: int, layers: object) -> None:
    found = verdict("llama-3.1-8b", machine, context=8192, slots=slots, gpu_layers=layers)
    assert found.verdict != "fits"


def test_a_mac_says_how_to_raise_its_limit_where_that_is_enough() -> None:
    found = verdict("llama-3.1-8b", "m2-8", context=8192, gpu_layers="all")
    assert found.verdict == "tight"
    assert "may take 5.33 GiB of the 8.00 GiB" in found.reasons[0]
    assert "sudo sysctl iogpu.wired_limit_mb=6144" in found.reasons[0]


def test_a_mac_does_not_suggest_a_limit_that_would_not_do() -> None:
    found = verdict("qwen3-14b", "m2-8", "Q3_K_M", context=4096, gpu_layers="all")
    assert found.verdict == "no"
    assert not any("sysctl" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("model", "quantization", "name", "asked", "expected"),
    [
        ("llama-3.1-8b", "Q4_K_M", "rtx-4090", {"context": 8192}, "fits"),
        ("llama-3.1-8b", "Q4_K_M", "m3-10", {"context": 8192}, "partial"),  # sold from 8 GB
        ("llama-3.1-8b", "Q4_K_M", "m4-10", {"context": 8192}, "fits"),  # sold from 16 GB
        ("llama-3.1-8b", "Q4_K_M", "rtx-3060-12gb", {"context": 65536}, "partial"),
        ("llama-3.1-70b", "Q4_K_M", "rtx-4090", {"context": 8192, "gpu_layers": "all"}, "no"),
        ("gpt-oss-120b", "MXFP4_MOE", "rtx-4090", {"context": 8192}, "partial"),
        ("deepseek-r1-671b", "Q4_K_M", "m4-max-40", {"context": 8192}, "no"),
        ("llama-3.1-8b", "Q4_K_M", "rpi-5-8gb", {"context": 8192}, "tight"),
        ("llama-3.2-1b", "Q4_K_M", "rpi-5-8gb", {"context": 8192}, "fits"),
        ("qwen3-32b", "Q4_K_M", "rtx-4090", {"context": 8192, "slots": 1}, "fits"),
        ("qwen3-32b", "Q4_K_M", "rtx-4090", {"context": 18432, "slots": 1, "gpu_layers": "all"}, "tight"),
    ],
)
def test_verdicts(model: str, quantization: str, name: str, asked: dict[str, Any], expected: str) -> None:
    assert verdict(model, name, quantization, **asked).verdict == expected


@pytest.mark.parametrize(
    ("model", "quantization", "numbers", "asked", "allowed"),
    [
        # ggml-org/llama.cpp#6668: Command R+ 104B Q5_K_S on three cards of 24 GB fails to allocate 23,721 MiB
        ("command-r-plus-08-2024", "Q5_K_S", {"memory_gib": 24, "gpus": 3}, {"context": 512, "gpu_layers": "all"}, {"no"}),
        # ollama/ollama#17482: a 27B of 15.4 GiB runs on an RTX 3090
        ("qwen3.6-27b", "Q4_K_M", {"memory_gib": 24}, {"context": 4096, "slots": 1, "gpu_layers": "all"}, {"fits"}),
        # gmickel/gno#189: Qwen3-4B Q4_K_M takes 4.9 GB of an RTX 5060 Laptop of 8 GB
        ("qwen3-4b-instruct-2507", "Q4_K_M", {"memory_gib": 8}, {"context": 8192, "slots": 1, "gpu_layers": "all"}, {"fits"}),
        # ggml-org/llama.cpp#15860: 3 x RTX 4090 hold what takes 9.4 of 24 GiB each and no more than 14.2 GiB
        ("llama-3.1-70b", "Q4_K_M", {"memory_gib": 24, "gpus": 3}, {"context": 8192, "gpu_layers": "all"}, {"fits"}),
        # the same on one card does not load
        ("llama-3.1-70b", "Q4_K_M", {"memory_gib": 24}, {"context": 8192, "gpu_layers": "all"}, {"no"}),
    ],
)
def test_known_reports_are_never_more_hopeful_than_what_happened(
    model: str, quantization: str, numbers: dict[str, Any], asked: dict[str, Any], allowed: set[str]
) -> None:
    assert verdict(model, None, quantization, numbers=numbers, **asked).verdict in allowed


def test_reasons_are_sentences_with_the_numbers_that_decide() -> None:
    found = verdict("llama-3.1-8b", "rtx-4090", context=8192)
    assert (
        found.reasons[0] == "It needs 5.88 GiB of the memory of NVIDIA GeForce RTX 4090, which has 23.4 GiB: 17.5 GiB to spare."
    )
    missing = verdict("llama-3.1-70b", "rtx-4090", context=8192, gpu_layers="all")
    assert missing.reasons[0].startswith("It needs 42.")
    assert missing.reasons[0].endswith("GiB too little.")


def test_several_gpus_are_told_apart() -> None:
    found = verdict("llama-3.1-70b", "rtx-3090", numbers={"gpus": 2}, context=32768, gpu_layers="all")
    assert any("GPU 1 (NVIDIA GeForce RTX 3090)" in reason for reason in found.reasons)
    assert any("GPU 2 (NVIDIA GeForce RTX 3090)" in reason for reason in found.reasons)


def test_partial_says_how_much_is_left_to_the_cpu() -> None:
    dense = verdict("llama-3.1-8b", "rtx-3060-12gb", context=65536)
    assert dense.verdict == "partial"
    assert dense.reasons[0].startswith("Only ")
    experts = verdict("gpt-oss-120b", "rtx-4090", "MXFP4_MOE", context=8192)
    assert experts.reasons[0].startswith("The experts of ")
    assert "stay in system memory" in experts.reasons[0]


def test_a_memory_in_use_leaves_less() -> None:
    idle = adjust(find_machine("rtx-3060-12gb"))[0]
    busy = idle.model_copy(update={"gpus": (idle.gpus[0].model_copy(update={"in_use_bytes": 7 * GIB}),)})
    assert on(idle, "llama-3.1-8b", context=8192, gpu_layers="all").verdict == "fits"
    found = on(busy, "llama-3.1-8b", context=8192, gpu_layers="all")
    assert found.verdict == "no"
    assert "which has 4.70 GiB free" in found.reasons[0]


def test_measured_use_replaces_what_the_system_is_taken_to_hold() -> None:
    named = adjust(find_machine("rpi-5-8gb"))[0]
    measured = named.model_copy(update={"memory": named.memory.model_copy(update={"in_use_bytes": GIB // 2})})
    assert on(named, "llama-3.1-8b", context=8192).verdict == "tight"
    assert on(measured, "llama-3.1-8b", context=8192).verdict == "fits"


def test_a_gpu_of_unknown_memory_is_never_said_to_fit() -> None:
    machine = MachineProfile(id="x", name="X", kind="discrete", gpus=(Gpu(name="Arc", vendor="intel", backend="sycl"),))
    found = on(machine, "llama-3.2-1b")
    assert found.verdict == "tight"
    assert "not known" in found.reasons[0]
    assert found.headroom_bytes is None


def test_system_memory_of_unknown_size_does_not_decide() -> None:
    found = verdict("llama-3.1-8b", "rtx-4090", context=8192)
    assert found.verdict == "fits"
    assert any("system memory, the size of which is not known" in reason for reason in found.reasons)


def test_too_little_system_memory_decides_though_the_gpu_is_full_of_room() -> None:
    machine = adjust(find_machine("rtx-4090"), ram_gib=16)[0]
    found = on(machine, "gpt-oss-120b", "MXFP4_MOE", context=8192)
    assert found.verdict == "no"
    assert "system memory" in found.reasons[0]


def test_a_gpu_of_a_shared_memory_without_a_limit_may_take_all_of_it() -> None:
    gpu = Gpu(name="GB10", vendor="nvidia", backend="cuda")
    machine = MachineProfile(
        id="x", name="X", kind="unified", gpus=(gpu,), memory=SystemMemory(capacity_bytes=128 * GIB, in_use_bytes=0)
    )
    assert on(machine, "gpt-oss-120b", "MXFP4_MOE", context=8192, gpu_layers="all").verdict == "fits"


@pytest.mark.parametrize("model", ["llama-3.1-8b", "gemma-3-27b", "gpt-oss-20b", "qwen3-30b-a3b"])
def test_more_memory_never_makes_a_verdict_worse(model: str) -> None:
    quantization = "MXFP4_MOE" if model == "gpt-oss-20b" else "Q4_K_M"
    found = [
        verdict(model, None, quantization, numbers={"memory_gib": size, "ram_gib": 64}, context=8192).verdict
        for size in (4, 8, 12, 16, 24, 48)
    ]
    assert [_STRICTER[word] for word in found] == sorted((_STRICTER[word] for word in found), reverse=True)
