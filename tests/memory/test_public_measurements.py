"""Sizes that people measured and published outside load logs: pull requests, issues and tests of other projects."""

from typing import Any

import pytest

from advisor.machines.profile import Gpu, MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue

MIB, GIB = 2**20, 2**30
CUDA = MachineProfile(id="m", name="m", kind="discrete", gpus=(Gpu(name="g", vendor="nvidia", backend="cuda"),))


def plan(model: str, quantization: str = "Q4_K_M", **asked: Any) -> MemoryPlan:
    """A plan on one CUDA GPU without a limit; one slot unless asked otherwise."""
    found = catalogue().find(model).quantized(quantization)
    settings = resolve({"slots": 1, "gpu_layers": "all"} | asked, found, has_gpu=True)
    return plan_memory(found, CUDA, settings)


def cache_mib(answer: MemoryPlan) -> float:
    """KV cache of all devices."""
    return sum(device.kv_cache_bytes for device in answer.devices) / MIB


@pytest.mark.parametrize(
    ("slots", "context", "unified", "mib"),
    [
        # https://github.com/unslothai/unsloth/pull/5225 (llama-server, 2026-05-03): 3 global and 15 sliding blocks, window 512
        (1, 4096, False, 27.0),
        (2, 4096, False, 42.0),
        (4, 4096, False, 72.0),
        (8, 4096, False, 72.0),
        (1, 8192, False, 39.0),
        (2, 8192, False, 54.0),
        # https://github.com/unslothai/unsloth/blob/015bdef0d94a241bcd94eec7a405b1700632180d/studio/backend/tests/test_kv_cache_estimation.py
        (4, 8192, False, 84.0),
        (2, 8192, True, 46.5),
        (4, 8192, True, 61.5),
        # https://github.com/unslothai/unsloth/pull/7530 (build 10107): slots are rounded up to 256 cells each
        (3, 1024, False, 27.0),
        (4, 1024, False, 18.0),
    ],
)
def test_gemma_3_270m_cache(slots: int, context: int, unified: bool, mib: float) -> None:
    """Sliding-window cells by slots and context."""
    assert cache_mib(plan("gemma-3-270m", slots=slots, context=context, unified_kv=unified, build="2026-05-03")) == mib


@pytest.mark.parametrize(
    ("model", "context", "mib"),
    [
        # https://github.com/unslothai/unsloth/pull/6718, Qwen3.5-9B, f16 cache
        ("qwen3.5-9b", 8192, 256),
        ("qwen3.5-9b", 32768, 1024),
        ("qwen3.5-9b", 131072, 4096),
        ("qwen3.5-9b", 262144, 8192),
        # https://github.com/unslothai/unsloth/blob/015bdef0d94a241bcd94eec7a405b1700632180d/studio/backend/tests/test_mtp_vram_budget.py
        ("qwen3.6-27b", 4096, 256),
        ("qwen3.6-27b", 16384, 1024),
        ("qwen3.6-27b", 65536, 4096),
        ("qwen3.6-27b", 131072, 8192),
        # https://github.com/GeniePod/genie-claw/issues/410
        ("qwen2.5-1.5b", 4096, 112),
        ("qwen2.5-1.5b", 32768, 896),
    ],
)
def test_cache(model: str, context: int, mib: float) -> None:
    """Hybrids keep a cache in one block of four."""
    assert cache_mib(plan(model, context=context)) == mib


def test_recurrent_state_of_four_slots() -> None:
    """Qwen3.6-27B: 598.5 MiB for 4 slots (unsloth studio/backend/tests/test_mtp_vram_budget.py, commit 015bdef)."""
    answer = plan("qwen3.6-27b", slots=4, context=8192)
    assert sum(device.recurrent_state_bytes for device in answer.devices) / MIB == 598.5


@pytest.mark.parametrize(("swa_full", "mib"), [(True, 64.0 + 160.0), (False, 64.0 + 40.0)])
def test_gemma_4_e4b_cache(swa_full: bool, mib: float) -> None:
    """https://github.com/qualcomm/GenieX/pull/1346: 64 MiB and, full-size, 160 MiB at 4096; without, 40 KiB a cell (1536 cells
    there, with another batch: 60 MiB; 512 + 512 here)."""
    assert cache_mib(plan("gemma-4-e4b", "Q4_0", context=4096, swa_full=swa_full)) == mib


@pytest.mark.parametrize(("cache", "gib"), [("q8_0", 1.30), ("f16", 0.31)])
def test_quantized_cache_needs_room_to_be_read(cache: str, gib: float) -> None:
    """https://github.com/unslothai/unsloth/pull/6718: Qwen3.5-4B at 262,144 tokens on CUDA, compute buffer."""
    answer = plan("qwen3.5-4b", context=262144, type_k=cache, type_v=cache, build="2026-07-01")
    assert answer.devices[0].compute_bytes / GIB == pytest.approx(gib, abs=0.005)


@pytest.mark.parametrize(
    ("build", "logits", "gpu", "host"),
    [("2026-05-28", "ubatch", 3976, 2408), ("2026-06-02", "slots", 1982, 1236)],
)
def test_experts_on_the_host_at_150k(build: str, logits: str, gpu: float, host: float) -> None:
    """https://github.com/ggml-org/llama.cpp/issues/23527: Qwen3.6-35B-A3B, -c 150000 -b 4096 -ub 4096 -ctk q8_0 --cpu-moe,
    before and after f16 masks on the host and logits for the slots only."""
    asked = {"context": 150000, "batch": 4096, "ubatch": 4096, "type_k": "q8_0", "type_v": "q8_0", "cpu_moe_layers": 40}
    answer = plan("qwen3.6-35b-a3b", build=build, logits=logits, **asked)
    assert answer.devices[0].compute_bytes / MIB == pytest.approx(gpu, rel=0.002)
    assert answer.host.compute_bytes / MIB == pytest.approx(host, rel=0.002)


def test_gpt_oss_with_experts_on_the_host() -> None:
    """https://github.com/ikawrakow/ik_llama.cpp/issues/822: mainline b6699, --n-cpu-moe 99 -c 131072 -fa on: 1242.03 MiB of
    weights and 456.98 of compute on the GPU."""
    answer = plan("gpt-oss-20b", "MXFP4", context=131072, build="b6699", flash_attention="on", cpu_moe_layers=99)
    assert answer.devices[0].weights_bytes / MIB == pytest.approx(1242.03, abs=0.05)
    assert answer.devices[0].compute_bytes / MIB == pytest.approx(456.98, abs=0.02)
